"""The worklist of dcmtk (wlmscpfs), as the system that was there before."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from tests.running import accepts, free_ports, wait_until
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN

AE_TITLE = "OLDRIS"


@contextmanager
def wlmscpfs(folder: Path, entries: Sequence[Dataset]) -> Iterator[int]:
    """Serves the entries until the end of the block; gives its port."""
    below = folder / AE_TITLE
    below.mkdir(parents=True)
    (below / "lockfile").touch()
    for number, entry in enumerate(entries):
        write(below / f"{number:03d}.wl", entry)
    (port,) = free_ports(1)
    command = ["wlmscpfs", "-q", "-csk", "-dfp", str(folder), str(port)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            wait_until(lambda: accepts(port), "wlmscpfs to listen")
            yield port
        finally:
            process.terminate()


def write(path: Path, entry: Dataset) -> None:
    entry.file_meta = FileMetaDataset()
    entry.file_meta.TransferSyntaxUID = UID(EXPLICIT_VR_LITTLE_ENDIAN)
    entry.file_meta.MediaStorageSOPClassUID = UID("1.2.276.0.7230010.3.1.0.1")  # dcmtk's own
    entry.file_meta.MediaStorageSOPInstanceUID = UID("2.25.7")
    entry.save_as(path, enforce_file_format=True)


def entry(**said: str) -> Dataset:
    """An invented entry; keywords of the step go into its item."""
    step, root = Dataset(), Dataset()
    own = {
        "ScheduledStationAETitle": "CT1",
        "ScheduledProcedureStepStartDate": "20990302",
        "ScheduledProcedureStepStartTime": "093000",
        "Modality": "CT",
        "ScheduledPerformingPhysicianName": "",
        "ScheduledProcedureStepDescription": "Head, plain",
        "ScheduledProcedureStepID": "OLD-S1",
        "ScheduledStationName": "CT 1",
        "ScheduledProcedureStepLocation": "Room 1",
        "ScheduledProcedureStepStatus": "SCHEDULED",
    }
    for keyword, value in own.items():
        setattr(step, keyword, said.pop(keyword, value))
    others = {
        "SpecificCharacterSet": "ISO_IR 100",
        "AccessionNumber": "OLD-A1",
        "ReferringPhysicianName": "Núñez^Inés",
        "PatientName": "Grünwald^Käthe",
        "PatientID": "M-100",
        "IssuerOfPatientID": "OLDHOSP",
        "PatientBirthDate": "19510914",
        "PatientSex": "F",
        "PatientWeight": "62.5",
        "MedicalAlerts": "Pacemaker",
        "Allergies": "Iodine\\Latex",
        "StudyInstanceUID": "2.25.4711",
        "RequestingPhysician": "Núñez^Inés",
        "RequestingService": "Neurology",
        "RequestedProcedureDescription": "CT head",
        "RequestedProcedureID": "OLD-P1",
        "RequestedProcedurePriority": "HIGH",
        "PlacerOrderNumberImagingServiceRequest": "PL-1",
        "FillerOrderNumberImagingServiceRequest": "FI-1",
        "ReasonForTheRequestedProcedure": "Fell from a ladder",
        "AdmissionID": "V-9",
        "CurrentPatientLocation": "Ward 3",
    }
    for keyword, value in {**others, **said}.items():
        if value:
            setattr(root, keyword, value)
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "CTHEAD", "99OLD", "CT head"
    root.RequestedProcedureCodeSequence = [code]
    root.ScheduledProcedureStepSequence = [step]
    return root
