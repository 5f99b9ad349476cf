"""Another exam than was ordered: its steps are planned anew, as the catalog has it.

What hung on the former exam goes with it: modality, contrast, protocol, what a radiologist decided,
and a device that cannot do the new one. The time stays, and where the modality stays so does the
booking: how long it takes is the calendar's by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ris.domain.errors import StateConflictError
from ris.domain.orders import (
    OPEN,
    ProcedureRequest,
    StepRequest,
    StepStatus,
)
from ris.domain.places import Place
from ris.models import ProcedureDefinition, RequestedProcedure, ScheduledProcedureStep
from ris.services import protocoling
from ris.services._context import Context
from ris.services._transition import restage, touch
from ris.services.orders.ending import drop_step
from ris.services.orders.procedures import plan_step, store, wanted_steps
from ris.services.scheduling import calendar

_REASON = "another exam was ordered"
_HERE = frozenset({StepStatus.ARRIVED.value, StepStatus.READY.value})


def replan(
    procedure: RequestedProcedure,
    steps: Sequence[ScheduledProcedureStep],
    request: ProcedureRequest,
    wishes: Mapping[int, StepRequest],
    context: Context,
    *,
    wait_for_scheduler: bool,
) -> None:
    """Plan the steps of a procedure whose code was changed; none of them was started.

    A step that the new exam has more is added, one that it has not is canceled. ``wishes`` are
    what the request says of steps, by their keys; of these only modality, time and station are
    looked at here.
    """
    definition = procedure.definition
    wanted = wanted_steps(request, definition)
    live = [step for step in steps if StepStatus(step.status) in OPEN]
    for position, step in enumerate(live):
        step.procedure = procedure  # as it is now
        wish = wishes.get(step.pk, StepRequest())
        if definition is not None and position >= len(wanted):
            drop_step(step, _REASON, context)
            continue
        _plan(step, wish, definition, position)
        _place(step, wish, context, wait_for_scheduler=wait_for_scheduler)
    if definition is not None and live:
        more = range(len(live), len(wanted))
        store([plan_step(procedure, wanted[at], definition, at) for at in more])
        restage(procedure)
    protocoling.begin_anew(procedure, _REASON, context)


def _plan(
    step: ScheduledProcedureStep,
    wish: StepRequest,
    definition: ProcedureDefinition | None,
    position: int,
) -> None:
    planned = plan_step(step.procedure, replace(wish, step_id=step.step_id), definition, position)
    step.modality = planned.modality or step.modality
    step.description = planned.description
    step.protocol_codes = planned.protocol_codes
    step.contrast_agent = planned.contrast_agent
    step.pre_medication = ""
    fields = ["modality", "description", "protocol_codes", "contrast_agent", "pre_medication"]
    if step.start_at is None or not _can_be_done(step):
        step.duration_minutes = planned.duration_minutes
        fields.append("duration_minutes")
    touch(step, *fields)


def _can_be_done(step: ScheduledProcedureStep) -> bool:
    """Whether it is booked where its modality is; a station that nobody knows may be any."""
    return step.device is None or step.device.modality == step.modality


def _place(
    step: ScheduledProcedureStep, wish: StepRequest, context: Context, *, wait_for_scheduler: bool
) -> None:
    """Have it at its time on a device that can do it; where there is none it waits."""
    if step.start_at is not None and _can_be_done(step):
        return
    if step.status in _HERE:
        raise StateConflictError(
            "the patient is here already: an exam of another modality is a new order",
            path=Place.CODE,
        )
    present = step.appointment
    if step.start_at is None and present is not None:
        calendar.let_go(present, _REASON)
        step.appointment = None
    step.wished_at = wish.start_at or step.start_at or step.wished_at
    station = wish.station_ae_title
    is_shared = present is not None and present.steps.exclude(pk=step.pk).exists()
    booked = step.start_at is not None
    if booked and (wait_for_scheduler or is_shared or not calendar.has_place_for(step, station)):
        calendar.give_time_back(step, _REASON, context)
    step.station_ae_title = station
    touch(step, "wished_at", "station_ae_title", "appointment")
    if step.wished_at is not None and step.modality and not wait_for_scheduler:
        calendar.schedule_as_ordered(step, context, station=station)
