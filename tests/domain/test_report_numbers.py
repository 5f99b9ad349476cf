"""Numbers that people answer fields with."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ris.domain.report_fields import number_of


@pytest.mark.parametrize(
    ("said", "expected"),
    [("12", "12"), (" 3,5 ", "3.5"), ("-0.25", "-0.25"), (".5", "0.5"), ("+7", "7")],
)
def test_a_number_is_read_as_people_write_it(said: str, expected: str) -> None:
    assert number_of(said) == Decimal(expected)


@pytest.mark.parametrize(
    "said", ["", ".", "one", "NaN", "Infinity", "1e999999", "1_000", "9" * 16, "1,000.5"]
)
def test_what_would_not_fit_a_report_is_no_number(said: str) -> None:
    assert number_of(said) is None
