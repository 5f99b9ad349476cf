"""Opening hours and closures."""

from __future__ import annotations

from ris.domain.errors import (
    InvalidValueError,
    UnknownKeyError,
)
from ris.domain.scheduling import (
    AddClosure,
    ClosureAdded,
    ClosureRemoved,
    HoursSet,
    RemoveClosure,
    SetResourceHours,
)
from ris.models import (
    Closure,
    ResourceHours,
)
from ris.services._context import Context
from ris.services.scheduling.resources import find_resource


def set_resource_hours(command: SetResourceHours, context: Context) -> None:
    resource = find_resource(command.resource)
    ResourceHours.objects.filter(resource=resource).delete()
    for weekday, opens, closes in command.hours:
        if not 0 <= weekday <= 6 or closes <= opens:
            raise InvalidValueError("hours close after they open", path="hours")
        ResourceHours.objects.create(resource=resource, weekday=weekday, opens=opens, closes=closes)
    context.emit(HoursSet(resource=str(resource.public_id)), subject=resource)


def add_closure(command: AddClosure, context: Context) -> str:
    resource = find_resource(command.resource)
    if command.end_at <= command.start_at:
        raise InvalidValueError("a closure ends after it starts", path="end_at")
    closure = Closure.objects.create(
        resource=resource,
        start_at=command.start_at,
        end_at=command.end_at,
        reason=command.reason,
    )
    context.emit(
        ClosureAdded(resource=str(resource.public_id), closure=closure.pk), subject=resource
    )
    return str(closure.pk)


def remove_closure(command: RemoveClosure, context: Context) -> None:
    closure = Closure.objects.select_related("resource").filter(pk=command.closure).first()
    if closure is None:
        raise UnknownKeyError("no such closure")
    resource = closure.resource
    closure.delete()
    context.emit(
        ClosureRemoved(resource=str(resource.public_id), closure=command.closure),
        subject=resource,
    )
