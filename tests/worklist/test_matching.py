"""Identifiers as queries: every form of every key, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset

from ris.domain.errors import InvalidValueError
from ris.domain.orders import Priority, StepStatus
from ris.domain.values import Code
from ris.selectors.views import TextMatch, WorklistQuery
from tests.worklist.entries import SYNTAXES, encoded, identifier
from worklist.charset import character_set
from worklist.elements import tag_of
from worklist.matching import WorklistRequest, parsed, to_request

VIENNA = ZoneInfo("Europe/Vienna")


def request(query: Dataset, syntax: str = "explicit", **options: Any) -> WorklistRequest:
    return to_request(encoded(query, syntax), SYNTAXES[syntax], zone=VIENNA, **options)


def query(step: dict[str, Any] | None = None, **keys: Any) -> WorklistQuery | None:
    return request(identifier(step=step, **keys)).query


def refusal(step: dict[str, Any] | None = None, **keys: Any) -> str:
    with pytest.raises(InvalidValueError) as refused:
        query(step, **keys)
    return refused.value.path


def raw(tag: int, vr: bytes, value: bytes) -> bytes:
    """One element in Explicit VR, with values pydicom would not write."""
    return (
        (tag >> 16).to_bytes(2, "little")
        + (tag & 0xFFFF).to_bytes(2, "little")
        + vr
        + len(value).to_bytes(2, "little")
        + value
    )


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


# --- which key sets which field


@pytest.mark.parametrize(
    ("step", "root", "field", "value"),
    [
        ({"ScheduledStationAETitle": "CT1"}, {}, "station_ae_titles", ("CT1",)),
        ({"ScheduledStationAETitle": ["CT1", "CT2"]}, {}, "station_ae_titles", ("CT1", "CT2")),
        ({"Modality": "CT"}, {}, "modalities", ("CT",)),
        ({"Modality": ["CT", "MR"]}, {}, "modalities", ("CT", "MR")),
        ({"ScheduledPerformingPhysicianName": "Osei*"}, {}, "performing_physician", "Osei*"),
        ({"ScheduledProcedureStepID": "S1"}, {}, "step_id", TextMatch(pattern="S1")),
        ({"ScheduledStationName": "CT ?"}, {}, "station_name",
         TextMatch(pattern="CT ?", wildcard=True)),
        ({"ScheduledProcedureStepLocation": "Room 1"}, {}, "location", TextMatch(pattern="Room 1")),
        ({"ScheduledProcedureStepStatus": "SCHEDULED"}, {}, "statuses",
         frozenset({StepStatus.SCHEDULED})),
        ({"ScheduledProcedureStepStatus": "DEPARTED"}, {}, "statuses",
         frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED})),
        ({}, {"PatientName": "DOE^J*"}, "patient_name", "DOE^J*"),
        ({}, {"PatientID": "P1"}, "patient_id", TextMatch(pattern="P1")),
        ({}, {"PatientID": "P*"}, "patient_id", TextMatch(pattern="P*", wildcard=True)),
        ({}, {"PatientID": ["P1", "P2"]}, "patient_id", TextMatch(pattern="P1\\P2")),
        ({}, {"IssuerOfPatientID": "HOSP"}, "patient_id_issuer", "HOSP"),
        ({}, {"PatientBirthDate": "19700503"}, "patient_birth_date", ("19700503", "19700503")),
        ({}, {"PatientBirthDate": "1970.05.03 - "}, "patient_birth_date", ("19700503", "")),
        ({}, {"PatientBirthDate": "-19991231"}, "patient_birth_date", ("", "19991231")),
        ({}, {"PatientSex": "F"}, "patient_sex", "F"),
        ({}, {"AccessionNumber": "A1"}, "accession_number", TextMatch(pattern="A1")),
        ({}, {"RequestedProcedureID": "P1"}, "procedure_id", TextMatch(pattern="P1")),
        ({}, {"StudyInstanceUID": ["1.2", "1.3"]}, "study_instance_uids", ("1.2", "1.3")),
        ({}, {"RequestedProcedurePriority": "STAT"}, "priorities", (Priority.STAT,)),
        ({}, {"RequestedProcedurePriority": "HIGH"}, "priorities",
         (Priority.ASAP, Priority.URGENT)),
        ({}, {"RequestingPhysician": "Novak"}, "requesting_physician", "Novak"),
        ({}, {"ReferringPhysicianName": "Ruiz"}, "referring_physician", "Ruiz"),
        ({}, {"AdmissionID": "V1"}, "admission_id", TextMatch(pattern="V1")),
        ({}, {"PlacerOrderNumberImagingServiceRequest": "PL1"}, "placer_number",
         TextMatch(pattern="PL1")),
        ({}, {"FillerOrderNumberImagingServiceRequest": "F1"}, "filler_number",
         TextMatch(pattern="F1")),
    ],
)  # fmt: skip
def test_a_key_sets_its_field_and_no_other(
    step: dict[str, Any], root: dict[str, Any], field: str, value: object
) -> None:
    assert query(step, **root) == WorklistQuery(**{field: value})


def test_a_code_key_is_tried_in_every_spelling_of_its_scheme() -> None:
    item = Dataset()
    item.CodeValue = "24627-2"
    item.CodingSchemeDesignator = "LN"
    item.CodeMeaning = "not a condition"

    assert query(RequestedProcedureCodeSequence=[item]) == WorklistQuery(
        procedure_codes=(Code("24627-2", "LN"), Code("24627-2", "http://loinc.org"))
    )


@pytest.mark.parametrize(
    ("item", "issuers"),
    [
        ({"LocalNamespaceEntityID": "HOSP"}, ("HOSP",)),
        ({"UniversalEntityID": "1.2.3"}, ("1.2.3", "urn:oid:1.2.3")),
        ({"UniversalEntityID": "https://example.org"}, ("https://example.org",)),
    ],
)
def test_an_issuer_key_is_tried_in_every_spelling(
    item: dict[str, str], issuers: tuple[str, ...]
) -> None:
    found = query(IssuerOfAccessionNumberSequence=[identifier(**item)])

    assert found == WorklistQuery(accession_issuers=issuers)


@pytest.mark.parametrize(
    "item",
    [
        {"UniversalEntityID": "HOSP"},
        {"LocalNamespaceEntityID": "1.2.3"},
        {"LocalNamespaceEntityID": "HOSP", "UniversalEntityID": "1.2.3"},
    ],
)
def test_an_issuer_key_that_no_issuer_is_shown_by_matches_nothing(item: dict[str, str]) -> None:
    assert query(IssuerOfAdmissionIDSequence=[identifier(**item)]) is None


@pytest.mark.parametrize(
    "root",
    [
        {},
        {"PatientName": ""},
        {"PatientName": "*"},
        {"PatientName": "*^*"},
        {"PatientID": "*"},
        {"PatientID": "**"},
        {"StudyInstanceUID": ""},
        {"PatientBirthDate": "*"},
        {"AccessionNumber": "  "},
        {"PatientState": "odd"},
        {"RequestedProcedureCodeSequence": []},
        {"RequestedProcedureCodeSequence": [Dataset()]},
    ],
)
def test_empty_and_star_match_everything(root: dict[str, Any]) -> None:
    assert query(None, **root) == WorklistQuery()


@pytest.mark.parametrize("step", [{}, {"Modality": "*"}, {"ScheduledStationAETitle": ["CT1", "*"]}])
def test_star_is_universal_inside_the_step_too(step: dict[str, Any]) -> None:
    assert query(step) == WorklistQuery()


def test_a_query_without_the_sequence_is_valid() -> None:
    found = request(identifier(PatientID="P1"))

    assert found.query == WorklistQuery(patient_id=TextMatch(pattern="P1"))
    assert [key.attribute.keyword for key in found.plan.keys] == ["PatientID"]


def test_of_several_items_the_first_counts() -> None:
    both = identifier(step={"Modality": "CT"})
    other = Dataset()
    other.Modality = "MR"
    both.ScheduledProcedureStepSequence.append(other)

    assert request(both).query == WorklistQuery(modalities=("CT",))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax_means_the_same(syntax: str) -> None:
    asked = identifier(PatientName="DOE*", step={"Modality": "CT"})

    assert request(asked, syntax).query == WorklistQuery(patient_name="DOE*", modalities=("CT",))


def test_padding_is_not_part_of_a_value() -> None:
    data = raw(tag_of("PatientID"), b"LO", b"  P1  ") + raw(
        tag_of("StudyInstanceUID"), b"UI", b"1.2.3\0"
    )

    found = to_request(data, SYNTAXES["explicit"], zone=VIENNA).query

    assert found == WorklistQuery(
        patient_id=TextMatch(pattern="P1"), study_instance_uids=("1.2.3",)
    )


# --- what can never match


@pytest.mark.parametrize(
    ("step", "root"),
    [
        ({"ScheduledProcedureStepStatus": "CANCELED"}, {}),
        ({}, {"RequestedProcedurePriority": "SOMEDAY"}),
        ({"ScheduledProcedureStepStartDate": "20260707-20260705"}, {}),
        ({"ScheduledProcedureStepStartTime": "1800-1000"}, {}),
        ({"ScheduledProcedureStepStartDate": "20260705",
          "ScheduledProcedureStepStartTime": "1800-1000"}, {}),
        ({"ScheduledProcedureStepStartDate": "99991231-"}, {}),
        ({}, {"PatientBirthDate": "20000101-19990101"}),
    ],
)  # fmt: skip
def test_keys_that_cannot_be_met_match_nothing(step: dict[str, Any], root: dict[str, Any]) -> None:
    assert query(step, **root) is None


# --- dates and times

DAY = "ScheduledProcedureStepStartDate"
TIME = "ScheduledProcedureStepStartTime"


@pytest.mark.parametrize(
    ("day", "start_from", "start_before"),
    [
        ("20260705", utc(2026, 7, 4, 22), utc(2026, 7, 5, 22)),
        ("2026.07.05", utc(2026, 7, 4, 22), utc(2026, 7, 5, 22)),
        ("20260705-20260706", utc(2026, 7, 4, 22), utc(2026, 7, 6, 22)),
        (" 20260705 - 20260706 ", utc(2026, 7, 4, 22), utc(2026, 7, 6, 22)),
        ("20260705-", utc(2026, 7, 4, 22), None),
        ("-20260705", None, utc(2026, 7, 5, 22)),
        ("20260705-99991231", utc(2026, 7, 4, 22), None),
        ("00010101-20260705", None, utc(2026, 7, 5, 22)),
        # the days of the clock changes have 23 and 25 hours
        ("20260329", utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),
        ("20261025", utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)),
    ],
)
def test_a_date_key_means_days_at_the_site(
    day: str, start_from: datetime | None, start_before: datetime | None
) -> None:
    asked = raw(tag_of(DAY), b"DA", day.encode() + b" " * (len(day) % 2))
    data = b"\x40\x00\x00\x01SQ\x00\x00" + (len(asked) + 8).to_bytes(4, "little")
    data += b"\xfe\xff\x00\xe0" + len(asked).to_bytes(4, "little") + asked

    found = to_request(data, SYNTAXES["explicit"], zone=VIENNA).query

    assert found == WorklistQuery(start_from=start_from, start_before=start_before)


@pytest.mark.parametrize(
    ("time", "first", "last"),
    [
        ("2230", "223000.000000", "223000.999999"),
        ("223000", "223000.000000", "223000.999999"),
        ("22", "220000.000000", "220000.999999"),
        ("0800-12", "080000.000000", "125959.999999"),
        ("0800-1200", "080000.000000", "120059.999999"),
        ("08:00-12:00:00", "080000.000000", "120000.999999"),
        ("120000-", "120000.000000", ""),
        ("-12", "", "125959.999999"),
        ("0000-2400", "000000.000000", "235959.999999"),
        ("080000.5-080000.5", "080000.500000", "080000.599999"),
        ("235960-235960", "235959.000000", "235959.999999"),
    ],
)
def test_a_time_key_alone_means_that_time_on_any_day(time: str, first: str, last: str) -> None:
    assert query({TIME: time}) == WorklistQuery(time_from=first, time_to=last)


def test_two_ranges_are_one_interval() -> None:
    assert query({DAY: "20260705-20260707", TIME: "1000-1800"}) == WorklistQuery(
        start_from=utc(2026, 7, 5, 8), start_before=utc(2026, 7, 7, 16, 1)
    )


def test_the_interval_may_begin_later_in_the_day_than_it_ends() -> None:
    assert query({DAY: "20260705-20260706", TIME: "2200-0600"}) == WorklistQuery(
        start_from=utc(2026, 7, 5, 20), start_before=utc(2026, 7, 6, 4, 1)
    )


@pytest.mark.parametrize(
    ("day", "time", "start_from", "start_before"),
    [
        ("20260705-", "1000-1800", utc(2026, 7, 5, 8), None),
        ("-20260707", "1000-1800", None, utc(2026, 7, 7, 16, 1)),
        ("20260705-20260707", "1000-", utc(2026, 7, 5, 8), utc(2026, 7, 7, 22)),
        ("20260705-20260707", "-1800", utc(2026, 7, 4, 22), utc(2026, 7, 7, 16, 1)),
        ("20260705", "1000-1800", utc(2026, 7, 5, 8), utc(2026, 7, 5, 16, 1)),
        ("20260705", "1000", utc(2026, 7, 5, 8), utc(2026, 7, 5, 8, 0, 1)),
    ],
)
def test_open_ranges_and_single_days_with_a_time(
    day: str, time: str, start_from: datetime | None, start_before: datetime | None
) -> None:
    assert query({DAY: day, TIME: time}) == WorklistQuery(
        start_from=start_from, start_before=start_before
    )


def test_a_range_of_days_with_one_time_means_that_time_on_each() -> None:
    assert query({DAY: "20260705-20260707", TIME: "1000"}) == WorklistQuery(
        start_from=utc(2026, 7, 4, 22),
        start_before=utc(2026, 7, 7, 22),
        time_from="100000.000000",
        time_to="100000.999999",
    )


def test_an_hour_that_comes_twice_is_meant_twice() -> None:
    assert query({DAY: "20261025", TIME: "0200-0259"}) == WorklistQuery(
        start_from=utc(2026, 10, 25, 0), start_before=utc(2026, 10, 25, 2)
    )


def test_a_time_in_the_hour_that_is_left_out_still_finds_its_step() -> None:
    # 02:30 that night is 03:30: whoever asks for either must see the step at 01:30 UTC
    found = query({DAY: "20260329", TIME: "0230"})

    assert found is not None
    assert found.start_from is not None
    assert found.start_before is not None
    assert found.start_from <= utc(2026, 3, 29, 1, 30) < found.start_before


def test_an_offset_in_the_query_moves_its_dates_and_times() -> None:
    assert query({DAY: "20260705"}, TimezoneOffsetFromUTC="-0500") == WorklistQuery(
        start_from=utc(2026, 7, 5, 5), start_before=utc(2026, 7, 6, 5)
    )


@pytest.mark.parametrize(
    ("step", "root", "path"),
    [
        ({DAY: "today"}, {}, "(0040,0002)"),
        ({DAY: "20260231"}, {}, "(0040,0002)"),
        ({DAY: "-"}, {}, "(0040,0002)"),
        ({DAY: "202607"}, {}, "(0040,0002)"),
        ({DAY: "20260701-20260702-20260703"}, {}, "(0040,0002)"),
        ({TIME: "noon"}, {}, "(0040,0003)"),
        ({TIME: "2560"}, {}, "(0040,0003)"),
        ({TIME: "1"}, {}, "(0040,0003)"),
        ({}, {"PatientBirthDate": "garbage"}, "(0010,0030)"),
        ({}, {"TimezoneOffsetFromUTC": "CEST"}, "(0008,0201)"),
    ],
)
def test_garbage_is_refused_by_the_name_of_its_element(
    step: dict[str, Any], root: dict[str, Any], path: str
) -> None:
    assert refusal(step, **root) == path


def test_a_sequence_that_is_none_is_refused() -> None:
    data = raw(tag_of("ScheduledProcedureStepSequence"), b"LO", b"CT")

    with pytest.raises(InvalidValueError) as refused:
        to_request(data, SYNTAXES["explicit"], zone=VIENNA)

    assert refused.value.path == "(0040,0100)"


# --- character sets


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        (["ISO_IR 100"], "Müller*"),
        (["ISO_IR 192"], "Łukasz"),
        (["ISO_IR 144"], "Иван*"),
        (["", "ISO 2022 IR 87"], "=山田*"),
        (["", "ISO 2022 IR 149"], "=洪^吉洞"),
        (["GB18030"], "王^小?"),
    ],
)
def test_text_is_read_in_the_querys_own_set(terms: list[str], name: str) -> None:
    value = character_set(tuple(terms)).encode_name(name)
    charset = "\\".join(terms).encode()
    data = raw(0x00080005, b"CS", charset + b" " * (len(charset) % 2))
    data += raw(tag_of("PatientName"), b"PN", value + b" " * (len(value) % 2))

    found = to_request(data, SYNTAXES["explicit"], zone=VIENNA)

    assert found.query == WorklistQuery(patient_name=name)
    assert found.character_terms == tuple(terms)


@pytest.mark.parametrize("declared", [b"", raw(0x00080005, b"CS", b"")])
def test_without_a_set_the_devices_own_is_meant(declared: bytes) -> None:
    data = declared + raw(tag_of("PatientName"), b"PN", b"M\xfcller")

    found = to_request(
        data, SYNTAXES["explicit"], zone=VIENNA, default=character_set(("ISO_IR 100",))
    )

    assert found.query == WorklistQuery(patient_name="Müller")


@pytest.mark.parametrize(
    "data",
    [
        raw(tag_of("PatientName"), b"PN", b"M\xfcller"),
        raw(0x00080005, b"CS", b"ISO_IR 192") + raw(tag_of("PatientName"), b"PN", b"M\xfcller"),
        raw(0x00080005, b"CS", b"NO SUCH ") + raw(tag_of("PatientName"), b"PN", b"M\xfcller"),
    ],
)
def test_a_name_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidValueError) as refused:
        to_request(data, SYNTAXES["explicit"], zone=VIENNA)

    assert refused.value.path == "(0010,0010)"


def test_an_unknown_set_hurts_nobody_who_sends_plain_text() -> None:
    data = raw(0x00080005, b"CS", b"NO SUCH ") + raw(tag_of("PatientID"), b"LO", b"P1")

    found = to_request(data, SYNTAXES["explicit"], zone=VIENNA)

    assert found.query == WorklistQuery(patient_id=TextMatch(pattern="P1"))


# --- what is asked for


def _paths(keys: Any, above: str = "") -> list[str]:
    found = []
    for key in keys:
        found.append(above + key.attribute.keyword)
        found += _paths(key.children, above + key.attribute.keyword + ".")
    return found


def test_only_requested_attributes_are_planned() -> None:
    item = Dataset()
    item.CodeMeaning = ""
    asked = identifier(
        SpecificCharacterSet="ISO_IR 100",
        PatientName="",
        step={"Modality": "", "ScheduledProtocolCodeSequence": [item]},
    )

    found = request(asked)

    assert _paths(found.plan.keys) == [
        "PatientName",
        "ScheduledProcedureStepSequence",
        "ScheduledProcedureStepSequence.Modality",
        "ScheduledProcedureStepSequence.ScheduledProtocolCodeSequence",
        "ScheduledProcedureStepSequence.ScheduledProtocolCodeSequence.CodeMeaning",
    ]
    assert found.unsupported == ()


def test_queries_for_the_same_attributes_share_a_plan() -> None:
    first = request(identifier(PatientName="A*", PatientID=""))
    second = request(identifier(PatientName="", PatientID="7"), "implicit")

    assert first.plan is second.plan


def test_keys_this_system_does_not_have_are_noted() -> None:
    asked = identifier(
        PatientName="", BarcodeValue="", PatientReligiousPreference="", step={"SeriesNumber": "1"}
    )
    asked.add_new(0x00091001, "LO", "private")

    found = request(asked)

    assert set(found.unsupported) == {
        tag_of("BarcodeValue"),
        tag_of("PatientReligiousPreference"),
        tag_of("SeriesNumber"),
        0x00091001,
    }
    assert _paths(found.plan.keys) == [
        "PatientName",
        "ScheduledProcedureStepSequence",
    ]


def test_group_lengths_and_the_retrieve_level_ask_for_nothing() -> None:
    data = (
        raw(0x00080000, b"UL", b"\x04\0\0\0")
        + raw(0x00080052, b"CS", b"PATIENT ")
        + raw(tag_of("PatientID"), b"LO", b"")
    )

    found = to_request(data, SYNTAXES["explicit"], zone=VIENNA)

    assert found.unsupported == ()
    assert _paths(found.plan.keys) == ["PatientID"]


def test_the_log_shows_the_conditions_in_words() -> None:
    found = request(identifier(PatientName="DOE*", PatientID="", step={DAY: "20260705"}))

    assert found.keys == {"PatientName": "DOE*", DAY: "20260705"}


@pytest.mark.parametrize(
    ("step", "root", "broad"),
    [
        ({"Modality": "CT"}, {}, True),
        ({}, {}, True),
        ({DAY: "20260705"}, {}, False),
        ({}, {"PatientName": "DOE"}, False),
        ({}, {"AccessionNumber": "A1"}, False),
    ],
)
def test_a_query_that_names_no_day_and_nobody_is_broad(
    step: dict[str, Any], root: dict[str, Any], broad: bool
) -> None:
    assert request(identifier(step=step, **root)).is_broad is broad


def test_the_same_bytes_are_read_once() -> None:
    data = encoded(identifier(PatientID="P1"))
    plain = character_set(("",))

    first = parsed(data, SYNTAXES["explicit"], VIENNA, plain, 500)

    assert parsed(data, SYNTAXES["explicit"], VIENNA, plain, 500) is first
