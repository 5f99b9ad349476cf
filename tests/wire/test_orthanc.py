"""Orthanc as the archive: it stores our reports, is asked for them, and tells of earlier exams."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from ris.domain.actors import Actor
from ris.models import CommitmentRequest, Delivery, Order, Patient, Report, ReportObject
from ris.selectors.archives import examined
from ris.services import archives
from ris.services.report_documents import report_document
from tests.programs import demand, requires
from tests.running import wait_until
from tests.wire.orthanc import Orthanc, orthanc
from tests.wire.reports import archive_endpoint, finalize, reader, states
from tests.wire.sending import deliver, later
from tests.wire.worklist_server import running

pytestmark = [
    pytest.mark.wire,
    pytest.mark.django_db(transaction=True),
    requires("orthanc"),
]
__all__ = ["reader"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    demand("orthanc")
    with orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    archives.forget()
    yield
    archives.forget()


def test_it_has_the_report_as_it_was_signed_and_says_so(reader: Actor, archive: Orthanc) -> None:
    archive_endpoint(archive, "ORTHANC", priors=True, issuer="HOSP")
    report = finalize(reader, impression="頭部 normal, größer als zuvor")

    deliver()
    with later():
        deliver()

    assert [(words, state) for words, state, _ in states()] == [
        ("SR, version 1", "DELIVERED"),
        ("PDF, version 1", "DELIVERED"),
        ("SR, version 1: in the archive", "DELIVERED"),
        ("PDF, version 1: in the archive", "DELIVERED"),
    ]
    instances = archive.get("/instances?expand")
    by_uid = {each["MainDicomTags"]["SOPInstanceUID"]: each["ID"] for each in instances}
    made = {each.kind: each.sop_instance_uid for each in ReportObject.objects.all()}
    assert set(made.values()) <= set(by_uid)
    pdf = archive.raw(f"/instances/{by_uid[made['pdf']]}/pdf")
    assert pdf == report_document(str(report.public_id), 1).content
    tags = archive.get(f"/instances/{by_uid[made['sr']]}/simplified-tags")
    assert (tags["PreliminaryFlag"], tags["VerificationFlag"]) == ("FINAL", "VERIFIED")
    assert tags["ContentSequence"][-1]["ContentSequence"][-1]["TextValue"] == (
        "頭部 normal, größer als zuvor"
    )
    (told,) = archives.about(examined(str(report.public_id)), seconds=10)
    assert told.fault == ""
    assert told.studies == ()  # the one study of this number is ours
    assert told.images is not None
    assert (told.images.made, told.images.there) == (42, 0)


def test_it_commits_itself_over_an_association_of_its_own(reader: Actor, archive: Orthanc) -> None:
    archive_endpoint(archive, "ORTHANC", objects=["sr"], confirm="commitment", commitment_seconds=0)
    finalize(reader)
    with running() as server:
        archive.put("/modalities/ris", {"AET": "RIS", "Host": "127.0.0.1", "Port": server.port})
        deliver()
        wait_until(
            lambda: CommitmentRequest.objects.get().answered_at is not None,
            "the archive commits itself",
        )
        with later():
            deliver()

    assert CommitmentRequest.objects.get().reason is None
    assert states()[1] == ("SR, version 1: committed by the archive", "DELIVERED", "")


def test_the_same_object_again_is_no_second_one(reader: Actor, archive: Orthanc) -> None:
    archive_endpoint(archive, "ORTHANC", objects=["sr"], confirm="no")
    finalize(reader)
    deliver()
    before = len(archive.get("/instances"))

    Delivery.objects.update(state="PENDING")  # as if the answer had been lost
    with later():
        deliver()

    assert [state for _, state, _ in states()] == ["DELIVERED"]
    assert len(archive.get("/instances")) == before


def test_it_tells_of_an_earlier_exam_with_the_name_as_it_is_written(
    reader: Actor, archive: Orthanc
) -> None:
    archive_endpoint(archive, "ORTHANC", priors=True, issuer="HOSP")
    order = Order.objects.get()
    Patient.objects.update(name="Колесниченко^Людмила")
    number = order.patient.identifiers.get(primary=True).value
    dataset = made(number, PatientName="Колесниченко^Людмила", PatientBirthDate="19700503")
    ae = AE("OTHER")
    ae.add_requested_context(dataset.SOPClassUID, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", archive.port, ae_title=archive.ae_title)
    assert association.send_c_store(dataset).Status == 0
    association.release()

    (told,) = archives.about(examined(str(Report.objects.get().public_id)), seconds=10)

    assert [(each.study_instance_uid, each.images) for each in told.studies] == [("1.2.7", 1)]
    assert told.withheld == ()


def made(number: str, **values: str) -> Dataset:
    """An image that somebody else made."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    said = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": "1.2.7.1.1",
        "StudyInstanceUID": "1.2.7",
        "SeriesInstanceUID": "1.2.7.1",
        "PatientID": number,
        "Modality": "DX",
        "StudyDate": "20240110",
    }
    for keyword, value in {**said, **values}.items():
        setattr(dataset, keyword, value)
    return dataset
