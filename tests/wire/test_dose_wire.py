"""Dose reports and notices of images over the wire, from programs that are not ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.domain.identifiers import new_uid
from ris.models import DoseRecord, ExamDose, InboundMessage, Order, StudyAvailability
from ris.services import execute
from tests import make
from tests.programs import requires
from tests.wire.worklist_server import running
from tests.worklist.notices import notice
from tests.worklist.reports import as_file, ct, report
from worklist.server import ServerThread
from worklist.sop_classes import (
    DOSE_REPORTS,
    EXPLICIT_VR_LITTLE_ENDIAN,
    INSTANCE_AVAILABILITY_NOTIFICATION,
    X_RAY_RADIATION_DOSE_SR,
)

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"


@pytest.fixture
def server() -> Iterator[ServerThread]:
    make.site()
    make.device("CT1", "CT")
    execute(
        ConfigureEndpoint(
            name="Archive",
            protocol=Protocol.DICOM,
            direction=Direction.IN,
            protocol_name="PACS",
        ),
        actor=OPERATOR,
    )
    with running() as listener:
        yield listener


@pytest.fixture
def order(server: ServerThread) -> Order:
    return make.performed()


def report_of(order: Order) -> Dataset:
    return ct(
        {"2.25.8001": "100", "2.25.8002": "250.5"},
        AccessionNumber=order.accession_number,
        StudyInstanceUID=make.step_of(order).procedure.study_instance_uid,
        PatientID=order.patient.identifiers.get().value,
    )


def associated(server: ServerThread, *classes: str, calling: str = "CT1") -> Association:
    ae = AE(calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    for uid in classes:
        ae.add_requested_context(uid, EXPLICIT_VR_LITTLE_ENDIAN)
    return ae.associate("127.0.0.1", server.port, ae_title="RIS")


def dlp(order: Order) -> str:
    (total,) = [one for one in ExamDose.objects.get(order=order).totals if one["measure"] == "dlp"]
    value: str = total["value"]
    return value


def test_pynetdicom_stores_a_dose_report(server: ServerThread, order: Order) -> None:
    association = associated(server, X_RAY_RADIATION_DOSE_SR)
    document = as_file(report_of(order))

    first = association.send_c_store(document)
    again = association.send_c_store(document)
    association.release()

    assert (first.Status, again.Status) == (0x0000, 0x0000)
    assert dlp(order) == "350.5"
    assert DoseRecord.objects.count() == 1


def test_only_dose_reports_are_offered_for_storage(server: ServerThread) -> None:
    association = associated(server, *DOSE_REPORTS, CT_IMAGE_STORAGE, BASIC_TEXT_SR)
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    association.release()

    assert accepted == set(DOSE_REPORTS)


def test_a_refusal_names_the_element(server: ServerThread) -> None:
    association = associated(server, X_RAY_RADIATION_DOSE_SR)

    status = association.send_c_store(as_file(report([], title="126000 Imaging Report")))
    association.release()

    assert status.Status == 0xA900
    assert status.ErrorComment == "(0040,A043) the title is not that of a dose report"
    assert InboundMessage.objects.get().outcome == "A900"


def test_an_archive_tells_what_it_has(server: ServerThread, order: Order) -> None:
    study = make.step_of(order).procedure.study_instance_uid
    association = associated(server, INSTANCE_AVAILABILITY_NOTIFICATION, calling="PACS")

    status, _ = association.send_n_create(
        notice(study, {"2.25.1": {"2.25.11": "ONLINE"}}),
        INSTANCE_AVAILABILITY_NOTIFICATION,
        new_uid(),
    )
    association.release()

    assert status.Status == 0x0000
    assert StudyAvailability.objects.get().order == order


def test_an_archive_is_offered_nothing_but_its_services(server: ServerThread) -> None:
    association = associated(
        server,
        INSTANCE_AVAILABILITY_NOTIFICATION,
        X_RAY_RADIATION_DOSE_SR,
        "1.2.840.10008.5.1.4.31",
        calling="PACS",
    )
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    association.release()

    assert accepted == {INSTANCE_AVAILABILITY_NOTIFICATION, X_RAY_RADIATION_DOSE_SR}


# --- dcmtk


def tool(*arguments: str, code: int = 0) -> str:
    """A program of dcmtk: what it printed; it must end so."""
    done = subprocess.run(
        arguments,
        capture_output=True,
        timeout=60,
        env={**os.environ, "TCP_NODELAY": "1"},
        check=False,
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == code, said
    return said


def storescu(server: ServerThread, path: Path, *options: str, code: int = 0) -> str:
    return tool(
        "storescu", "-v", "-aet", "CT1", "-aec", "RIS", *options, "127.0.0.1",
        str(server.port), str(path), code=code,
    )  # fmt: skip


@requires("dcmtk")
@pytest.mark.parametrize("syntax", ["-xe", "-xi"])
def test_storescu_stores_what_dsr_tools_wrote(
    server: ServerThread, order: Order, tmp_path: Path, syntax: str
) -> None:
    """Our fixture is a report to dcmtk too, and dcmtk's own writing of it is one to us."""
    ours, text, theirs = (tmp_path / name for name in ("ours.dcm", "report.xml", "theirs.dcm"))
    as_file(report_of(order)).save_as(ours, enforce_file_format=True)
    tool("dsr2xml", "-Ee", "-Ev", str(ours), str(text))
    tool("xml2dsr", str(text), str(theirs))

    said = storescu(server, theirs, syntax)

    assert "Received Store Response (Success)" in said
    assert dlp(order) == "350.5"
    assert DoseRecord.objects.get().events.count() == 2


@requires("dcmtk")
def test_storescu_is_told_of_a_broken_report(
    server: ServerThread, order: Order, tmp_path: Path
) -> None:
    path, dump = tmp_path / "broken.dcm", tmp_path / "broken.dump"
    dump.write_text(
        f"(0008,0016) UI [{X_RAY_RADIATION_DOSE_SR}]\n"
        "(0008,0018) UI [2.25.7001]\n"
        "(0040,a040) CS [CONTAINER]\n"
        "(0040,a043) SQ\n"
        "(fffe,e000) -\n"
        "(0008,0100) SH [113701]\n"
        "(0008,0102) SH [99SITE]\n"
        "(fffe,e00d) -\n"
        "(fffe,e0dd) -\n",
        encoding="ascii",
    )
    tool("dump2dcm", "+te", "-q", str(dump), str(path))

    said = storescu(server, path, code=169)  # the high byte of the status

    assert "DataSetDoesNotMatchSOPClass" in said
    assert InboundMessage.objects.get().outcome == "A900"
    assert not DoseRecord.objects.exists()
