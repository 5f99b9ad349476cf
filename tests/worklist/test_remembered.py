"""What is read of an identifier once, and what the next one has in common with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ris.domain.errors import RisError
from ris.selectors.views import TextMatch
from tests.worklist.entries import SYNTAXES, encoded, identifier
from tests.worklist.queries import VIENNA
from worklist import remembered
from worklist.charset import character_set
from worklist.matching import WorklistRequest, to_request
from worklist.remembered import parsed

ASCII = character_set(("",))
NUMBERS = ("AccessionNumber", "PatientID", "RequestedProcedureID", "StudyInstanceUID")


def read(data: bytes, syntax: str = "explicit") -> WorklistRequest:
    return parsed(data, SYNTAXES[syntax], VIENNA, ASCII, 500)


def anew(data: bytes, syntax: str = "explicit") -> WorklistRequest:
    return to_request(data, SYNTAXES[syntax], zone=VIENNA, default=ASCII, limit=500)


def told(read_it: WorklistRequest) -> tuple[object, ...]:
    return (
        read_it.query, read_it.plan, read_it.character_terms, read_it.unsupported,
        dict(read_it.keys), read_it.deviations,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered._parsed.cache_clear()
    monkeypatch.setattr(remembered, "_forms", remembered._Forms())


def test_the_same_bytes_are_read_once() -> None:
    data = encoded(identifier(PatientID="P1"))

    first = read(data)

    assert read(data) is first


@pytest.mark.parametrize("syntax", [*SYNTAXES])
@pytest.mark.parametrize("keyword", NUMBERS)
def test_another_number_as_long_is_read_by_its_number_alone(
    syntax: str, keyword: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (
        encoded(identifier(step={"Modality": "CT"}, PatientName="", **{keyword: number}), syntax)
        for number in ("1.2.840.1", "1.2.840.7")
    )
    read(one, syntax)
    expected = told(anew(other, syntax))

    monkeypatch.setattr(remembered, "to_request", _never)

    assert told(read(other, syntax)) == expected


def test_a_number_of_a_step_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    read(encoded(identifier(step={"ScheduledProcedureStepID": "S1"})))
    monkeypatch.setattr(remembered, "to_request", _never)

    found = read(encoded(identifier(step={"ScheduledProcedureStepID": "S2"})))

    assert found.query is not None
    assert found.query.step_id == TextMatch(pattern="S2")
    assert found.keys == {"ScheduledProcedureStepID": "S2"}


@pytest.mark.parametrize("text", ["A*00", "A?00", "A\\00", "A 00", "", "*", "AÄ1", "A1"])
def test_what_does_not_mean_itself_alone_is_read_anew(text: str) -> None:
    read(encoded(identifier(AccessionNumber="A100", SpecificCharacterSet="ISO_IR 192")))
    other = encoded(identifier(AccessionNumber=text, SpecificCharacterSet="ISO_IR 192"))

    assert told(read(other)) == told(anew(other))


def test_who_asks_for_more_than_the_number_gets_it() -> None:
    read(encoded(identifier(AccessionNumber="A1", PatientName="")))
    other = encoded(identifier(AccessionNumber="A2", PatientName="Baker"))

    assert told(read(other)) == told(anew(other))


def test_a_number_that_stands_in_two_places_is_read_anew() -> None:
    """Nobody can tell by the bytes alone which of them is the key."""
    data = encoded(identifier(step={"AccessionNumber": "A1"}, AccessionNumber="A1"))
    other = encoded(identifier(step={"AccessionNumber": "A1"}, AccessionNumber="A2"))
    read(data)

    assert told(read(other)) == told(anew(other))


_ALPHABET = st.sampled_from([*"A0z.- *?\\\0\x1b~"])


@settings(max_examples=300, deadline=None)
@given(
    texts=st.integers(1, 6).flatmap(
        lambda size: st.lists(st.text(_ALPHABET, min_size=size, max_size=size), min_size=2,
                              max_size=4)
    ),
    keyword=st.sampled_from(NUMBERS[:3]),
    syntax=st.sampled_from([*SYNTAXES]),
)  # fmt: skip
def test_whatever_came_before_it_is_read_as_if_nothing_had(
    texts: list[str], keyword: str, syntax: str
) -> None:
    for text in texts:
        keys: dict[str, Any] = {keyword: text}
        data = encoded(identifier(**keys), syntax)
        try:
            expected: object = told(anew(data, syntax))
        except RisError as error:
            expected = error.path, error.message
        try:
            found: object = told(read(data, syntax))
        except RisError as error:
            found = error.path, error.message

        assert found == expected


def test_forms_do_not_fill_the_memory() -> None:
    for number in range(3 * remembered._KINDS):
        read(encoded(identifier(AccessionNumber="A1", PatientComments="x" * 2 * number)))
    for number in range(3 * remembered._FORMS):
        read(encoded(identifier(AccessionNumber="A1", PatientComments=f"note {number:04d}")))

    known = remembered._forms._known
    assert len(known) == remembered._KINDS
    assert max(map(len, known.values())) == remembered._FORMS


def _never(*arguments: object, **options: object) -> WorklistRequest:
    raise AssertionError("read anew")
