"""Proper messages to begin with: what scanners send, in each transfer syntax."""

from __future__ import annotations

import json
from pathlib import Path

from pydicom.dataset import Dataset

from tests.fuzz import hl7
from tests.fuzz.targets import REPORTS
from tests.wire import dicom_peer as peer
from tests.worklist.entries import SYNTAXES, encoded
from tests.worklist.notices import notice
from tests.worklist.performed import n_create, n_set, series
from tests.worklist.reports import encode as encode_report
from tests.worklist.reports import report
from worklist.sop_classes import TRANSFER_SYNTAXES

ROOT = Path(__file__).resolve().parents[2]


def _query(**values: str) -> Dataset:
    step = Dataset()
    step.ScheduledStationAETitle = "CT1"
    step.Modality = "CT"
    step.ScheduledProcedureStepStartDate = "20260706-20260708"
    step.ScheduledProcedureStepStartTime = "070000-180000"
    step.ScheduledPerformingPhysicianName = ""
    step.ScheduledProtocolCodeSequence = []
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Ba*^N?ra"
    dataset.PatientID = ""
    dataset.AccessionNumber = ""
    dataset.PatientBirthDate = "19700101-19801231"
    dataset.RequestedProcedureCodeSequence = []
    dataset.ScheduledProcedureStepSequence = [step]
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _with_syntax(dataset: Dataset, flags: int = 0) -> list[bytes]:
    found = []
    for name, uid in SYNTAXES.items():
        found.append(bytes((TRANSFER_SYNTAXES.index(uid) | flags,)) + encoded(dataset, name))
    return found


def identifiers() -> list[bytes]:
    datasets = [
        _query(),
        _query(SpecificCharacterSet="\\ISO 2022 IR 87", PatientName="Yamada^Tarou"),
        _query(SpecificCharacterSet="ISO_IR 100", StudyInstanceUID="1.2.3\\1.2.4"),
        _query(TimezoneOffsetFromUTC="+0200", IssuerOfPatientID="HOSP", PatientSex="F"),
    ]
    return [raw for dataset in datasets for raw in _with_syntax(dataset)]


def performed_steps() -> list[bytes]:
    found = []
    for strict in (0, 0x40):
        for dataset in (
            n_create(),
            n_create(PatientName="B\xe4r", SpecificCharacterSet="ISO_IR 100"),
        ):
            found += _with_syntax(dataset, strict)
        for dataset in (
            n_set(),
            n_set("DISCONTINUED"),
            n_set(PerformedSeriesSequence=[series(images=9)]),
        ):
            found += _with_syntax(dataset, 0x80 | strict)
    return found


def dose_reports() -> list[bytes]:
    """The golden cases, each in every syntax and said to be what it is."""
    found = []
    for case in sorted((ROOT / "fixtures" / "dicom" / "dose").glob("*/report.json")):
        said = json.loads(case.read_text(encoding="utf-8"))
        extra = {name: said[name] for name in ("sop_class", "title") if name in said}
        document = report(said["content"], **extra, **said["attributes"])
        kind = REPORTS.index(str(document.SOPClassUID))
        for name, uid in SYNTAXES.items():
            start = bytes((TRANSFER_SYNTAXES.index(uid), kind))
            found.append(start + encode_report(document, name))
    return found


def availabilities() -> list[bytes]:
    series = {"2.25.2001": {"2.25.2001.1": "ONLINE", "2.25.2001.2": "NEARLINE"}}
    return _with_syntax(notice("2.25.1001", series, performed=["2.25.3001"]))


def commitment_reports() -> list[bytes]:
    def item(uid: str, **values: int) -> Dataset:
        made = Dataset()
        made.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
        made.ReferencedSOPInstanceUID = uid
        for keyword, value in values.items():
            setattr(made, keyword, value)
        return made

    dataset = Dataset()
    dataset.TransactionUID = "2.25.9001"
    dataset.ReferencedSOPSequence = [item("2.25.4001")]
    dataset.FailedSOPSequence = [item("2.25.4002", FailureReason=0x0112)]
    return _with_syntax(dataset)


def command_sets() -> list[bytes]:
    return [
        peer.command(peer.C_FIND, 1, sop_class=peer.WORKLIST, has_dataset=True),
        peer.command(peer.C_ECHO, 2, sop_class=peer.VERIFICATION),
        peer.command(peer.N_CREATE, 3, sop_class=peer.MPPS, instance="1.2.3", has_dataset=True),
        peer.command(peer.N_SET, 4, sop_class=peer.MPPS, instance="1.2.3", has_dataset=True),
        peer.command(
            peer.N_GET, 5, sop_class=peer.MPPS_RETRIEVE, instance="1.2.3", tags=[0x00400252]
        ),
        peer.command(peer.C_CANCEL, 1),
    ]


def _offers() -> list[peer.Context]:
    return [
        peer.context(1, peer.WORKLIST, peer.EXPLICIT, peer.IMPLICIT),
        peer.context(3, peer.MPPS, peer.IMPLICIT, peer.BIG_ENDIAN),
        peer.context(5, peer.VERIFICATION),
        peer.context(7, peer.MPPS_RETRIEVE, peer.DEFLATED, peer.EXPLICIT),
    ]


def association_requests() -> list[bytes]:
    uid = peer.WORKLIST.encode()
    role = peer.item(0x54, bytes((0, len(uid))) + uid + b"\x01\x00")
    extended = peer.item(0x56, bytes((0, len(uid))) + uid + b"\x01\x01\x01\x01")
    window = peer.item(0x53, b"\x00\x05\x00\x05")
    requests = [
        peer.associate_rq(*_offers()),
        peer.associate_rq(*_offers(), user_items=role + extended + window),
        peer.associate_rq(user_items=peer.user_identity(2, b"ct1", b"secret", respond=1)),
        peer.associate_rq(user_items=peer.user_identity(4, b"<saml/>")),
    ]
    return [raw[6:] for raw in requests]


def streams() -> list[bytes]:
    """Whole conversations of a peer that does not wait for answers; first the size of a piece."""
    hello = peer.associate_rq(*_offers())
    query = identifiers()[1][1:]  # in Explicit VR, as context 1 is agreed
    find = peer.command(peer.C_FIND, 7, sop_class=peer.WORKLIST, has_dataset=True)
    create = peer.command(peer.N_CREATE, 9, sop_class=peer.MPPS, instance="1.2.3", has_dataset=True)
    exam = encoded(n_create(), "implicit")
    parts = [
        peer.message(1, find, query),
        peer.message(1, find, query) + peer.cancel_rq(7),
        peer.message(3, create, exam),
        peer.echo_rq(number=5),
        peer.message(
            7, peer.command(peer.N_GET, 5, sop_class=peer.MPPS_RETRIEVE, instance="1.2.3")
        ),
    ]
    whole = hello + b"".join(parts) + peer.RELEASE_RQ
    return [
        bytes((size,)) + talk
        for size in (0, 1, 30)
        for talk in (whole, hello + parts[2] + peer.ABORT, hello + parts[1])
    ]


SEEDS = {
    "identifier": identifiers,
    "performed_step": performed_steps,
    "dose_report": dose_reports,
    "availability": availabilities,
    "commitment_report": commitment_reports,
    "command_set": command_sets,
    "association_request": association_requests,
    "stream": streams,
    **hl7.SEEDS,
}
