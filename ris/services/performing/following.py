"""The scheduled steps follow what was performed for them (dicom.md SPS-01 to SPS-04)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ris.domain.orders import OPEN, STEP, StepStatus, StepTrigger
from ris.domain.performing import (
    Match,
    PerformedStatus,
    step_status_from,
)
from ris.domain.scheduling import APPOINTMENT, AppointmentStatus, AppointmentTrigger
from ris.models import (
    Order,
    ScheduledProcedureStep,
)
from ris.services._transition import move


def reload(steps: Sequence[ScheduledProcedureStep]) -> list[ScheduledProcedureStep]:
    """The steps as they are now that their orders are locked."""
    return list(
        ScheduledProcedureStep.objects.select_for_update(of=("self",))
        .select_related("procedure__order__patient", "appointment", "device")
        .filter(pk__in=[step.pk for step in steps])
        .order_by("id")
    )


def bring_to_start(step: ScheduledProcedureStep, at: datetime) -> None:
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


def follow(step: ScheduledProcedureStep) -> None:
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


def take_back(step: ScheduledProcedureStep) -> None:
    """Return a step to what it was before it was started by mistake (SPS-04)."""
    before = StepStatus(step.status_before_start or StepStatus.SCHEDULED.value)
    move(step, STEP, StepTrigger.REVERT)
    if before in {StepStatus.ARRIVED, StepStatus.READY}:
        move(step, STEP, StepTrigger.ARRIVE)
    if before is StepStatus.READY:
        move(step, STEP, StepTrigger.PREPARE)


def note_end(step: ScheduledProcedureStep, ended_at: datetime) -> None:
    procedure = step.procedure
    if procedure.performed_at is None or procedure.performed_at < ended_at:
        procedure.performed_at = ended_at
        procedure.save(update_fields=["performed_at", "updated_at"])


def all_done(order: Order | None) -> bool:
    if order is None:
        return False
    open_states = [status.value for status in OPEN]
    return not ScheduledProcedureStep.objects.filter(
        procedure__order=order, status__in=open_states
    ).exists()
