"""Errors as DIMSE statuses: every code, exactly as DESIGN 9 says."""

from __future__ import annotations

import pytest

from ris.domain.errors import (
    BusyError,
    DeniedError,
    DuplicateKeyError,
    ErrorCode,
    InternalError,
    InvalidValueError,
    MissingValueError,
    RisError,
    SeveralErrors,
    StateConflictError,
    UnknownKeyError,
    UnsupportedError,
)
from worklist import status


def test_both_tables_cover_every_code() -> None:
    assert set(status.C_FIND) == set(ErrorCode)
    assert set(status.DIMSE_N) == set(ErrorCode)


@pytest.mark.parametrize(
    ("error", "find", "normalized"),
    [
        (MissingValueError("x"), 0xA900, 0x0120),
        (MissingValueError("x", details={"empty": True}), 0xA900, 0x0121),
        (InvalidValueError("x"), 0xA900, 0x0106),
        (InvalidValueError("x", details={"attribute": True}), 0xA900, 0x0105),
        (UnknownKeyError("x"), 0x0000, 0x0112),
        (DuplicateKeyError("x"), 0xC000, 0x0111),
        (StateConflictError("x"), 0xC000, 0x0110),
        (BusyError("x"), 0xA700, 0x0213),
        (DeniedError("x"), 0x0124, 0x0124),
        (UnsupportedError("x"), 0xA900, 0x0122),
        (UnsupportedError("x", details={"operation": "N-SET"}), 0xA900, 0x0211),
        (InternalError("x"), 0xC000, 0x0110),
        (SeveralErrors([InvalidValueError("x"), BusyError("y")]), 0xA900, 0x0106),
    ],
)
def test_each_error_has_its_status(error: RisError, find: int, normalized: int) -> None:
    assert status.find_refusal(error).status == find
    assert status.refusal(error).status == normalized


def test_only_the_end_of_a_performed_step_has_the_error_id() -> None:
    ended = StateConflictError("may no longer be updated", details={"final": True})

    assert status.refusal(ended).error_id == 0xA710
    assert status.refusal(StateConflictError("otherwise")).error_id is None


def test_the_element_is_named_in_the_way_of_each_service() -> None:
    error = InvalidValueError("not a date", path="(0040,0002)")

    assert status.find_refusal(error).offending_elements == (0x00400002,)
    assert status.refusal(error).attribute_identifiers == (0x00400002,)
    assert status.refusal(error).offending_elements == ()


def test_elements_of_the_command_set_are_no_attributes() -> None:
    error = DuplicateKeyError("known already", path="(0000,1000)")

    assert status.refusal(error).attribute_identifiers == ()


def test_a_comment_is_short_plain_and_says_where() -> None:
    assert status.comment(InvalidValueError("not a date", path="(0040,0002)")) == (
        "(0040,0002) not a date"
    )
    assert status.comment(InvalidValueError("über " * 30)) == ("ber " * 16).strip()
    assert len(status.comment(InvalidValueError("x" * 100))) == 64


def test_a_fault_of_ours_shows_only_its_reference() -> None:
    error = InternalError("stack and values", details={"error_id": "ab12cd34"})

    assert status.comment(error) == "internal error ab12cd34"
