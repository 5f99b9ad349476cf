"""The structured report of a version: what stands in it, by what was signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ris.domain.errors import InvalidValueError
from ris.domain.mammography import Assessed, BreastExam
from ris.domain.mammography_codes import coded
from ris.domain.orders import OrderStatus, Priority, Stage
from ris.domain.patients import Sex
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.values import Code, Identifier, PartialDate, PersonName
from ris.selectors.facility import SiteView
from ris.selectors.views import (
    OrderView,
    PatientView,
    ProcedureView,
    ReportVersionView,
    ReportView,
)
from worklist import charset, report_content, report_sr, retrieval
from worklist.building import elements, fitting
from worklist.dicom_json import Json, to_dataset
from worklist.report_header import Identity, Reference, Told, issuer_of
from worklist.report_sr import BASIC_TEXT_SR, ENHANCED_SR, evidence_in
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN

SIGNED = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)  # after midnight in Vienna
ENGLISH = Code("en", "RFC5646", "English")
WIDTH = {"code": "103339001", "scheme": "SCT", "meaning": "Long axis", "value": "12.5",
         "unit": "mm"}  # fmt: skip
MARGIN = {
    "code": "111037", "scheme": "DCM", "meaning": "Margins", "value": "ill-defined", "unit": "",
    "value_code": "112136", "value_scheme": "DCM", "value_meaning": "Lobulated margin",
}  # fmt: skip


def version(**changed: Any) -> ReportVersionView:
    said: dict[str, Any] = {
        "number": 1,
        "kind": VersionKind.FINAL,
        "sections": {"findings": "A node.", "impression": "Benign."},
        "author": "rita",
        "author_name": PersonName.of("Roe", "Rita"),
        "signer": "rita",
        "signer_name": PersonName.of("Roe", "Rita"),
        "signed_at": SIGNED,
        "content_hash": "",
    }
    return ReportVersionView(**{**said, **changed})


def told(made: ReportVersionView, **changed: Any) -> Told:
    procedure = ProcedureView(
        public_id="p",
        procedure_id="P1",
        study_instance_uid="1.2.3",
        code=Code("CTCHEST", "LOCAL", "CT chest"),
        description="CT of the chest",
        laterality="",
        stage=Stage.REPORTED,
    )
    order = OrderView(
        public_id="o",
        patient=PatientView(
            public_id="a",
            name=PersonName.parse("Yamada^Tarou=山田^太郎=やまだ^たろう"),
            identifiers=(Identifier("4711", "HOSP"),),
            birth_date=PartialDate("1970-05"),
            sex=Sex.UNKNOWN,
        ),
        visit=None,
        placer=Identifier("PL1"),
        filler=Identifier("F1"),
        accession=Identifier("A1"),
        group_number="",
        status=OrderStatus.ACTIVE,
        priority=Priority.ROUTINE,
        reason="",
        reason_code=Code(""),
        comments="",
        requester=PersonName(),
        requester_identifier=Identifier(""),
        requesting_service="",
        referring=PersonName(),
        transport="",
        entered_by="",
        callback_phone="",
        ordered_at=SIGNED,
        procedures=(procedure,),
    )
    fields: dict[str, Any] = {
        "report": ReportView(
            public_id="r", status=ReportStatus.FINAL, procedures=("p",), versions=(made,)
        ),
        "version": made,
        "covers": [(order, procedure)],
        "site": SiteView(
            name="Site", institution="Hospital", time_zone="Europe/Vienna", patient_id_issuer="HOSP"
        ),
        "identity": Identity(
            sop_class_uid=BASIC_TEXT_SR,
            sop_instance_uid="1.2.3.9",
            series_instance_uid="1.2.3.8",
            study_instance_uid="1.2.3",
            series_number=9901,
        ),
    }
    return Told(**{**fields, **changed})


def written(said: Told, evidence: list[Reference] | None = None) -> Any:
    """As pydicom reads it back."""
    return to_dataset(report_sr.dataset(said, evidence or [], ENGLISH))


def under(dataset: Any, heading: str) -> list[Any]:
    """The content items of a section but for what says more about its heading."""
    (section,) = [
        each
        for each in dataset.ContentSequence
        if each.ConceptNameCodeSequence[0].CodeMeaning == heading
    ]
    return [each for each in section.ContentSequence if each.RelationshipType == "CONTAINS"]


def test_times_are_those_of_the_site() -> None:
    dataset = written(told(version()))

    assert (dataset.ContentDate, dataset.ContentTime) == ("20260302", "233000")
    assert dataset.TimezoneOffsetFromUTC == "+0100"
    (verifier,) = dataset.VerifyingObserverSequence
    assert verifier.VerificationDateTime == "20260302233000+0100"


def test_a_name_keeps_its_writings_and_a_birth_date_without_day_is_left_empty() -> None:
    raw = retrieval.encode(
        dict(sorted(report_sr.dataset(told(version()), [], ENGLISH).items())),
        EXPLICIT_VR_LITTLE_ENDIAN,
        charset.candidates((), ("ISO_IR 100",)),
    )

    dataset = written(told(version()))
    assert "山田^太郎".encode() in raw
    assert b"ISO_IR 192" in raw
    assert str(dataset.PatientName) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert (dataset.PatientBirthDate, dataset.PatientSex) == (None, None)


def test_answers_stand_under_the_findings_with_their_codes() -> None:
    text, width, margin = under(written(told(version(coded=(WIDTH, MARGIN)))), "Findings")

    assert text.TextValue == "A node."
    assert (width.ValueType, width.TextValue) == ("TEXT", "12.5 mm")
    assert width.ConceptNameCodeSequence[0].CodeValue == "103339001"
    assert margin.ValueType == "CODE"
    assert margin.ConceptCodeSequence[0].CodeMeaning == "Lobulated margin"


def test_a_breast_assessment_says_the_side() -> None:
    rows = coded(Assessed(left="2", overall="2"), BreastExam.SCREENING)

    _, overall, left = under(written(told(version(coded=tuple(rows)))), "Findings")

    assert overall.ConceptNameCodeSequence[0].CodeValue == "111413"
    assert left.ConceptCodeSequence[0].CodeValue == "397141009"
    (site,) = left.ContentSequence
    assert (site.RelationshipType, site.ValueType) == ("HAS CONCEPT MOD", "CODE")
    assert site.ConceptNameCodeSequence[0].CodeMeaning == "Finding Site"
    assert site.ConceptCodeSequence[0].CodeMeaning == "Left breast"


def test_an_enhanced_report_has_numbers_as_numbers() -> None:
    made = version(coded=(WIDTH, {**WIDTH, "value": "about 12"}))
    said = told(made)
    said = replace(said, identity=replace(said.identity, sop_class_uid=ENHANCED_SR))

    _, width, words = under(written(said), "Findings")

    (measured,) = width.MeasuredValueSequence
    assert (width.ValueType, str(measured.NumericValue)) == ("NUM", "12.5")
    assert measured.MeasurementUnitsCodeSequence[0].CodeValue == "mm"
    assert (words.ValueType, words.TextValue) == ("TEXT", "about 12 mm")


def test_headings_have_their_loinc_code_beside_them() -> None:
    sections = dict.fromkeys(report_content.HEADINGS, "said")

    dataset = written(told(version(sections=sections)))

    found = {}
    for section in dataset.ContentSequence:
        if section.RelationshipType == "CONTAINS":
            own = section.ConceptNameCodeSequence[0].CodeValue
            more = [
                each.ConceptCodeSequence[0].CodeValue
                for each in section.ContentSequence
                if each.RelationshipType == "HAS CONCEPT MOD"
            ]
            found[own] = more
    assert found == {
        "121060": ["11329-0"],
        "121064": ["55111-9"],
        "121068": ["18834-2"],
        "121070": ["59776-5"],
        "121072": ["19005-8"],
        "121074": ["18783-1"],
        "55107-7": [],
        "73568-8": [],
    }


def test_resident_and_attending_are_both_its_authors() -> None:
    dataset = written(told(version(resident_name=PersonName.of("Young", "Yves"))))

    assert [str(each.PersonName) for each in dataset.AuthorObserverSequence] == [
        "Young^Yves",
        "Roe^Rita",
    ]
    assert str(dataset.VerifyingObserverSequence[0].VerifyingObserverName) == "Roe^Rita"


def test_nobody_known_verifies_nothing() -> None:
    dataset = written(told(version(signer_name=PersonName(), author_name=PersonName())))

    assert dataset.VerificationFlag == "UNVERIFIED"
    assert "VerifyingObserverSequence" not in dataset
    assert "AuthorObserverSequence" not in dataset


def test_the_images_that_the_device_named_are_its_evidence() -> None:
    def image(uid: str) -> Json:
        return elements({"ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
                         "ReferencedSOPInstanceUID": uid})  # fmt: skip

    def performed(study: str, *images: str) -> Json:
        return elements(
            {
                "ScheduledStepAttributesSequence": [elements({"StudyInstanceUID": study})],
                "PerformedSeriesSequence": [
                    elements(
                        {
                            "SeriesInstanceUID": f"{study}.1",
                            "ReferencedImageSequence": [image(uid) for uid in images],
                        }
                    )
                ],
            }
        )

    evidence = evidence_in(
        [performed("1.2.3", "1.2.3.1.1", "1.2.3.1.2"), performed("1.2.4", "1.2.4.1.1")], "1.2.3"
    )

    (study,) = written(told(version()), evidence).CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == ("1.2.3", "1.2.3.1")
    assert [each.ReferencedSOPInstanceUID for each in series.ReferencedSOPSequence] == [
        "1.2.3.1.1",
        "1.2.3.1.2",
    ]


def test_the_same_report_in_another_study_is_said_to_be_the_same() -> None:
    other = Reference(
        study_instance_uid="1.2.4",
        series_instance_uid="1.2.4.8",
        sop_class_uid=BASIC_TEXT_SR,
        sop_instance_uid="1.2.4.9",
    )

    dataset = written(told(version(), identical=[other]))

    (study,) = dataset.IdenticalDocumentsSequence
    assert study.StudyInstanceUID == "1.2.4"


@pytest.mark.parametrize(
    ("text", "vr", "kept"),
    [
        ("one\ntwo\tthree\x07", "UT", "one\r\ntwo three"),
        ("C:\\new", "UT", "C:\\new"),
        ("C:\\new\nline", "LO", "C:/newline"),
        ("x" * 70, "LO", "x" * 64),
        ("می‌شود", "UT", "می‌شود"),
    ],
)
def test_text_fits_what_holds_it(text: str, vr: str, kept: str) -> None:
    assert fitting(text, vr) == kept


def test_a_number_is_never_cut() -> None:
    said = told(version())
    order, procedure = said.covers[0]
    long = replace(order, placer=Identifier("P" * 65))

    (request,) = written(replace(said, covers=[(long, procedure)])).ReferencedRequestSequence
    assert request.PlacerOrderNumberImagingServiceRequest is None
    with pytest.raises(InvalidValueError, match="too long"):
        written(replace(said, covers=[(replace(order, accession=Identifier("A" * 17)), procedure)]))


def test_an_issuer_with_a_name_of_the_world_has_that_as_well() -> None:
    said = issuer_of("urn:oid:1.2.40")

    assert said["IssuerOfPatientID"] == "urn:oid:1.2.40"
    (item,) = said["IssuerOfPatientIDQualifiersSequence"]
    assert to_dataset(item).UniversalEntityID == "1.2.40"
    assert issuer_of("") == {}
    assert issuer_of("H" * 65) == {"IssuerOfPatientID": None}  # a part of it is another's
