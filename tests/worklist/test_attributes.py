"""The attribute table agrees with the standard's dictionary, the read models and the matcher."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from ris.domain.orders import Priority, StepStatus
from ris.domain.values import Code, PartialDate
from ris.selectors.views import WorklistQuery
from tests.worklist.entries import ENTRY, make_entry
from worklist.attributes import (
    PRIORITIES,
    SPS,
    STEP_STATUSES,
    WORKLIST,
    Attribute,
    Matching,
    Offer,
    universal_id,
)
from worklist.matching import _READERS

VIENNA = ZoneInfo("Europe/Vienna")

# PS3.4 Table K.6-1 as dicom.md 1.1 lists it: keyword → (return type, place).
TABLE_K_6_1 = {
    SPS: {
        "ScheduledStationAETitle": "1",
        "ScheduledProcedureStepStartDate": "1",
        "ScheduledProcedureStepStartTime": "1",
        "Modality": "1",
        "ScheduledPerformingPhysicianName": "2",
        "ScheduledProcedureStepDescription": "1C",
        "ScheduledProtocolCodeSequence": "1C",
        "ScheduledProcedureStepID": "1",
        "ScheduledStationName": "2",
        "ScheduledProcedureStepLocation": "2",
        "PreMedication": "2C",
        "RequestedContrastAgent": "2C",
        "ScheduledProcedureStepStatus": "3",
        "ReferencedDefinedProtocolSequence": "3",
        "ReferencedPerformedProtocolSequence": "3",
    },
    f"{SPS}.ScheduledProtocolCodeSequence": {"ProtocolContextSequence": "3"},
    "": {
        "ScheduledProcedureStepSequence": "1",
        "ScheduledSpecimenSequence": "3",
        "BarcodeValue": "3",
        "RequestedProcedureID": "1",
        "RequestedProcedureDescription": "1C",
        "RequestedProcedureCodeSequence": "1C",
        "StudyInstanceUID": "1",
        "StudyDate": "3",
        "StudyTime": "3",
        "ReferencedStudySequence": "2",
        "RequestedProcedurePriority": "2",
        "PatientTransportArrangements": "2",
        "AccessionNumber": "2",
        "IssuerOfAccessionNumberSequence": "3",
        "RequestingPhysician": "2",
        "ReferringPhysicianName": "2",
        "AdmissionID": "2",
        "IssuerOfAdmissionIDSequence": "3",
        "CurrentPatientLocation": "2",
        "ReferencedPatientSequence": "2",
        "PatientName": "1",
        "PatientID": "1",
        "IssuerOfPatientID": "3",
        "IssuerOfPatientIDQualifiersSequence": "3",
        "OtherPatientIDsSequence": "3",
        "PatientBirthDate": "2",
        "PatientSex": "2",
        "PatientPrimaryLanguageCodeSequence": "3",
        "PatientWeight": "2",
        "PatientSize": "3",
        "ConfidentialityConstraintOnPatientDataDescription": "2",
        "PatientState": "2",
        "PregnancyStatus": "2",
        "MedicalAlerts": "2",
        "Allergies": "2",
        "SpecialNeeds": "2",
        "PertinentDocumentsSequence": "3",
    },
}


def _row(keyword: str, within: str = "") -> Attribute:
    return next(row for row in WORKLIST if row.keyword == keyword and row.within == within)


@pytest.mark.parametrize(
    ("within", "keyword", "return_type"),
    [
        (within, keyword, return_type)
        for within, rows in TABLE_K_6_1.items()
        for keyword, return_type in rows.items()
    ],
)
def test_every_key_of_the_standards_table_is_there(
    within: str, keyword: str, return_type: str
) -> None:
    assert _row(keyword, within).return_type == return_type


def test_all_seven_required_keys_are_matched() -> None:
    required = {
        "ScheduledStationAETitle",
        "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime",
        "Modality",
        "ScheduledPerformingPhysicianName",
        "PatientName",
        "PatientID",
    }

    assert required <= {row.keyword for row in WORKLIST if row.matching is not Matching.NONE}


def test_tags_and_value_representations_are_the_dictionarys() -> None:
    for row in WORKLIST:
        assert row.tag == tag_for_keyword(row.keyword)
        assert row.vr == dictionary_VR(row.tag)


def test_no_path_stands_twice() -> None:
    paths = [row.path for row in WORKLIST]

    assert len(paths) == len(set(paths))


def test_every_sequence_around_a_row_is_a_row() -> None:
    paths = {row.path for row in WORKLIST if row.vr == "SQ"}

    assert {row.within for row in WORKLIST if row.within} <= paths


def test_every_matched_row_names_a_field_of_the_query_and_every_field_has_a_row() -> None:
    fields = {field.name for field in dataclasses.fields(WorklistQuery)}
    named = {row.query for row in WORKLIST if row.query}

    assert named <= fields
    assert fields - named == {
        "start_before", "time_to", "time_zone", "view_stations", "view_modalities", "limit",
    }  # fmt: skip
    assert named - set(_READERS) == {
        "start_from", "time_from", "procedure_codes", "protocol_codes", "accession_issuers",
        "admission_issuers",
    }  # fmt: skip


def test_only_rows_with_a_kind_of_matching_name_a_field() -> None:
    for row in WORKLIST:
        if row.vr != "SQ":
            assert bool(row.query) == (row.matching is not Matching.NONE), row.path


def test_projections_of_priority_and_status_are_total() -> None:
    assert set(PRIORITIES) == set(Priority)
    assert set(STEP_STATUSES) == set(StepStatus)
    assert set(PRIORITIES.values()) <= {"STAT", "HIGH", "ROUTINE", "MEDIUM", "LOW"}
    assert set(STEP_STATUSES.values()) <= {
        "", "SCHEDULED", "ARRIVED", "READY", "STARTED", "DEPARTED",
    }  # fmt: skip


def _value(keyword: str, within: str = "", **overrides: object) -> object:
    entry = make_entry(**overrides) if overrides else ENTRY  # type: ignore[arg-type]
    return _row(keyword, within).value(Offer.of(entry, VIENNA))


def test_times_are_the_sites_and_have_six_digits() -> None:
    assert _value("ScheduledProcedureStepStartDate", SPS) == "20260706"
    assert _value("ScheduledProcedureStepStartTime", SPS) == "093000"
    assert _value("ScheduledProcedureStepEndTime", SPS) == "100000"
    assert _value("TimezoneOffsetFromUTC") == "+0200"


def test_a_step_late_in_the_evening_is_on_the_sites_day() -> None:
    late = {"start_at": datetime(2026, 7, 6, 22, 15, tzinfo=UTC)}

    assert _value("ScheduledProcedureStepStartDate", SPS, step=late) == "20260707"
    assert _value("ScheduledProcedureStepStartTime", SPS, step=late) == "001500"


def test_a_step_over_the_clock_change_ends_when_it_really_ends() -> None:
    night = {"start_at": datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "duration_minutes": 60}

    assert _value("ScheduledProcedureStepStartTime", SPS, step=night) == "023000"
    assert _value("ScheduledProcedureStepEndTime", SPS, step=night) == "023000"


@pytest.mark.parametrize(
    ("born", "age"),
    [("1970-07-07", "055Y"), ("1970-07-06", "056Y"), ("2026-07-01", "005D"),
     ("2025-11-30", "007M"), ("1970", ""), ("2030-01-01", "")],
)  # fmt: skip
def test_the_age_is_that_on_the_day_of_the_step(born: str, age: str) -> None:
    assert _value("PatientAge", patient={"birth_date": PartialDate(born)}) == age


def test_a_description_is_made_up_for_by_the_codes_meaning() -> None:
    bare = {"description": "", "protocol_codes": (Code("X", "99SITE", "Liver, triphasic"),)}

    assert _value("ScheduledProcedureStepDescription", SPS, step=bare) == "Liver, triphasic"


def test_a_step_without_any_words_is_described_by_its_procedure() -> None:
    bare = {"description": "", "protocol_codes": ()}

    assert _value("ScheduledProcedureStepDescription", SPS, step=bare) == "CT abdomen"


@pytest.mark.parametrize(
    ("issuer", "universal"),
    [
        ("HOSP", ("", "")),
        ("1.2.40.0.13", ("1.2.40.0.13", "ISO")),
        ("urn:oid:1.2.40", ("1.2.40", "ISO")),
        ("https://ehr.example/mrn", ("https://ehr.example/mrn", "URI")),
        ("7", ("", "")),
    ],
)
def test_an_issuer_is_a_namespace_or_a_universal_id(
    issuer: str, universal: tuple[str, str]
) -> None:
    assert universal_id(issuer) == universal
