"""Task: a scheduled step is put on hold, taken up again, or canceled.

A Task says what is to be done and shows how far it is. Of that a client changes where the order
state table has a change (rows 5, 6, 13 and 16). Everything else has a door of its own: time and
arrival the Appointment, what is asked for the ServiceRequest, what is performed the modality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integration.fhir import rows
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.writing.request import Writer
from ris.domain.commands import Command
from ris.domain.errors import DeniedError, RisError, SeveralErrors, StateConflictError
from ris.domain.orders import (
    CancelOrder,
    CancelStep,
    HoldOrder,
    OrderReference,
    ReleaseOrder,
    StepStatus,
)
from ris.selectors.search.views import StepHit
from ris.services.audit import record_access

PATH = "Task"
# What only the server says, whatever a client remembers, and what a change of the status is about.
_FREE = frozenset(
    {"meta", "text", "lastModified", "status", "statusReason", "businessStatus", "executionPeriod",
     "output"}
)  # fmt: skip
_OVER = frozenset({StepStatus.CANCELED, StepStatus.DISCONTINUED, StepStatus.COMPLETED})
_ELSEWHERE: Mapping[str, str] = {
    "ready": "the arrival is told by the Appointment (arrived)",
    "in-progress": "what is performed is told by the modality (MPPS)",
    "completed": "what is performed is told by the modality (MPPS)",
    "failed": "what is performed is told by the modality (MPPS)",
    "entered-in-error": "a mistake is revoked at the ServiceRequest",
}


class Tasks:
    """Changes of Task resources; steps come with their orders."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        raise HttpError(405, "not-supported", "Task resources come with a ServiceRequest")

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        datatypes.refuse_modifiers(resource, PATH)
        _refuse_others(resource, before)
        status, present = datatypes.text(resource, "status", PATH), before["status"]
        (hit,) = KINDS["Task"].finder.load([writer.public_id])
        if status == present:
            record_access(
                writer.actor,
                action="FHIR update Task",
                patients=[hit.order.patient.public_id],
                order=hit.order.public_id,
            )
            return
        changes: Mapping[str, Callable[[Writer, StepHit, str], Command[Any]]] = {
            "on-hold": _hold,
            "cancelled": _cancel,
            "rejected": _cancel,
        }
        change = changes.get(status)
        if present == "on-hold" and status in {"accepted", "ready"}:
            change = _release
        if change is None:
            raise _impossible(present, status)
        try:
            writer.execute(change(writer, hit, _reason(resource)))
        except StateConflictError as error:
            error.path = f"{PATH}.status"
            raise


def _refuse_others(resource: Json, before: Json) -> None:
    """What is left out is left alone: nothing of a step is emptied by a client."""
    faults: list[RisError] = [
        HttpError(
            422,
            "not-supported",
            "of a Task only the status is changed: the time at its Appointment, the rest at its "
            "ServiceRequest",
            path=f"{PATH}.{name}",
        )
        for name, value in resource.items()
        if name not in _FREE and value != before.get(name)
    ]
    if faults:
        raise SeveralErrors(faults)


def _impossible(present: str, status: str) -> RisError:
    if status in _ELSEWHERE:
        return HttpError(422, "business-rule", _ELSEWHERE[status], path=f"{PATH}.status")
    return StateConflictError(
        f"a Task that is {present} does not become {status}", path=f"{PATH}.status"
    )


def _reason(resource: Json) -> str:
    concept = datatypes.single(resource, "statusReason", PATH)
    return datatypes.words_of(concept, f"{PATH}.statusReason") if concept else ""


# --- the commands


def _cancel(writer: Writer, hit: StepHit, reason: str) -> Command[Any]:
    """The step alone, or the order if nothing would be left of it."""
    reason = reason or "canceled by the requester"
    if hit.step.status in _OVER or _others(hit):
        return CancelStep(step=hit.step.public_id, reason=reason)
    return CancelOrder(order=_order(writer, hit), reason=reason)


def _hold(writer: Writer, hit: StepHit, reason: str) -> Command[Any]:
    _require_alone(hit)
    return HoldOrder(order=_order(writer, hit), reason=reason)


def _release(writer: Writer, hit: StepHit, reason: str) -> Command[Any]:
    _require_alone(hit)
    return ReleaseOrder(order=_order(writer, hit))


def _others(hit: StepHit) -> list[str]:
    """The other steps of the order that were not given up."""
    return [
        step.public_id
        for procedure in hit.order.procedures
        for step in procedure.steps
        if step.public_id != hit.step.public_id and step.status is not StepStatus.CANCELED
    ]


def _require_alone(hit: StepHit) -> None:
    if _others(hit):
        raise HttpError(
            422,
            "business-rule",
            "an order is held with all its steps: change the status of its ServiceRequest",
            path=f"{PATH}.status",
        )


def _order(writer: Writer, hit: StepHit) -> OrderReference:
    """The order, by whoever may change it."""
    kind, key = KINDS["ServiceRequest"], hit.order.public_id
    if not writer.client.may(kind.name, "u"):
        raise DeniedError(f"this changes ServiceRequest/{key}: the scope to update it is needed")
    rows.require_write(writer.client, kind, key, "u", writer.message.reading)
    return OrderReference(public_id=key)
