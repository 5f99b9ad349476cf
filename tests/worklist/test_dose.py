"""Dose reports as they should not be: damaged, hostile, or simply of another kind."""

from __future__ import annotations

from struct import pack
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset

from ris.domain.dose import DoseKind, RecordDose, Scope
from ris.domain.errors import InvalidValueError, RisError
from ris.domain.measures import Measure
from tests.worklist.entries import SYNTAXES
from tests.worklist.reports import code, ct, ct_event, encode, report, scope
from worklist.dose import Circumstances, from_report, references_in
from worklist.dose_tree import moment
from worklist.sop_classes import DOSE_REPORT_DEPTH, DOSE_REPORT_ELEMENTS, X_RAY_RADIATION_DOSE_SR

HERE = Circumstances(ae_title="CT1", zone=ZoneInfo("Europe/Vienna"))


def read(document: Dataset, **overrides: Any) -> RecordDose:
    fields: dict[str, Any] = {
        "sop_class_uid": str(document.SOPClassUID),
        "sop_instance_uid": str(document.SOPInstanceUID),
        "data": overrides.get("data") or encode(document),
        "transfer_syntax": SYNTAXES["explicit"],
    }
    return from_report(**fields | overrides, circumstances=HERE)


EVENTS = {"2.25.8001": "100", "2.25.8002": "250.5"}


# --- not what it says it is


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.76"}, "(0008,0016)"),
        ({"sop_instance_uid": "2.25.1"}, "(0008,0018)"),
    ],
)
def test_another_object_than_the_request_names_is_a_mismatch(
    change: dict[str, str], path: str
) -> None:
    with pytest.raises(InvalidValueError) as refused:
        read(ct(EVENTS), **change)

    assert (refused.value.path, refused.value.details) == (path, {"mismatch": True})


def test_a_report_on_something_else_is_a_mismatch() -> None:
    with pytest.raises(InvalidValueError) as refused:
        read(report([], title="126000 Imaging Measurement Report"))

    assert refused.value.details == {"mismatch": True}
    assert refused.value.path == "(0040,A043)"


def test_an_image_is_no_structured_report() -> None:
    with pytest.raises(InvalidValueError, match="not a structured report"):
        read(report([], ValueType=None))


# --- damaged


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_report_cut_short_is_refused(kept: float) -> None:
    data = encode(ct(EVENTS))

    with pytest.raises(InvalidValueError):
        read(ct(EVENTS), data=data[: int(len(data) * kept) // 2 * 2 - 2])


def test_any_single_byte_may_be_wrong() -> None:
    """Each is read or refused; nothing else happens."""
    document = ct({"2.25.8001": "100"})
    data = encode(document)

    for place in range(0, len(data), 11):
        damaged = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
        try:
            read(document, data=damaged)
        except RisError:
            continue


def test_too_deep_a_tree_is_refused() -> None:
    node: dict[str, Any] = {"is": "113819 CT Acquisition"}
    for _ in range(DOSE_REPORT_DEPTH + 2):
        node = {"is": "113819 CT Acquisition", "has": [node]}

    with pytest.raises(InvalidValueError, match="nested too deep"):
        read(report([node]))


def test_a_tree_within_the_depth_is_read_without_recursion() -> None:
    node: dict[str, Any] = ct_event("2.25.8001", "100")
    for _ in range(DOSE_REPORT_DEPTH - 8):
        node = {"is": "121071 Finding", "has": [node]}

    assert [event.uid for event in read(report([node])).events] == ["2.25.8001"]


def test_more_elements_than_any_report_has_are_refused() -> None:
    start = encode(report([]))
    empty_items = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * (DOSE_REPORT_ELEMENTS + 1)
    sequence = b"\x40\x00\x30\xa7SQ\x00\x00" + pack("<I", len(empty_items)) + empty_items
    head = start[: start.index(b"\x40\x00\x30\xa7")]

    with pytest.raises(InvalidValueError, match="too many elements"):
        read(report([]), data=head + sequence)


def test_more_events_than_are_kept_leave_the_totals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worklist.dose.EVENTS_KEPT", 2)

    command = read(ct({f"2.25.{number}": "1" for number in range(1, 4)}, total="9000"))

    assert [event.uid for event in command.events] == [""]
    assert "3 irradiation events, more than are kept" in command.flags
    assert command.totals[1].sent == "9000"


def test_a_loop_of_references_is_no_loop() -> None:
    document = ct(EVENTS)
    for path in ([1], [1, 1]):
        link = Dataset()
        link.RelationshipType = "CONTAINS"
        link.ReferencedContentItemIdentifier = path
        document.ContentSequence.append(link)

    assert len(read(document).events) == 2


def test_accumulations_within_each_other_count_once() -> None:
    inner = {
        "is": "113811 CT Accumulated Dose Data",
        "has": [{"is": "113813 DLP Total", "num": "5", "unit": "mGy.cm"}],
    }
    outer = {"is": "113811 CT Accumulated Dose Data", "has": [inner]}

    totals = read(report([outer])).totals

    assert [one.sent for one in totals] == ["5"]


# --- odd, and read all the same


def test_an_event_without_uid_is_kept_apart_and_told() -> None:
    command = read(report([ct_event(None, "100"), ct_event("2.25.8001", "100")]))

    assert sorted(event.uid for event in command.events) == ["", "2.25.8001"]
    assert "an irradiation event has no UID" in command.flags


def test_an_event_uid_that_is_none_is_no_uid() -> None:
    (event,) = read(report([ct_event("not-a-uid", "100")])).events

    assert event.uid == ""


def test_an_event_told_twice_in_one_report_counts_once() -> None:
    command = read(report([ct_event("2.25.8001", "100"), ct_event("2.25.8001", "100")]))

    (event,) = command.events
    dlps = [one.sent for one in event.quantities if one.measure is Measure.DLP]
    assert dlps == ["100"]
    assert "an irradiation event is told twice" in command.flags


def test_several_numbers_in_one_measurement_are_not_counted() -> None:
    document = ct(EVENTS)
    total = document.ContentSequence[4].ContentSequence[1]
    total.MeasuredValueSequence = [*total.MeasuredValueSequence, *total.MeasuredValueSequence]

    command = read(document)

    assert command.totals[1].value is None
    assert "Dose length product (DLP): more than one number" in command.flags


def test_missing_identifiers_are_flagged_not_fatal() -> None:
    command = read(ct(EVENTS, StudyInstanceUID=None, PatientID=None, AccessionNumber=None))

    assert command.study_instance_uid == ""
    assert command.patient_identifier is None
    assert "(0020,000D): StudyInstanceUID is missing" in command.flags


def test_text_that_does_not_fit_its_character_set_spoils_only_itself() -> None:
    data = encode(ct(EVENTS)).replace(b"Berg^Anna ", b"Berg^\xff\xfe\xfd\xfc ")

    command = read(ct(EVENTS), data=data)

    assert command.patient_name == ""
    assert "(0010,0010): text does not fit its character set" in command.flags
    assert len(command.events) == 2


def test_the_accession_number_of_the_only_request_answered_counts() -> None:
    one = [{"AccessionNumber": "A1", "StudyInstanceUID": "2.25.1"}]
    two = [*one, {"AccessionNumber": "A2", "StudyInstanceUID": "2.25.2"}]

    assert read(ct(EVENTS, ReferencedRequestSequence=one)).accession_number == "A1"
    assert read(ct(EVENTS, ReferencedRequestSequence=two)).accession_number == ""


def test_predecessors_and_scope_are_read() -> None:
    predecessor = [
        {
            "StudyInstanceUID": "2.25.1001",
            "ReferencedSeriesSequence": [
                {
                    "SeriesInstanceUID": "2.25.2",
                    "ReferencedSOPSequence": [
                        {
                            "ReferencedSOPClassUID": X_RAY_RADIATION_DOSE_SR,
                            "ReferencedSOPInstanceUID": "2.25.6999",
                        }
                    ],
                }
            ],
        }
    ]

    command = read(
        ct(
            EVENTS,
            scope_of=scope("113016 Performed Procedure Step", "2.25.3001"),
            PredecessorDocumentsSequence=predecessor,
        )
    )

    assert command.predecessors == ("2.25.6999",)
    assert (command.scope, command.scope_uid) == (Scope.PERFORMED_STEP, "2.25.3001")


def test_what_is_no_ct_and_no_mammography_is_projection() -> None:
    assert read(report([scope()])).kind is DoseKind.PROJECTION


def test_a_code_of_another_scheme_is_another_code() -> None:
    document = ct(EVENTS)
    total = document.ContentSequence[4].ContentSequence[1]
    total.ConceptNameCodeSequence = [code("113813 99SITE something of ours")]

    assert [one.measure for one in read(document).totals] == [Measure.EVENTS]


def test_references_tie_even_what_is_refused() -> None:
    data = encode(report([], title="126000 Other", AccessionNumber="A1"))

    found = references_in(data, SYNTAXES["explicit"])

    assert found == (("study", "2.25.1001"), ("accession", "A1"))
    assert references_in(data[:40], SYNTAXES["explicit"]) == ()
    for syntax in SYNTAXES:
        whole = encode(ct(EVENTS, AccessionNumber="A1"), syntax)
        assert references_in(whole, SYNTAXES[syntax]) == found


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("20260302131005.25", "2026-03-02T12:10:05.250000+00:00"),
        ("20260302131005+0530", "2026-03-02T07:40:05+00:00"),
        ("202603021310", "2026-03-02T12:10:00+00:00"),
        ("20260302", "2026-03-01T23:00:00+00:00"),
        ("20260230", None),
        ("2026", None),
        ("20260302131005+9900", None),
        ("99991231235959-1400", None),
        ("", None),
    ],
)
def test_a_moment_is_read_or_not(text: str, instant: str | None) -> None:
    found = moment(text, ZoneInfo("Europe/Vienna"))

    assert (found.isoformat() if found else None) == instant
