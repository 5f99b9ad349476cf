"""The only place that assigns a status or a stage (DESIGN 6)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from ris.domain.orders import ReportState, Stage, StepStatus, stage
from ris.domain.reporting import REPORT_STATE, ReportStatus
from ris.domain.states import StateMachine
from ris.models import InboundMessage, Report, RequestedProcedure, ScheduledProcedureStep, driver
from ris.models.base import Versioned
from ris.models.driver import Text


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


@cache
def _staging(vendor: str) -> Text:
    """The states of a procedure's steps and of its reports, told apart by the first column."""
    return Text(
        "SELECT 0, s.status FROM ris_scheduledprocedurestep s WHERE s.procedure_id = %s"
        " UNION ALL SELECT 1, r.status FROM ris_report r"
        " JOIN ris_report_procedures p ON p.report_id = r.id WHERE p.requestedprocedure_id = %s",
        vendor,
    )


def restage(procedure: RequestedProcedure) -> None:
    """Store the stage that follows from the procedure's steps and report."""
    connection = driver.here()
    states: list[StepStatus] = []
    report = ReportState.NONE
    text = _staging(connection.vendor)
    for is_report, status in driver.rows(connection, text, [procedure.pk, procedure.pk]):
        if not is_report:
            states.append(StepStatus(status))
        elif (state := REPORT_STATE[ReportStatus(status)]) is not ReportState.NONE:
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
