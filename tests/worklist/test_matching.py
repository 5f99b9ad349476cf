"""Identifiers as queries: every form of every key but dates and times, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from ris.domain.errors import InvalidValueError
from ris.domain.orders import Priority, StepStatus
from ris.domain.values import Code
from ris.selectors.issuer_patterns import IssuerPattern
from ris.selectors.views import TextMatch, WorklistQuery
from tests.worklist.entries import SYNTAXES, identifier
from tests.worklist.queries import DAY, VIENNA, query, raw, request
from worklist.charset import character_set
from worklist.elements import tag_of
from worklist.matching import to_request

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
        ({"ScheduledProcedureStepStatus": "S*"}, {}, "statuses",
         frozenset({StepStatus.SCHEDULED, StepStatus.STARTED})),
        ({}, {"PatientName": "DOE^J*"}, "patient_name", "DOE^J*"),
        ({}, {"PatientID": "P1"}, "patient_id", TextMatch(pattern="P1")),
        ({}, {"PatientID": "P*"}, "patient_id", TextMatch(pattern="P*", wildcard=True)),
        ({}, {"PatientID": ["P1", "P2"]}, "patient_id", TextMatch(pattern="P1\\P2")),
        ({}, {"IssuerOfPatientID": "HOSP"}, "patient_id_issuer", "HOSP"),
        ({}, {"PatientBirthDate": "19700503"}, "patient_birth_date", ("19700503", "19700503")),
        ({}, {"PatientBirthDate": "1970.05.03 - "}, "patient_birth_date", ("19700503", "")),
        ({}, {"PatientBirthDate": "-19991231"}, "patient_birth_date", ("", "19991231")),
        ({}, {"PatientSex": "F"}, "patient_sex", "F"),
        ({}, {"PatientSex": "?"}, "patient_sex", "M\\F\\O"),
        ({}, {"AccessionNumber": "A1"}, "accession_number", TextMatch(pattern="A1")),
        ({}, {"RequestedProcedureID": "P1"}, "procedure_id", TextMatch(pattern="P1")),
        ({}, {"StudyInstanceUID": ["1.2", "1.3"]}, "study_instance_uids", ("1.2", "1.3")),
        ({}, {"RequestedProcedurePriority": "STAT"}, "priorities", (Priority.STAT,)),
        ({}, {"RequestedProcedurePriority": "HIGH"}, "priorities",
         (Priority.ASAP, Priority.URGENT)),
        ({}, {"RequestedProcedurePriority": "R*\\ST??"}, "priorities",
         (Priority.STAT, Priority.ROUTINE)),
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


def test_a_code_key_names_its_scheme_as_answers_show_it() -> None:
    item = Dataset()
    item.CodeValue = "24627-2"
    item.CodingSchemeDesignator = "LN"
    item.CodeMeaning = "not a condition"

    assert query(RequestedProcedureCodeSequence=[item]) == WorklistQuery(
        procedure_codes=(Code("24627-2", "LN"),)
    )


def test_a_code_key_may_hold_wildcards() -> None:
    item = Dataset()
    item.CodeValue = "CT*"
    item.CodingSchemeDesignator = "L?"

    assert query(RequestedProcedureCodeSequence=[item]) == WorklistQuery(
        procedure_codes=(Code("CT*", "L?"),)
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
    ("item", "pattern"),
    [
        ({"LocalNamespaceEntityID": "HOS*"}, IssuerPattern("HOS*", universal=False)),
        ({"LocalNamespaceEntityID": "?OSP", "UniversalEntityID": "*"},
         IssuerPattern("?OSP", universal=False)),
        ({"UniversalEntityID": "1.2.*"}, IssuerPattern("1.2.*", universal=True)),
    ],
)  # fmt: skip
def test_wildcards_in_an_issuer_key_are_wildcards(
    item: dict[str, str], pattern: IssuerPattern
) -> None:
    found = query(IssuerOfAccessionNumberSequence=[identifier(**item)])

    assert found == WorklistQuery(accession_issuers=(pattern,))


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
