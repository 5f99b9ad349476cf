"""N-CREATE and N-SET as commands: what they say, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from ris.domain.errors import InvalidValueError, RisError
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    ScheduledReference,
    SeriesDetails,
    StartPerformedStep,
    UpdatePerformedStep,
)
from ris.domain.values import Code, Identifier
from tests.worklist.entries import SYNTAXES, encoded
from tests.worklist.performed import code, n_create, n_set, scheduled
from tests.worklist.translated import UID, changed, circumstances, created
from worklist import dicom_json
from worklist.elements import tag_of
from worklist.mpps import from_n_create, from_n_set, references_in
from worklist.mpps_attributes import FIXED


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("strict", [False, True])
def test_a_complete_n_create_starts_a_performed_step(syntax: str, strict: bool) -> None:
    command = created(n_create(), syntax, strict=strict)

    assert command == StartPerformedStep(
        sop_instance_uid=UID,
        station_ae_title="CT1",
        started_at=datetime(2026, 7, 6, 7, 35, 12, tzinfo=UTC),
        modality="CT",
        station_name="CT 1",
        location="Room 1",
        performed_step_id="PPS1",
        study_id="1",
        references=(
            ScheduledReference(
                study_instance_uid="2.25.1001",
                accession_number="A2600000001",
                procedure_id="P000000001",
                step_id="S000000001",
            ),
        ),
        patient_identifier=Identifier("MRN1", "HOSP"),
        patient_name="Baker^Nora",
        patient_birth_date="19700503",
        patient_sex="F",
        details=PerformedDetails(
            description="",
            procedure_codes=(Code("CTABD", "99SITE", "CT abdomen"),),
            protocol_codes=(),
            series=(),
        ),
        dataset=command.dataset,
    )
    assert command.dataset["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Baker^Nora"}]}
    assert command.dataset["00400250"] == {"vr": "DA"}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("strict", [False, True])
def test_a_complete_last_n_set_ends_a_performed_step(syntax: str, strict: bool) -> None:
    command = changed(n_set(), syntax, strict=strict)

    assert isinstance(command, CompletePerformedStep)
    assert command.flags == ()
    assert command.details == PerformedDetails(
        ended_at=datetime(2026, 7, 6, 7, 55, tzinfo=UTC),
        description="CT abdomen",
        protocol_codes=(Code("P-ABD", "99SITE", "Abdomen, portal venous"),),
        series=(
            SeriesDetails(
                series_instance_uid="2.25.2001",
                protocol_name="Abdomen, portal venous",
                description="axial 3 mm",
                retrieve_ae_title="PACS",
                performing_physician="Osei^Ama",
                operators=("Tanaka^Yuki",),
                instance_count=2,
            ),
        ),
    )


def test_a_discontinued_step_keeps_its_reason() -> None:
    reason = [code("110514", "Incorrect worklist entry selected", "DCM")]

    command = changed(
        n_set("DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=reason)
    )

    assert isinstance(command, DiscontinuePerformedStep)
    assert command.details.discontinuation_reason == Code(
        "110514", "DCM", "Incorrect worklist entry selected"
    )


@pytest.mark.parametrize("status", ["IN PROGRESS", None])
def test_an_n_set_without_end_is_an_update(status: str | None) -> None:
    command = changed(
        n_set(
            PerformedProcedureStepStatus=status,
            PerformedProcedureStepEndDate=None,
            PerformedProcedureStepEndTime=None,
        ),
        strict=True,
    )

    assert isinstance(command, UpdatePerformedStep)
    assert command.details.ended_at is None
    assert command.flags == ()


def test_what_an_n_set_does_not_name_is_not_said() -> None:
    only_status = Dataset()
    only_status.PerformedProcedureStepStatus = "IN PROGRESS"

    assert changed(only_status).details == PerformedDetails()


def test_several_scheduled_steps_are_all_named() -> None:
    items = [scheduled(), scheduled(ScheduledProcedureStepID="S000000002")]

    command = created(n_create(ScheduledStepAttributesSequence=items))

    assert [one.step_id for one in command.references] == ["S000000001", "S000000002"]


def test_times_are_read_in_the_zone_the_modality_names() -> None:
    arrived = datetime(2026, 7, 6, 14, 36, tzinfo=UTC)

    command = created(n_create(TimezoneOffsetFromUTC="-0500"), received_at=arrived)

    assert command.started_at == datetime(2026, 7, 6, 14, 35, 12, tzinfo=UTC)


# --- status


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED", "SCHEDULED", "in progress"])
@pytest.mark.parametrize("strict", [False, True])
def test_an_n_create_in_another_status_is_refused(status: str, strict: bool) -> None:
    dataset = n_create()
    dataset["PerformedProcedureStepStatus"]._value = status

    with pytest.raises(InvalidValueError) as refused:
        created(dataset, strict=strict)

    assert refused.value.path == "(0040,0252)"


@pytest.mark.parametrize("strict", [False, True])
def test_an_n_set_to_an_unknown_status_is_refused(strict: bool) -> None:
    with pytest.raises(InvalidValueError) as refused:
        changed(n_set("DONE"), strict=strict)

    assert refused.value.path == "(0040,0252)"


# --- numbers


def test_numbers_come_with_who_gave_them_out() -> None:
    def by(**designator: str) -> Dataset:
        item = Dataset()
        for name, value in designator.items():
            setattr(item, name, value)
        return item

    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = "2.25.77"
    item = scheduled(
        IssuerOfAccessionNumberSequence=[by(LocalNamespaceEntityID="HOSP")],
        PlacerOrderNumberImagingServiceRequest="PL1",
        OrderPlacerIdentifierSequence=[by(UniversalEntityID="1.2.3", UniversalEntityIDType="ISO")],
        FillerOrderNumberImagingServiceRequest="F1",
        OrderFillerIdentifierSequence=[],
        ReferencedStudySequence=[study],
    )

    (reference,) = created(n_create(ScheduledStepAttributesSequence=[item])).references

    assert (reference.accession_issuer, reference.referenced_study_uids) == ("HOSP", ("2.25.77",))
    assert (reference.placer_order_number, reference.placer_issuer) == ("PL1", "1.2.3")
    assert (reference.filler_order_number, reference.filler_issuer) == ("F1", "")


def test_other_numbers_of_the_patient_come_along() -> None:
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = "OLD1", "WARD", "TEXT"

    command = created(n_create(OtherPatientIDsSequence=[other]))

    assert command.other_identifiers == (Identifier("OLD1", "WARD"),)


def test_an_exam_without_an_order_needs_no_numbers() -> None:
    item = scheduled(
        StudyInstanceUID="2.25.9", AccessionNumber="", RequestedProcedureID="",
        ScheduledProcedureStepID="",
    )  # fmt: skip

    command = created(n_create(ScheduledStepAttributesSequence=[item], PatientID=""), strict=True)

    assert command.references == (ScheduledReference(study_instance_uid="2.25.9"),)
    assert command.patient_identifier is None


def test_values_too_long_to_keep_are_cut_and_noted() -> None:
    dataset = n_create()
    dataset["PatientID"]._value = "9" * 70

    command = created(dataset)

    assert command.patient_identifier == Identifier("9" * 64, "HOSP")
    assert command.flags == ("(0010,0020): longer than 64 characters",)


# --- what an N-SET must not change


@pytest.mark.parametrize(
    "keyword",
    ["PatientID", "PatientName", "Modality", "StudyID", "PerformedProcedureStepStartDate",
     "PerformedStationAETitle", "ScheduledStepAttributesSequence"],
)  # fmt: skip
def test_patient_study_and_start_stay_as_created(keyword: str) -> None:
    dataset = n_set(**{keyword: n_create()[keyword].value})

    command = changed(dataset)

    tag = f"{tag_of(keyword):08X}"
    assert tag not in command.dataset
    assert command.flags == (f"({tag[:4]},{tag[4:]}): not allowed in an N-SET",)
    with pytest.raises(InvalidValueError) as refused:
        changed(dataset, strict=True)
    assert refused.value.details == {"attribute": True}  # 0105


def test_every_fixed_attribute_is_top_level_and_creatable() -> None:
    assert tag_of("PatientID") in FIXED
    assert tag_of("PerformedSeriesSequence") not in FIXED
    assert tag_of("PerformedProcedureStepStatus") not in FIXED


def test_dose_and_private_attributes_are_kept_as_sent() -> None:
    dataset = n_set(ImageAndFluoroscopyAreaDoseProduct="1.20", TotalNumberOfExposures=3)
    dataset.add_new(0x00091001, "OB", b"\x01\x02")

    command = changed(dataset)

    assert command.dataset["0018115E"] == {"vr": "DS", "Value": ["1.20"]}
    assert command.dataset["00400301"] == {"vr": "US", "Value": [3]}
    assert command.dataset["00091001"] == {"vr": "OB", "InlineBinary": "AQI="}


# --- character sets


@pytest.mark.parametrize(
    ("terms", "name", "value"),
    [
        ("ISO_IR 100", "Müller^Jörg", {"Alphabetic": "Müller^Jörg"}),
        ("ISO_IR 192", "Łukasz", {"Alphabetic": "Łukasz"}),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎",
         {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}),
    ],
)  # fmt: skip
def test_text_is_kept_as_unicode(terms: Any, name: str, value: dict[str, str]) -> None:
    command = created(n_create(SpecificCharacterSet=terms, PatientName=name))

    assert command.patient_name == name
    assert command.dataset["00100010"] == {"vr": "PN", "Value": [value]}
    assert "00080005" not in command.dataset


@pytest.mark.parametrize("strict", [False, True])
def test_text_that_cannot_be_read_is_refused(strict: bool) -> None:
    data = encoded(n_create(SpecificCharacterSet="ISO_IR 100", PatientName="Müller"))

    with pytest.raises(InvalidValueError) as refused:
        from_n_create(
            UID,
            data.replace(b"ISO_IR 100", b"ISO_IR 192"),
            SYNTAXES["explicit"],
            circumstances(strict=strict),
        )

    assert refused.value.path == "(0010,0010)"


# --- references and noise


def test_a_message_names_its_orders_even_if_refused() -> None:
    data = encoded(n_create(PerformedProcedureStepStatus="COMPLETED"))

    assert references_in(data, SYNTAXES["explicit"]) == (
        ("study", "2.25.1001"),
        ("accession", "A2600000001"),
    )
    assert references_in(b"\x01", SYNTAXES["explicit"]) == ()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_message_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    syntax = data.draw(st.sampled_from(list(SYNTAXES)))
    raw = bytearray(encoded(n_set(SpecificCharacterSet="ISO_IR 192"), syntax))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    for read_it in (
        lambda: from_n_create(UID, bytes(raw), SYNTAXES[syntax], circumstances()),
        lambda: from_n_set(UID, bytes(raw), SYNTAXES[syntax], circumstances(), {}),
    ):
        try:
            command = read_it()
        except RisError:
            continue
        dicom_json.to_dataset(command.dataset)
