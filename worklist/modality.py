"""A scanner's side of the worklist and of MPPS, on pynetdicom: for the command line and for tests.

pynetdicom is the other stack here: nothing of our own listener is used, so what works with this
works with somebody else's code.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom import AE, _config
from pynetdicom.association import Association

from ris.domain.errors import BusyError, DeniedError, StateConflictError
from ris.domain.identifiers import new_uid
from worklist.elements import tag_of, vr_of
from worklist.sop_classes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
    MODALITY_WORKLIST_FIND,
    VERIFICATION,
)

# Identifiers hold patient data and belong in no log; what went wrong is raised, once.
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

_SYNTAXES = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]
_PENDING = {0xFF00, 0xFF01}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a C-FIND ended with."""

    identifiers: tuple[Dataset, ...]
    status: int
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """A device that talks to one worklist and MPPS provider."""

    host: str
    port: int
    calling: str = "CT1"
    called: str = "RIS"
    seconds: float = 10.0
    tls: ssl.SSLContext | None = None

    @contextmanager
    def association(self, *sop_classes: str) -> Iterator[Association]:
        """An open association; raises BusyError if nobody listens, DeniedError if rejected."""
        ae = AE(ae_title=self.calling)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = self.seconds
        ae.connection_timeout = self.seconds
        for sop_class in sop_classes:
            ae.add_requested_context(sop_class, _SYNTAXES)
        association = ae.associate(
            self.host,
            self.port,
            ae_title=self.called,
            tls_args=(self.tls, self.host) if self.tls is not None else None,
        )
        where = f"{self.called} at {self.host}:{self.port}"
        if association.is_rejected:
            said = association.acceptor.primitive
            why = f": {said.reason_str.lower()}" if said is not None else ""
            raise DeniedError(f"{where} refused {self.calling}{why}")
        if not association.is_established:
            raise BusyError(f"no DICOM association with {where}")
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def echo(self) -> None:
        """C-ECHO; raises if it is not answered with success."""
        with self.association(VERIFICATION) as association:
            _require_success("C-ECHO", association.send_c_echo())

    def find(self, query: Dataset) -> Answers:
        """C-FIND on the worklist."""
        found: list[Dataset] = []
        final = Dataset()
        with self.association(MODALITY_WORKLIST_FIND) as association:
            for status, identifier in association.send_c_find(query, MODALITY_WORKLIST_FIND):
                final = status
                if status.get("Status") in _PENDING and identifier is not None:
                    found.append(identifier)
        if "Status" not in final:
            raise BusyError("the worklist did not answer")
        return Answers(tuple(found), final.Status, str(final.get("ErrorComment", "")))

    def create(self, dataset: Dataset, uid: str) -> None:
        """N-CREATE of a performed step."""
        with self.association(MODALITY_PERFORMED_PROCEDURE_STEP) as association:
            status, _ = association.send_n_create(dataset, MODALITY_PERFORMED_PROCEDURE_STEP, uid)
            _require_success("N-CREATE", status)

    def set(self, dataset: Dataset, uid: str) -> None:
        """N-SET of a performed step."""
        with self.association(MODALITY_PERFORMED_PROCEDURE_STEP) as association:
            status, _ = association.send_n_set(dataset, MODALITY_PERFORMED_PROCEDURE_STEP, uid)
            _require_success("N-SET", status)

    def get(self, uid: str, tags: Sequence[int] = ()) -> Dataset:
        """N-GET of a performed step."""
        with self.association(MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE) as association:
            status, dataset = association.send_n_get(
                [Tag(tag) for tag in tags], MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE, uid
            )
            _require_success("N-GET", status)
        return dataset if dataset is not None else Dataset()


def _require_success(operation: str, status: Dataset) -> None:
    if "Status" not in status:
        raise BusyError(f"{operation} was not answered")
    if status.Status != 0:
        comment = status.get("ErrorComment", "")
        raise StateConflictError(f"{operation} ended with {status.Status:04X} {comment}".strip())


def client_tls(
    ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS as PS3.15 B.12 wants it of a client; without a CA file the peer is not verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


# --- what a scanner says


def query(**keys: str) -> Dataset:
    """A broad query as scanners send it (PS3.4 K.6, IHE RAD-5); ``keys`` sets conditions.

    A keyword of the scheduled step goes into its item, every other one to the top.
    """
    dataset, item = Dataset(), Dataset()
    for keyword in _STEP_KEYS:
        item.add(_key(keyword, keys.pop(keyword, "")))
    item.ScheduledProtocolCodeSequence = []
    for keyword in {**dict.fromkeys(_ROOT_KEYS), **keys}:
        dataset.add(_key(keyword, keys.get(keyword, "")))
    dataset.RequestedProcedureCodeSequence = []
    if not all(value.isascii() for value in keys.values()):
        dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ScheduledProcedureStepSequence = [item]
    return dataset


def _key(keyword: str, value: str) -> DataElement:
    """A key as typed: ranges and wildcards are no values, and the peer judges the rest."""
    tag = tag_of(keyword)
    return DataElement(tag, vr_of(tag), value, validation_mode=IGNORE)


_STEP_KEYS = (
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "Modality",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID",
    "ScheduledStationName",
    "ScheduledProcedureStepLocation",
)
_ROOT_KEYS = (
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientWeight",
    "MedicalAlerts",
    "Allergies",
    "StudyInstanceUID",
    "RequestedProcedureDescription",
    "RequestedProcedureID",
    "RequestedProcedurePriority",
)


def begun(entry: Dataset, *, station: str, at: datetime) -> Dataset:
    """The N-CREATE a scanner makes of a worklist entry (PS3.4 Table F.7.2-1)."""
    step = entry.ScheduledProcedureStepSequence[0]
    item = Dataset()
    item.StudyInstanceUID = entry.StudyInstanceUID
    item.ReferencedStudySequence = []
    item.AccessionNumber = entry.get("AccessionNumber", "")
    item.RequestedProcedureID = entry.get("RequestedProcedureID", "")
    item.RequestedProcedureDescription = entry.get("RequestedProcedureDescription", "")
    item.ScheduledProcedureStepID = step.ScheduledProcedureStepID
    item.ScheduledProcedureStepDescription = step.get("ScheduledProcedureStepDescription", "")
    item.ScheduledProtocolCodeSequence = step.get("ScheduledProtocolCodeSequence", [])
    dataset = Dataset()
    if "SpecificCharacterSet" in entry:
        dataset.SpecificCharacterSet = entry.SpecificCharacterSet
    dataset.ScheduledStepAttributesSequence = [item]
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(dataset, keyword, entry.get(keyword, ""))
    if entry.get("IssuerOfPatientID"):
        dataset.IssuerOfPatientID = entry.IssuerOfPatientID
    dataset.ReferencedPatientSequence = []
    dataset.PerformedProcedureStepID = f"PPS{at:%H%M%S}"
    dataset.PerformedStationAETitle = station
    dataset.PerformedStationName = step.get("ScheduledStationName", "")
    dataset.PerformedLocation = step.get("ScheduledProcedureStepLocation", "")
    dataset.PerformedProcedureStepStartDate = f"{at:%Y%m%d}"
    dataset.PerformedProcedureStepStartTime = f"{at:%H%M%S}"
    dataset.PerformedProcedureStepStatus = "IN PROGRESS"
    dataset.PerformedProcedureStepDescription = ""
    dataset.PerformedProcedureTypeDescription = ""
    dataset.ProcedureCodeSequence = entry.get("RequestedProcedureCodeSequence", [])
    dataset.PerformedProcedureStepEndDate = ""
    dataset.PerformedProcedureStepEndTime = ""
    dataset.Modality = step.Modality
    dataset.StudyID = entry.get("RequestedProcedureID", "")
    dataset.PerformedProtocolCodeSequence = []
    dataset.PerformedSeriesSequence = []
    return dataset


def ended(
    entry: Dataset, *, at: datetime, images: int = 1, reason: tuple[str, str] | None = None
) -> Dataset:
    """The last N-SET: completed, or discontinued for a ``reason`` of CID 9300 (code, meaning)."""
    dataset = Dataset()
    if "SpecificCharacterSet" in entry:
        dataset.SpecificCharacterSet = entry.SpecificCharacterSet
    dataset.PerformedProcedureStepStatus = "DISCONTINUED" if reason else "COMPLETED"
    dataset.PerformedProcedureStepEndDate = f"{at:%Y%m%d}"
    dataset.PerformedProcedureStepEndTime = f"{at:%H%M%S}"
    step = entry.ScheduledProcedureStepSequence[0]
    dataset.PerformedProtocolCodeSequence = step.get("ScheduledProtocolCodeSequence", [])
    dataset.PerformedSeriesSequence = [_series(step, images)]
    if reason:
        code = Dataset()
        code.CodeValue, code.CodeMeaning = reason
        code.CodingSchemeDesignator = "DCM"
        dataset.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code]
    return dataset


# Secondary Capture: a storage class every archive takes.
_IMAGE_SOP_CLASS = "1.2.840.10008.5.1.4.1.1.7"


def _series(step: Dataset, images: int) -> Dataset:
    series = Dataset()
    series.PerformingPhysicianName = step.get("ScheduledPerformingPhysicianName", "")
    series.ProtocolName = str(step.get("ScheduledProcedureStepDescription", "")) or "Standard"
    series.OperatorsName = ""
    series.SeriesInstanceUID = new_uid()
    series.SeriesDescription = ""
    series.RetrieveAETitle = ""
    series.ReferencedImageSequence = [_image() for _ in range(images)]
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    return series


def _image() -> Dataset:
    image = Dataset()
    image.ReferencedSOPClassUID = _IMAGE_SOP_CLASS
    image.ReferencedSOPInstanceUID = new_uid()
    return image
