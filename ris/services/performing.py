"""Performed procedure steps: start, update, end, relink; and the state of the scheduled steps.

Step and performed step move in one transaction (PS3.4 F.7; IHE RAD TF-2 4.6, 4.7). A scanner is
never refused because of what we do not know: what fits no step is kept and shown as an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ris.domain.actors import Role
from ris.domain.errors import (
    DuplicateKeyError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.identifiers import require_uid
from ris.domain.orders import OPEN, STEP, StepStatus, StepTrigger
from ris.domain.performing import (
    INCORRECT_WORKLIST_ENTRY,
    PERFORMED_STEP,
    CompletePerformedStep,
    DiscontinuePerformedStep,
    DoseRecorded,
    Match,
    PerformedDetails,
    PerformedStatus,
    PerformedStepCompleted,
    PerformedStepDiscontinued,
    PerformedStepRelinked,
    PerformedStepStarted,
    PerformedStepUpdated,
    PerformedTrigger,
    RecordDose,
    RelinkPerformedStep,
    ScheduledReference,
    StartPerformedStep,
    UpdatePerformedStep,
    step_status_from,
)
from ris.domain.scheduling import APPOINTMENT, AppointmentStatus, AppointmentTrigger
from ris.domain.values import Code, Identifier
from ris.models import (
    DoseRecord,
    Order,
    Patient,
    PatientIdentifier,
    PerformedProcedureStep,
    PerformedSeries,
    ScheduledProcedureStep,
)
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._transition import move

# --- finding the scheduled steps a modality means


def find_steps(references: Sequence[ScheduledReference]) -> list[ScheduledProcedureStep]:
    """The steps named by the Scheduled Step Attributes Sequence, each item on its own (SPS-01).

    By, in this order: Study UID and step id; accession number and step id; accession number and
    procedure id; Study UID alone if that leaves one step.
    """
    found: dict[int, ScheduledProcedureStep] = {}
    for reference in references:
        for step in _find_by(reference):
            found[step.pk] = step
    return list(found.values())


def _find_by(reference: ScheduledReference) -> list[ScheduledProcedureStep]:
    rows = ScheduledProcedureStep.objects.select_related("procedure__order__patient")
    uid, accession = reference.study_instance_uid, reference.accession_number
    if uid and reference.step_id:
        steps = list(rows.filter(procedure__study_instance_uid=uid, step_id=reference.step_id))
        if steps:
            return steps
    if accession and reference.step_id:
        steps = list(
            rows.filter(procedure__order__accession_number=accession, step_id=reference.step_id)
        )
        if steps:
            return _if_one_order(steps)
    if accession and reference.procedure_id:
        steps = list(
            rows.filter(
                procedure__order__accession_number=accession,
                procedure__procedure_id=reference.procedure_id,
            )
        )
        if steps:
            return _only_one(_if_one_order(steps))
    if uid:
        return _only_one(list(rows.filter(procedure__study_instance_uid=uid)))
    return []


def _if_one_order(steps: list[ScheduledProcedureStep]) -> list[ScheduledProcedureStep]:
    """Two issuers may use one accession number; then it names nobody."""
    return steps if len({step.procedure.order_id for step in steps}) == 1 else []


def _only_one(steps: list[ScheduledProcedureStep]) -> list[ScheduledProcedureStep]:
    """The only step, or the only one still to be done; nothing if that leaves a choice."""
    if len(steps) <= 1:
        return steps
    pending = [step for step in steps if StepStatus(step.status) in OPEN]
    return pending if len(pending) == 1 else []


def _belongs(identifier: Identifier | None, patient: Patient) -> bool:
    """Whether the modality's patient is the step's; without a number nothing contradicts."""
    if identifier is None or not identifier.value:
        return True
    rows = PatientIdentifier.objects.filter(patient=patient, value=identifier.value)
    if identifier.issuer:
        rows = rows.filter(issuer__in=["", identifier.issuer])
    return rows.exists()


def _find_patient(identifier: Identifier | None) -> Patient | None:
    """The patient of an exam without step; only if the number leaves no choice."""
    if identifier is None or not identifier.value:
        return None
    rows = PatientIdentifier.objects.filter(value=identifier.value).select_related("patient")
    if identifier.issuer:
        rows = rows.filter(issuer=identifier.issuer)
    patients = {row.patient_id: row.patient for row in rows[:3]}
    return next(iter(patients.values())) if len(patients) == 1 else None


# --- start


def start_performed_step(command: StartPerformedStep, context: Context) -> str:
    uid = require_uid(command.sop_instance_uid, "(0000,1000)")
    if PerformedProcedureStep.objects.filter(sop_instance_uid=uid).exists():
        raise DuplicateKeyError("this SOP Instance UID is known already", path="(0000,1000)")
    steps = _steps_named(command.steps) if command.steps else find_steps(command.references)
    flags = list(command.flags)
    match = Match.MATCHED
    if not steps:
        named = any(r.step_id or r.accession_number or r.procedure_id for r in command.references)
        match = Match.UNMATCHED if named else Match.UNSCHEDULED
    elif any(
        not _belongs(command.patient_identifier, step.procedure.order.patient) for step in steps
    ):
        match = Match.MISMATCH
        flags.append("the patient is not the one of the scheduled step")
    orders = lock_orders(step.procedure.order_id for step in steps)
    steps = _reload(steps)
    if match is Match.MATCHED and all(s.status == StepStatus.CANCELED.value for s in steps):
        match = Match.UNMATCHED
        flags.append("the scheduled step had been canceled")
    linked = steps if match is Match.MATCHED else []
    performed = _create(command, uid, match, flags, orders if linked else [], context)
    performed.steps.set(linked)
    _replace_series(performed, command.details)
    for step in linked:
        if step.status == StepStatus.COMPLETED.value:
            performed.flags = [*performed.flags, "appended to a completed step"]
            performed.save(update_fields=["flags"])
        _bring_to_start(step, performed.started_at)
    context.emit(
        PerformedStepStarted(
            performed=str(performed.public_id),
            order=str(performed.order.public_id) if performed.order else "",
            steps=tuple(str(step.public_id) for step in linked),
            match=match.value,
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )
    return str(performed.public_id)


def _steps_named(public_ids: Sequence[str]) -> list[ScheduledProcedureStep]:
    keys = [public_key(public_id, "step") for public_id in public_ids]
    steps = list(
        ScheduledProcedureStep.objects.select_related("procedure__order__patient").filter(
            public_id__in=keys
        )
    )
    if len(steps) != len(set(keys)):
        raise UnknownKeyError("no such step")
    return steps


def _reload(steps: Sequence[ScheduledProcedureStep]) -> list[ScheduledProcedureStep]:
    """The steps as they are now that their orders are locked."""
    return list(
        ScheduledProcedureStep.objects.select_for_update(of=("self",))
        .select_related("procedure__order__patient", "appointment", "device")
        .filter(pk__in=[step.pk for step in steps])
        .order_by("id")
    )


def _create(
    command: StartPerformedStep,
    uid: str,
    match: Match,
    flags: list[str],
    orders: list[Order],
    context: Context,
) -> PerformedProcedureStep:
    order = orders[0] if orders else None
    identifier = command.patient_identifier
    details = command.details
    study_uid = next((r.study_instance_uid for r in command.references if r.study_instance_uid), "")
    return PerformedProcedureStep.objects.create(
        sop_instance_uid=uid,
        match=match.value,
        origin=command.origin.value,
        order=order,
        patient=order.patient if order else _find_patient(identifier),
        started_at=command.started_at,
        ended_at=None,
        station_ae_title=command.station_ae_title[:16],
        station_name=command.station_name[:16],
        location=command.location[:16],
        modality=command.modality[:16],
        performed_step_id=command.performed_step_id[:64],
        study_id=command.study_id[:64],
        study_instance_uid=study_uid,
        patient_identifier=identifier.value if identifier else "",
        patient_issuer=identifier.issuer if identifier else "",
        patient_name=command.patient_name,
        patient_birth_date=command.patient_birth_date,
        references=[
            {
                "study_instance_uid": r.study_instance_uid,
                "accession_number": r.accession_number,
                "procedure_id": r.procedure_id,
                "step_id": r.step_id,
            }
            for r in command.references
        ],
        description=(details.description or "")[:200],
        procedure_codes=[code.as_json() for code in details.procedure_codes or ()],
        protocol_codes=[code.as_json() for code in details.protocol_codes or ()],
        comments=details.comments or "",
        dataset=command.dataset,
        flags=flags,
    )


def _replace_series(performed: PerformedProcedureStep, details: PerformedDetails) -> None:
    """A sequence replaces the stored one whole (PS3.4 F.7.2.2.2)."""
    if details.series is None:
        return
    performed.series.all().delete()
    unique = {series.series_instance_uid: series for series in details.series}
    PerformedSeries.objects.bulk_create(
        [
            PerformedSeries(
                performed=performed,
                series_instance_uid=series.series_instance_uid,
                protocol_name=series.protocol_name[:64],
                description=series.description[:64],
                modality=series.modality[:16],
                retrieve_ae_title=series.retrieve_ae_title[:16],
                performing_physician=series.performing_physician[:324],
                operators=list(series.operators),
                instance_count=series.instance_count,
            )
            for series in unique.values()
        ]
    )


# --- the scheduled step follows


def _bring_to_start(step: ScheduledProcedureStep, at: datetime) -> None:
    """Take a step to STARTED by the transitions there are, whatever it was."""
    status = StepStatus(step.status)
    if status in {StepStatus.STARTED, StepStatus.CANCELED}:
        return
    if status in {StepStatus.COMPLETED, StepStatus.DISCONTINUED}:
        move(step, STEP, StepTrigger.REVERT)  # appended to what was done before
    elif status in {StepStatus.PENDING, StepStatus.NO_SHOW}:
        if step.start_at is None:
            step.start_at = at  # a walk-in: scheduled the moment it begins
        move(step, STEP, StepTrigger.SCHEDULE, "start_at")
    step.status_before_start = status.value if status in _BEFORE_START else step.status
    move(step, STEP, StepTrigger.START, "status_before_start")
    appointment = step.appointment
    if appointment is not None and appointment.status == AppointmentStatus.BOOKED.value:
        appointment.arrived_at = at
        move(appointment, APPOINTMENT, AppointmentTrigger.ARRIVE, "arrived_at")


_BEFORE_START = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY})


def _follow(step: ScheduledProcedureStep) -> None:
    """Give a step the state that follows from all that was performed for it (SPS-03)."""
    status = step_status_from(
        PerformedStatus(value)
        for value in step.performed.exclude(match=Match.QUARANTINED.value).values_list(
            "status", flat=True
        )
    )
    current = StepStatus(step.status)
    if status is None or current is StepStatus.CANCELED:
        return
    if status is not current and current in {StepStatus.COMPLETED, StepStatus.DISCONTINUED}:
        move(step, STEP, StepTrigger.REVERT)
        move(step, STEP, StepTrigger.START)
    if status is StepStatus.COMPLETED and step.status == StepStatus.STARTED.value:
        move(step, STEP, StepTrigger.COMPLETE)
    elif status is StepStatus.DISCONTINUED and step.status == StepStatus.STARTED.value:
        move(step, STEP, StepTrigger.DISCONTINUE)
    if step.status in {StepStatus.COMPLETED.value, StepStatus.DISCONTINUED.value}:
        appointment = step.appointment
        if appointment is not None and appointment.status == AppointmentStatus.ARRIVED.value:
            move(appointment, APPOINTMENT, AppointmentTrigger.FULFILL)


def _take_back(step: ScheduledProcedureStep) -> None:
    """Return a step to what it was before it was started by mistake (SPS-04)."""
    before = StepStatus(step.status_before_start or StepStatus.SCHEDULED.value)
    move(step, STEP, StepTrigger.REVERT)
    if before in {StepStatus.ARRIVED, StepStatus.READY}:
        move(step, STEP, StepTrigger.ARRIVE)
    if before is StepStatus.READY:
        move(step, STEP, StepTrigger.PREPARE)


# --- update and end


def _lock_performed(sop_instance_uid: str) -> PerformedProcedureStep:
    order_ids = list(
        PerformedProcedureStep.objects.filter(
            sop_instance_uid=sop_instance_uid, steps__isnull=False
        ).values_list("steps__procedure__order_id", flat=True)
    )
    lock_orders(order_ids)
    performed = (
        PerformedProcedureStep.objects.select_for_update(of=("self",))
        .select_related("order__patient", "patient")
        .filter(sop_instance_uid=sop_instance_uid)
        .first()
    )
    if performed is None:
        raise UnknownKeyError("no performed step with this SOP Instance UID", path="(0000,1001)")
    return performed


_DETAIL_FIELDS = (
    "ended_at",
    "description",
    "procedure_codes",
    "protocol_codes",
    "comments",
    "discontinuation_reason",
    "dataset",
    "flags",
)


def _apply(
    performed: PerformedProcedureStep,
    details: PerformedDetails,
    dataset: dict[str, Any],
    flags: Sequence[str],
) -> None:
    if performed.status != PerformedStatus.IN_PROGRESS.value:
        raise StateConflictError(
            "performed procedure step may no longer be updated",
            path="(0040,0252)",
            details={"final": True},
        )
    added = list(flags)
    if details.ended_at is not None:
        performed.ended_at = max(details.ended_at, performed.started_at)
        if details.ended_at < performed.started_at:
            added.append("the end time sent was before the start time")
    if details.description is not None:
        performed.description = details.description[:200]
    if details.procedure_codes is not None:
        performed.procedure_codes = [code.as_json() for code in details.procedure_codes]
    if details.protocol_codes is not None:
        performed.protocol_codes = [code.as_json() for code in details.protocol_codes]
    if details.comments is not None:
        performed.comments = details.comments
    if details.discontinuation_reason is not None:
        performed.discontinuation_reason = details.discontinuation_reason.as_json()
    performed.dataset = {**performed.dataset, **dataset}
    performed.flags = list(dict.fromkeys([*performed.flags, *added]))
    _replace_series(performed, details)


def update_performed_step(command: UpdatePerformedStep, context: Context) -> None:
    performed = _lock_performed(command.sop_instance_uid)
    _apply(performed, command.details, command.dataset, command.flags)
    move(performed, PERFORMED_STEP, PerformedTrigger.UPDATE, *_DETAIL_FIELDS)
    context.emit(
        PerformedStepUpdated(
            performed=str(performed.public_id),
            order=str(performed.order.public_id) if performed.order else "",
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )


def complete_performed_step(command: CompletePerformedStep, context: Context) -> None:
    performed = _lock_performed(command.sop_instance_uid)
    _apply(performed, command.details, command.dataset, command.flags)
    if performed.ended_at is None:
        performed.ended_at = max(context.now, performed.started_at)
    move(performed, PERFORMED_STEP, PerformedTrigger.COMPLETE, *_DETAIL_FIELDS)
    steps = _reload(list(performed.steps.all()))
    for step in steps:
        _follow(step)
        _note_end(step, performed.ended_at)
    context.emit(
        PerformedStepCompleted(
            performed=str(performed.public_id),
            order=str(performed.order.public_id) if performed.order else "",
            steps=tuple(str(step.public_id) for step in steps),
            all_done=_all_done(performed.order),
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )


def discontinue_performed_step(command: DiscontinuePerformedStep, context: Context) -> None:
    performed = _lock_performed(command.sop_instance_uid)
    _apply(performed, command.details, command.dataset, command.flags)
    if performed.ended_at is None:
        performed.ended_at = max(context.now, performed.started_at)
    move(performed, PERFORMED_STEP, PerformedTrigger.DISCONTINUE, *_DETAIL_FIELDS)
    reason = Code.from_json(performed.discontinuation_reason)
    steps = _reload(list(performed.steps.all()))
    if reason.value == INCORRECT_WORKLIST_ENTRY:
        performed.match = Match.QUARANTINED.value
        performed.save(update_fields=["match"])
        for step in steps:
            if step.performed.exclude(pk=performed.pk).exists():
                _follow(step)
            elif step.status == StepStatus.STARTED.value:
                _take_back(step)
    else:
        for step in steps:
            _follow(step)
            _note_end(step, performed.ended_at)
    context.emit(
        PerformedStepDiscontinued(
            performed=str(performed.public_id),
            order=str(performed.order.public_id) if performed.order else "",
            steps=tuple(str(step.public_id) for step in steps),
            reason=reason.value,
            all_done=_all_done(performed.order),
        ),
        subject=performed,
        order=performed.order,
        patient=performed.patient,
    )


def _note_end(step: ScheduledProcedureStep, ended_at: datetime) -> None:
    procedure = step.procedure
    if procedure.performed_at is None or procedure.performed_at < ended_at:
        procedure.performed_at = ended_at
        procedure.save(update_fields=["performed_at", "updated_at"])


def _all_done(order: Order | None) -> bool:
    if order is None:
        return False
    open_states = [status.value for status in OPEN]
    return not ScheduledProcedureStep.objects.filter(
        procedure__order=order, status__in=open_states
    ).exists()


# --- corrections and dose


def relink_performed_step(command: RelinkPerformedStep, context: Context) -> None:
    performed = (
        PerformedProcedureStep.objects.filter(
            public_id=public_key(command.performed, "performed step")
        )
        .prefetch_related("steps")
        .first()
    )
    if performed is None:
        raise UnknownKeyError("no such performed step")
    if not command.reason.strip():
        raise MissingValueError("a correction needs a reason", path="reason")
    before = list(performed.steps.all())
    after = _steps_named(command.steps)
    lock_orders([step.procedure.order_id for step in [*before, *after]])
    performed = PerformedProcedureStep.objects.select_for_update(of=("self",)).get(pk=performed.pk)
    if len({step.procedure.order.patient_id for step in after}) > 1:
        raise StateConflictError("these steps belong to different patients")
    order = after[0].procedure.order if after else None
    performed.steps.set(after)
    performed.order = order
    performed.patient = order.patient if order else performed.patient
    performed.match = Match.MATCHED.value if after else Match.UNMATCHED.value
    performed.resolved_note = command.reason[:500] if after else ""
    performed.resolved_at = context.now if after else None
    performed.save()
    for step in _reload(before):
        if step.pk in {kept.pk for kept in after}:
            continue
        if step.performed.exists():
            _follow(step)
        elif StepStatus(step.status) in {
            StepStatus.STARTED,
            StepStatus.COMPLETED,
            StepStatus.DISCONTINUED,
        }:
            _take_back(step)
    for step in _reload(after):
        _bring_to_start(step, performed.started_at)
        _follow(step)
        if performed.ended_at is not None:
            _note_end(step, performed.ended_at)
    context.emit(
        PerformedStepRelinked(
            performed=str(performed.public_id),
            order=str(order.public_id) if order else "",
            steps=tuple(str(step.public_id) for step in after),
            previous_steps=tuple(str(step.public_id) for step in before),
            reason=command.reason,
        ),
        subject=performed,
        order=order,
        patient=performed.patient,
    )


def record_dose(command: RecordDose, context: Context) -> str:
    known = DoseRecord.objects.filter(source_uid=command.source_uid).first()
    if known is not None:
        return str(known.public_id)  # the same source is never counted twice (DOSE-04)
    performed = (
        PerformedProcedureStep.objects.select_related("order__patient")
        .filter(study_instance_uid=command.study_instance_uid)
        .order_by("-id")
        .first()
    )
    dose = DoseRecord.objects.create(
        study_instance_uid=require_uid(command.study_instance_uid, "(0020,000D)"),
        performed=performed,
        source=command.source,
        source_uid=require_uid(command.source_uid, "(0008,0018)"),
        kind=command.kind,
        quantities=command.quantities,
    )
    order = performed.order if performed else None
    context.emit(
        DoseRecorded(
            performed=str(performed.public_id) if performed else "",
            order=str(order.public_id) if order else "",
            dose=str(dose.public_id),
        ),
        subject=dose,
        order=order,
    )
    return str(dose.public_id)


HANDLERS = {
    StartPerformedStep: start_performed_step,
    UpdatePerformedStep: update_performed_step,
    CompletePerformedStep: complete_performed_step,
    DiscontinuePerformedStep: discontinue_performed_step,
    RelinkPerformedStep: relink_performed_step,
    RecordDose: record_dose,
}

_ROOM = {Role.TECHNOLOGIST, Role.MODALITY, Role.SYSTEM}

PERMISSIONS = {
    StartPerformedStep: _ROOM,
    UpdatePerformedStep: _ROOM,
    CompletePerformedStep: _ROOM,
    DiscontinuePerformedStep: _ROOM,
    RelinkPerformedStep: {Role.TECHNOLOGIST, Role.ADMIN, Role.SYSTEM},
    RecordDose: _ROOM,
}
