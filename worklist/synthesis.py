"""MPPS messages for what no modality said: an exam begun or ended by a person, or by the clock.

Made of what is known here, with every type 1 and 2 attribute of PS3.4 Table F.7.2-1; what the
modality did say (DICOM JSON, as stored) stands over what we would say ourselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from ris.domain.errors import MissingValueError
from ris.domain.identifiers import new_uid
from ris.domain.performing import PerformedStatus
from ris.selectors.performed_messages import PerformedRecord
from ris.selectors.views import OrderView, ProcedureView, SeriesView, StepView
from worklist import charset, retrieval
from worklist.building import codes, elements
from worklist.dicom_json import Json
from worklist.elements import tag_of
from worklist.mpps_attributes import PERFORMED
from worklist.raw import StoredRequest
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN, MODALITY_PERFORMED_PROCEDURE_STEP

_SCHEDULED = "ScheduledStepAttributesSequence"
_SERIES = "PerformedSeriesSequence"
_STATUS = "PerformedProcedureStepStatus"
_REASON = "PerformedProcedureStepDiscontinuationReasonCodeSequence"
_ENDS = {
    "PerformedStepCompleted": PerformedStatus.COMPLETED,
    "PerformedStepDiscontinued": PerformedStatus.DISCONTINUED,
}


def n_create(
    record: PerformedRecord, orders: Sequence[OrderView], _: str, zone: tzinfo, character_set: str
) -> StoredRequest:
    """The N-CREATE that begins it; raises MissingValueError if there is no study to name."""
    view = record.view
    patient = orders[0].patient if orders else None
    known = [row for order in orders for row in _steps(order, record)]
    begun = view.started_at.astimezone(zone)
    said = elements(
        {
            _SCHEDULED: _scheduled(record, known),
            "PatientName": str(patient.name) if patient else "",
            "PatientID": patient.identifier.value if patient else "",
            "PatientBirthDate": patient.birth_date.dicom if patient else "",
            "PatientSex": patient.sex.value if patient and patient.sex.value in "MFO" else "",
            "IssuerOfPatientID": patient.identifier.issuer if patient else None,
            "ReferencedPatientSequence": [],
            "PerformedProcedureStepID": view.performed_step_id or _short_id(view.public_id),
            "PerformedStationAETitle": view.station_ae_title,
            "PerformedStationName": view.station_name,
            "PerformedLocation": record.location,
            "PerformedProcedureStepStartDate": f"{begun:%Y%m%d}",
            "PerformedProcedureStepStartTime": f"{begun:%H%M%S}",
            "PerformedProcedureStepDescription": view.description,
            "PerformedProcedureTypeDescription": "",
            "ProcedureCodeSequence": codes(record.procedure_codes),
            "Modality": view.modality or next((step.modality for _, _, step in known), ""),
            "StudyID": record.study_id or next((row.procedure_id for _, row, _ in known), ""),
            "PerformedProtocolCodeSequence": [],
            _SERIES: [],
        }
    )
    # An N-CREATE says nothing of the end yet, whatever was said since.
    started = elements(
        {
            _STATUS: PerformedStatus.IN_PROGRESS.value,
            "PerformedProcedureStepEndDate": "",
            "PerformedProcedureStepEndTime": "",
        }
    )
    of_the_end = {f"{tag_of(_REASON):08X}", f"{tag_of(_SERIES):08X}"}
    before = {tag: element for tag, element in record.dataset.items() if tag not in of_the_end}
    return _request("N-CREATE", record, {**said, **before, **started}, character_set)


def n_set(
    record: PerformedRecord,
    orders: Sequence[OrderView],
    event: str,
    zone: tzinfo,
    character_set: str,
) -> StoredRequest:
    """The N-SET of an update or of the end."""
    view = record.view
    status = _ENDS.get(event, PerformedStatus.IN_PROGRESS)
    said: dict[str, Any] = {
        _STATUS: status.value,
        "PerformedProcedureStepDescription": view.description,
        "ProcedureCodeSequence": codes(record.procedure_codes),
        "PerformedProtocolCodeSequence": codes(view.protocol_codes),
    }
    if record.comments:
        said["CommentsOnThePerformedProcedureStep"] = record.comments
    if event in _ENDS:
        ended = (view.ended_at or view.started_at).astimezone(zone)
        said["PerformedProcedureStepEndDate"] = f"{ended:%Y%m%d}"
        said["PerformedProcedureStepEndTime"] = f"{ended:%H%M%S}"
        said[_SERIES] = [_one_series(one) for one in view.series] or [_no_images(record, orders)]
        reason = view.discontinuation_reason
        if status is PerformedStatus.DISCONTINUED and reason.value:
            said[_REASON] = codes([reason])
    changeable = {f"{row.tag:08X}" for row in PERFORMED if not row.within and row.set == "3"}
    by_modality = {
        tag: element
        for tag, element in record.dataset.items()
        if tag in changeable and tag not in _OURS and element.get("Value")
    }
    return _request("N-SET", record, {**elements(said), **by_modality}, character_set)


# Of these the core knows better than what a modality said last.
_OURS = frozenset(
    f"{tag_of(keyword):08X}"
    for keyword in (
        _STATUS, _REASON, "PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime",
    )
)  # fmt: skip


def _request(
    operation: str, record: PerformedRecord, data: Mapping[str, Any], character_set: str
) -> StoredRequest:
    sets = charset.candidates((), (character_set,) if character_set else ())
    return StoredRequest(
        operation,
        MODALITY_PERFORMED_PROCEDURE_STEP,
        record.view.sop_instance_uid,
        EXPLICIT_VR_LITTLE_ENDIAN,
        record.view.station_ae_title,
        retrieval.encode(dict(sorted(data.items())), EXPLICIT_VR_LITTLE_ENDIAN, sets),
    )


# --- parts


def _steps(
    order: OrderView, record: PerformedRecord
) -> list[tuple[OrderView, ProcedureView, StepView]]:
    return [
        (order, procedure, step)
        for procedure in order.procedures
        for step in procedure.steps
        if step.public_id in record.view.steps
    ]


def _scheduled(
    record: PerformedRecord, known: Sequence[tuple[OrderView, ProcedureView, StepView]]
) -> list[Json]:
    if known:
        return [_scheduled_item(*row) for row in known]
    study = record.view.study_instance_uid
    if not study:
        raise MissingValueError(
            "an exam without a study cannot be said as MPPS", path="(0020,000D)"
        )
    empty = {
        row.keyword: [] if row.vr == "SQ" else ""
        for row in PERFORMED
        if row.within == _SCHEDULED and row.create == "2"
    }
    return [elements({"StudyInstanceUID": study, **empty})]


def _scheduled_item(order: OrderView, procedure: ProcedureView, step: StepView) -> Json:
    return elements(
        {
            "StudyInstanceUID": procedure.study_instance_uid,
            "ReferencedStudySequence": [],
            "AccessionNumber": order.accession.value,
            "RequestedProcedureID": procedure.procedure_id,
            "RequestedProcedureDescription": procedure.description or procedure.code.meaning,
            "ScheduledProcedureStepID": step.step_id,
            "ScheduledProcedureStepDescription": step.description,
            "ScheduledProtocolCodeSequence": codes(step.protocol_codes),
        }
    )


def _one_series(series: SeriesView) -> Json:
    return elements(
        {
            "PerformingPhysicianName": series.performing_physician,
            "ProtocolName": series.protocol_name or series.description or "unknown",
            "OperatorsName": list(series.operators),
            "SeriesInstanceUID": series.series_instance_uid,
            "SeriesDescription": series.description,
            "RetrieveAETitle": series.retrieve_ae_title,
            "ReferencedImageSequence": [],
            "ReferencedNonImageCompositeSOPInstanceSequence": [],
        }
    )


def _no_images(record: PerformedRecord, orders: Sequence[OrderView]) -> Json:
    """The one series that every end must have, of an exam whose images nobody told us of.

    It names no image, which says that none is known (PS3.4 F.7.2.2.2).
    """
    known = [row for order in orders for row in _steps(order, record)]
    protocol = next((step.description for _, _, step in known if step.description), "")
    return _one_series(
        SeriesView(
            series_instance_uid=new_uid(),
            protocol_name=record.view.description or protocol,
            description="",
            modality=record.view.modality,
            retrieve_ae_title="",
            performing_physician="",
            operators=(),
            instance_count=0,
        )
    )


def _short_id(public_id: str) -> str:
    """An SH of 16 characters that is as unique as the public id's random end."""
    return public_id.replace("-", "")[-16:].upper()
