"""The operations that are served (FHIR R4 3.2): a row each; the CapabilityStatement lists them.

An operation has a module of its own here and a row in :data:`OPERATIONS`.
"""

from __future__ import annotations

from integration.fhir.operations import (
    book,
    events,
    everything,
    find_appointments,
    hold,
    match,
    subscription_status,
    validate,
)
from integration.fhir.operations.interface import Call, Operation, Result
from integration.fhir.outcome import HttpError

__all__ = ["OPERATIONS", "Call", "Operation", "Result", "find"]

OPERATIONS: tuple[Operation, ...] = (
    find_appointments.OPERATION,
    hold.OPERATION,
    book.OPERATION,
    everything.OPERATION,
    match.OPERATION,
    validate.OPERATION,
    subscription_status.OPERATION,
    events.OPERATION,
)


def find(name: str, kind: str, *, instance: bool) -> Operation:
    """The operation of this address; raises HttpError 404."""
    for each in OPERATIONS:
        where = each.on_instance if instance else each.on_type if kind else not each.types
        if each.name == name and where and (not kind or kind in each.types):
            return each
    place = f"{kind} {'resources' if instance else 'type'}" if kind else "the system"
    raise HttpError(404, "not-found", f"there is no operation ${name[:64]} on {place[:80]}")
