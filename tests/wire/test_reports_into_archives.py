"""A signed version reaches an archive as SR and PDF, once, and is looked for there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from ris.domain.actors import Actor
from ris.domain.reporting import (
    AmendReport,
    RetractReport,
    SignPreliminary,
    VersionKind,
)
from ris.models import Delivery, Order, Report, ReportObject
from ris.services import execute, outbox
from tests.programs import requires
from tests.wire.archive import Archive
from tests.wire.reports import TEXT, archive_endpoint, finalize, reader, states
from tests.wire.sending import deliver, later
from worklist.raw import StoredRequest
from worklist.report_pdf import ENCAPSULATED_PDF
from worklist.report_sr import BASIC_TEXT_SR
from worklist.sop_classes import IMPLICIT_VR_LITTLE_ENDIAN

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]
__all__ = ["reader"]


def of_class(archive: Archive, uid: str) -> list[Dataset]:
    return [each for each in archive.stored.values() if each.SOPClassUID == uid]


def test_a_final_report_is_stored_as_sr_and_pdf_and_looked_for(reader: Actor) -> None:
    with Archive() as archive:
        archive_endpoint(archive)
        report = finalize(reader)

        deliver()

    assert states() == [
        ("SR, version 1", "DELIVERED", ""),
        ("PDF, version 1", "DELIVERED", ""),
        ("SR, version 1: in the archive", "DELIVERED", ""),
        ("PDF, version 1: in the archive", "DELIVERED", ""),
    ]
    of_whom = {(row.report_id, row.event and row.event.name) for row in Delivery.objects.all()}
    assert of_whom == {(report.pk, "ReportFinalized")}
    assert len(archive.received) == 2
    assert set(archive.stored) == set(
        ReportObject.objects.values_list("sop_instance_uid", flat=True)
    )
    (sr,) = of_class(archive, BASIC_TEXT_SR)
    order = Order.objects.get()
    assert (sr.AccessionNumber, sr.StudyInstanceUID) == (
        order.accession_number,
        order.procedures.get().study_instance_uid,
    )
    assert (sr.PreliminaryFlag, sr.CompletionFlag, sr.VerificationFlag) == (
        "FINAL",
        "COMPLETE",
        "VERIFIED",
    )
    (verifier,) = sr.VerifyingObserverSequence
    assert (verifier.VerifyingObserverName, verifier.VerifyingOrganization) == (
        "Roe^Rita",
        "Test Hospital",
    )


def items(sr: Dataset) -> list[tuple[str, str]]:
    """Heading and text of each section, as a reader walks the tree."""
    found = []
    for item in sr.ContentSequence:
        if item.ValueType != "CONTAINER":
            continue
        heading = item.ConceptNameCodeSequence[0]
        texts = [each.TextValue for each in item.ContentSequence if each.ValueType == "TEXT"]
        found += [(f"{heading.CodeValue} {heading.CodeMeaning}", text) for text in texts]
    return found


def test_the_tree_has_the_sections_under_their_codes(reader: Actor) -> None:
    with Archive() as archive:
        archive_endpoint(archive, objects=["sr"])
        finalize(reader, recommendation="None.")

        deliver()

    (sr,) = of_class(archive, BASIC_TEXT_SR)
    assert sr.ConceptNameCodeSequence[0].CodeValue == "18748-4"
    assert sr.ContentTemplateSequence[0].TemplateIdentifier == "2000"
    assert items(sr) == [
        ("121060 History", "Headache since Tuesday."),
        ("121070 Findings", "No bleeding.\r\nVentricles of normal width."),
        ("121072 Impressions", "Normal CT of the head."),
        ("121074 Recommendations", "None."),
    ]
    context = {
        each.ConceptNameCodeSequence[0].CodeValue: each
        for each in sr.ContentSequence
        if each.RelationshipType != "CONTAINS"
    }
    assert context["121049"].ConceptCodeSequence[0].CodeValue == "en"
    assert str(context["121008"].PersonName) == "Roe^Rita"
    assert sr.StudyInstanceUID == context["121018"].UID
    (request,) = sr.ReferencedRequestSequence
    order = Order.objects.get()
    assert request.AccessionNumber == order.accession_number
    assert request.PlacerOrderNumberImagingServiceRequest == order.placer_order_number
    assert [each.CodeValue for each in sr.PerformedProcedureCodeSequence] == ["CTHEAD"]


def test_preliminary_reports_stay_here_unless_the_archive_wants_them(reader: Actor) -> None:
    report = Report.objects.get()
    with Archive() as archive:
        archive_endpoint(archive, objects=["sr"])
        execute(SignPreliminary(report=str(report.public_id), sections=TEXT), actor=reader)
        deliver()
        assert states() == []

        archive_endpoint(archive, objects=["sr"], preliminary=True, confirm="no")
        execute(SignPreliminary(report=str(report.public_id), sections=TEXT), actor=reader)
        deliver()

    (sr,) = of_class(archive, BASIC_TEXT_SR)
    assert (sr.PreliminaryFlag, sr.CompletionFlag, sr.VerificationFlag, sr.InstanceNumber) == (
        "PRELIMINARY",
        "PARTIAL",
        "UNVERIFIED",
        2,
    )
    assert "VerifyingObserverSequence" not in sr


def test_every_later_version_names_the_one_before_and_shares_its_series(reader: Actor) -> None:
    with Archive(syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,)) as archive:
        archive_endpoint(archive, confirm="no")
        report = finalize(reader)
        deliver()
        for kind, sections in (
            (VersionKind.ADDENDUM, {"addendum": "Seen with Dr. Poe."}),
            (VersionKind.CORRECTION, {**TEXT, "impression": "Small infarct."}),
        ):
            execute(
                AmendReport(
                    report=str(report.public_id), kind=kind, sections=sections, reason="second look"
                ),
                actor=reader,
            )
            deliver()
        execute(RetractReport(report=str(report.public_id), reason="wrong patient"), actor=reader)
        deliver()

    for sop_class in (BASIC_TEXT_SR, ENCAPSULATED_PDF):
        found = sorted(of_class(archive, sop_class), key=lambda each: int(each.InstanceNumber))
        assert [each.InstanceNumber for each in found] == [1, 2, 3, 4]
        assert len({each.SeriesInstanceUID for each in found}) == 1
        predecessors = [
            each.PredecessorDocumentsSequence[0]
            .ReferencedSeriesSequence[0]
            .ReferencedSOPSequence[0]
            .ReferencedSOPInstanceUID
            for each in found[1:]
        ]
        assert predecessors == [each.SOPInstanceUID for each in found[:3]]
    addendum, correction, withdrawn = sorted(
        of_class(archive, BASIC_TEXT_SR), key=lambda each: int(each.InstanceNumber)
    )[1:]
    assert ("55107-7 Addendum", "Seen with Dr. Poe.") in items(addendum)
    assert correction.CompletionFlagDescription == "Corrected report: second look"
    assert ("121072 Impressions", "Small infarct.") in items(correction)
    assert items(withdrawn) == [
        ("121111 Summary", "This report was withdrawn. Do not use it.\r\nwrong patient")
    ]
    assert withdrawn.CompletionFlagDescription == "Withdrawn: wrong patient"


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (0xB000, "DELIVERED", "B000 stored, some elements were changed"),
        (0x0111, "DELIVERED", "0111 it was stored before"),
        (0xA700, "PENDING", "A700 the archive is out of resources"),
        (0xC000, "PENDING", "C000 the archive cannot understand the object"),
    ],
)
def test_what_the_archive_answers_is_shown(
    reader: Actor, answer: int, state: str, words: str
) -> None:
    with Archive(answers=[answer]) as archive:
        archive_endpoint(archive, objects=["sr"], confirm="no")
        finalize(reader)
        outbox.fan_out()
        outbox.deliver_due(limit=1)

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts.get().error) == (state, words)


def test_a_class_that_is_not_stored_there_holds_up_no_other(reader: Actor) -> None:
    with Archive(classes=(BASIC_TEXT_SR,)) as archive:
        archive_endpoint(archive, objects=["pdf", "sr"], confirm="no")
        finalize(reader)
        deliver()
        for passes in (1, 2, 3):
            with later(400 * passes):
                outbox.deliver_due()

    assert states() == [
        ("PDF, version 1", "REFUSED", "the peer does not support this service"),
        ("SR, version 1", "DELIVERED", ""),
    ]


def test_without_an_answer_the_same_object_is_sent_again(reader: Actor) -> None:
    with Archive(deaf={0}) as archive:
        archive_endpoint(archive, objects=["sr"], confirm="no")
        finalize(reader)
        deliver()
        with later():
            outbox.reset_breaker()
            deliver()

    assert archive.received == [ReportObject.objects.get().sop_instance_uid] * 2
    assert [state for _, state, _ in states()] == ["DELIVERED"]


def test_an_object_that_does_not_show_up_is_pointed_out(reader: Actor) -> None:
    with Archive(hides=True) as archive:
        archive_endpoint(archive, objects=["sr"])
        finalize(reader)
        for passes in range(10):
            with later(400 * passes):
                deliver()

    assert states() == [
        ("SR, version 1", "DELIVERED", ""),
        (
            "SR, version 1: in the archive",
            "REFUSED",
            "the archive took the object and does not show it",
        ),
    ]


def test_an_archive_that_answers_no_questions_has_it_unconfirmed(reader: Actor) -> None:
    with Archive(finds=False) as archive:
        archive_endpoint(archive, objects=["sr"])
        finalize(reader)
        deliver()

    assert states()[1] == (
        "SR, version 1: in the archive",
        "SKIPPED",
        "stored, but not confirmed: the peer does not support this service",
    )


@requires("dcmtk")
def test_dcmtk_reads_the_report_and_gives_the_pdf_back(reader: Actor, tmp_path: Path) -> None:
    with Archive() as archive:
        archive_endpoint(archive)
        finalize(
            reader,
            findings="Größe 3 mm. 頭部に出血なし。 أ No\\bleeding",
            impression="№ 1 → normal",
        )
        deliver()

    sr, pdf = tmp_path / "sr.dcm", tmp_path / "pdf.dcm"
    for delivery in Delivery.objects.exclude(message_type__endswith="archive"):
        raw = bytes(delivery.payload)
        (pdf if delivery.message_type.startswith("PDF") else sr).write_bytes(raw)

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    shown = run("dsrdump", "+U8", "+Pl", sr)
    assert "Größe 3 mm. 頭部に出血なし。 أ No\\bleeding" in shown
    assert "Roe^Rita" in shown
    page = run("dsr2html", "+U8", sr)
    assert "№ 1 → normal" in page
    run("dcm2pdf", pdf, tmp_path / "report.pdf")
    from ris.services.report_documents import report_document

    content = report_document(str(Report.objects.get().public_id), 1).content
    assert (tmp_path / "report.pdf").read_bytes() == content
    assert content.startswith(b"%PDF")
    dataset = dcmread(pdf)
    assert (
        dataset.MIMETypeOfEncapsulatedDocument,
        dataset.EncapsulatedDocumentLength,
        dataset.BurnedInAnnotation,
        dataset.Modality,
        dataset.ConceptNameCodeSequence[0].CodeValue,
    ) == ("application/pdf", len(content), "YES", "DOC", "18748-4")
    assert StoredRequest.unpack(sr.read_bytes()).sop_class_uid == BASIC_TEXT_SR
