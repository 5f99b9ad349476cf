"""The only place that assigns a status or a stage (DESIGN 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import BigIntegerField

from ris.domain.orders import ReportState, Stage, StepStatus, stage
from ris.domain.reporting import REPORT_STATE, ReportStatus
from ris.domain.states import StateMachine
from ris.models import InboundMessage, Report, RequestedProcedure, ScheduledProcedureStep
from ris.models.base import Versioned
from ris.models.prepared import Given, Select


def state_field(instance: Any) -> str:
    return "state" if hasattr(instance, "state") else "status"


def move(instance: Any, machine: StateMachine[Any, Any], trigger: Any, *fields: str) -> None:
    """Take ``instance`` through ``trigger``; saves the state and the named ``fields``.

    Raises IllegalTransitionError. A step or report recomputes the stage of its procedures.
    """
    field = state_field(instance)
    following = machine.next(machine.states(getattr(instance, field)), trigger)
    setattr(instance, field, following.value)
    touch(instance, field, *fields)
    if isinstance(instance, ScheduledProcedureStep):
        restage(instance.procedure)
    elif isinstance(instance, Report):
        for procedure in instance.procedures.all():
            restage(procedure)


def decide(instance: Any, machine: StateMachine[Any, Any], trigger: Any) -> None:
    """Take a row that is not stored yet through ``trigger``; its caller stores it.

    Raises IllegalTransitionError.
    """
    field = state_field(instance)
    following = machine.next(machine.states(getattr(instance, field)), trigger)
    setattr(instance, field, following.value)
    if isinstance(instance, Versioned):
        instance.version += 1


def set_first_stage(procedure: RequestedProcedure, steps: Sequence[ScheduledProcedureStep]) -> None:
    """The stage of a procedure that is not stored yet, from all the steps it will have."""
    states = [StepStatus(step.status) for step in steps]
    procedure.stage = stage(states, ReportState.NONE).value


def touch(instance: Any, *fields: str) -> None:
    """Save the named fields, and count the change where changes are counted.

    A new row is stored as it is by now, once.
    """
    names = [*fields, "updated_at"] if hasattr(instance, "updated_at") else [*fields]
    if isinstance(instance, Versioned):
        instance.version += 1
        names.append("version")
    instance.save(update_fields=None if instance._state.adding else names)


_STEPS = Select(
    lambda: ScheduledProcedureStep.objects.only("status").filter(
        procedure=Given("procedure", BigIntegerField())
    )
)
_REPORTS = Select(
    lambda: Report.objects.only("status").filter(procedures=Given("procedure", BigIntegerField()))
)


def restage(procedure: RequestedProcedure) -> None:
    """Store the stage that follows from the procedure's steps and report."""
    states = [StepStatus(step.status) for step in _STEPS.all(procedure=procedure.pk)]
    report = ReportState.NONE
    for one in _REPORTS.all(procedure=procedure.pk):
        state = REPORT_STATE[ReportStatus(one.status)]
        if state is not ReportState.NONE:
            report = state
    following: Stage = stage(states, report)
    if procedure.stage != following.value:
        procedure.stage = following.value
        procedure.save(update_fields=["stage", "updated_at"])


def set_reply_state(message: InboundMessage, value: str) -> None:
    """The reply axis of a message, for the caller to save with the rest.

    It has no table because its steps are the transport's.
    """
    message.reply_state = value
