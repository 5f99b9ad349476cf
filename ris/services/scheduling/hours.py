"""Opening hours, closures and downtime."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from ris.domain.errors import (
    InvalidValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.local_time import is_after
from ris.domain.resources import BeginDowntime, DowntimeBegun, DowntimeEnded, EndDowntime
from ris.domain.scheduling import (
    UNTIL_FURTHER_NOTICE,
    AddClosure,
    AppointmentStatus,
    Closed,
    ClosureAdded,
    ClosureKind,
    ClosureRemoved,
    ClosureReopened,
    HoursSet,
    RemoveClosure,
    SetResourceHours,
)
from ris.domain.values import require_text
from ris.models import (
    Booking,
    Closure,
    Resource,
    ResourceHours,
)
from ris.selectors.freeing import of_closure
from ris.services._context import Context
from ris.services.scheduling.freeing import note_freed
from ris.services.scheduling.resources import find_resource, lock

# What a closed room gets in the way of; who has been examined is through.
_AHEAD = [
    status.value
    for status in (AppointmentStatus.HELD, AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED)
]


def set_resource_hours(command: SetResourceHours, context: Context) -> None:
    resource = find_resource(command.resource)
    rows = sorted(command.hours, key=lambda row: row[:2])
    for weekday, opens, closes in rows:
        if not 0 <= weekday <= 6 or not is_after(closes, opens):
            raise InvalidValueError("hours close after they open", path="hours")
    for before, after in pairwise(rows):
        if before[0] == after[0] and is_after(before[2], after[1]):
            raise InvalidValueError("hours of one day overlap", path="hours")
    ResourceHours.objects.filter(resource=resource).delete()
    ResourceHours.objects.bulk_create(
        [
            ResourceHours(resource=resource, weekday=weekday, opens=opens, closes=closes)
            for weekday, opens, closes in rows
        ]
    )
    context.emit(HoursSet(resource=str(resource.public_id)), subject=resource)


def add_closure(command: AddClosure, context: Context) -> Closed:
    resource = _alone(command.resource)
    if command.end_at <= command.start_at:
        raise InvalidValueError("a closure ends after it starts", path="end_at")
    reason = _reason(command.reason)
    span = {"start_at": command.start_at, "end_at": command.end_at}
    if Closure.objects.filter(resource=resource, kind=ClosureKind.CLOSURE.value, **span).exists():
        # Sent once more, after Back say; opened again it would still be closed by the other.
        raise StateConflictError(f"{resource.name} is closed for that very time already")
    closure = Closure.objects.create(resource=resource, reason=reason, **span)
    inside = _inside(resource, closure.start_at, closure.end_at)
    context.emit(
        ClosureAdded(
            resource=str(resource.public_id),
            closure=closure.pk,
            bookings=inside,
            start_at=closure.start_at,
            end_at=closure.end_at,
        ),
        subject=resource,
    )
    return Closed(closure=closure.pk, bookings=inside)


def remove_closure(command: RemoveClosure, context: Context) -> None:
    closure = Closure.objects.select_related("resource").filter(pk=command.closure).first()
    if closure is None:
        raise UnknownKeyError("no such closure")
    resource = closure.resource
    note_freed(of_closure(closure, context.now), context)
    closure.delete()
    context.emit(
        ClosureRemoved(
            resource=str(resource.public_id),
            closure=command.closure,
            start_at=closure.start_at,
            end_at=closure.end_at,
        ),
        subject=resource,
    )


def reopen(
    closure: Closure, start_at: datetime, end_at: datetime, context: Context
) -> tuple[int, ...]:
    """Open a closure in that time; returns the closures of what lies outside and stays closed."""
    outside = [(closure.start_at, start_at), (end_at, closure.end_at)]
    left = [(begins, ends) for begins, ends in outside if begins < ends]
    if not left:
        remove_closure(RemoveClosure(closure=closure.pk), context)
        return ()
    resource = closure.resource
    # First what stays, so that only what is opened counts as free.
    rest = tuple(
        Closure.objects.create(
            resource=resource, start_at=begins, end_at=ends, reason=closure.reason
        ).pk
        for begins, ends in left
    )
    note_freed(of_closure(closure, context.now), context)
    key = closure.pk
    closure.delete()
    context.emit(
        ClosureReopened(
            resource=str(resource.public_id),
            closure=key,
            rest=rest,
            start_at=max(start_at, closure.start_at),
            end_at=min(end_at, closure.end_at),
        ),
        subject=resource,
    )
    return rest


def begin_downtime(command: BeginDowntime, context: Context) -> Closed:
    resource = _alone(command.resource)
    start_at = command.start_at or context.now
    end_at = command.end_at or UNTIL_FURTHER_NOTICE
    if end_at <= start_at:
        raise InvalidValueError("a downtime ends after it starts", path="end_at")
    going_on = _downtimes(resource, start_at)
    closure = (
        going_on[0]
        if going_on
        else Closure(resource=resource, kind=ClosureKind.DOWNTIME.value, start_at=start_at)
    )
    if going_on and end_at < closure.end_at:  # it works again earlier than was said
        note_freed(of_closure(closure, max(end_at, context.now)), context)
    closure.end_at = end_at
    closure.reason = _reason(command.reason)
    closure.save()
    inside = _inside(resource, max(closure.start_at, context.now), end_at)
    context.emit(
        DowntimeBegun(
            resource=str(resource.public_id),
            closure=closure.pk,
            start_at=closure.start_at,
            end_at=command.end_at,
            reason=closure.reason,
            bookings=inside,
        ),
        subject=resource,
    )
    return Closed(closure=closure.pk, bookings=inside)


def end_downtime(command: EndDowntime, context: Context) -> None:
    resource = _alone(command.resource)
    ended = []
    for closure in _downtimes(resource, context.now):
        ended.append(closure.pk)
        note_freed(of_closure(closure, context.now), context)
        if closure.start_at < context.now:
            closure.end_at = context.now
            closure.save(update_fields=["end_at"])
        else:
            closure.delete()
    if not ended:
        raise StateConflictError(f"{resource.name} is not down")
    context.emit(
        DowntimeEnded(resource=str(resource.public_id), closures=tuple(ended)), subject=resource
    )


def _alone(key: str) -> Resource:
    """The resource, locked: whoever books it meanwhile waits, and then sees that it is closed."""
    resource = find_resource(key)
    lock([resource])
    return resource


def _downtimes(resource: Resource, at: datetime) -> list[Closure]:
    """The downtimes that go on at a time."""
    return list(
        Closure.objects.filter(
            resource=resource, kind=ClosureKind.DOWNTIME.value, start_at__lte=at, end_at__gt=at
        ).order_by("start_at", "pk")
    )


def _reason(text: str) -> str:
    return require_text(text, path="reason", limit=200, name="reason")


def _inside(resource: Resource, start_at: datetime, end_at: datetime) -> int:
    """How many live bookings a closure lies over."""
    return Booking.objects.filter(
        resource=resource,
        live=True,
        appointment__status__in=_AHEAD,
        start_at__lt=end_at,
        end_at__gt=start_at,
    ).count()
