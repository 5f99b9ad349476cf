"""Closing and opening time of our devices and rooms as another scheduler does on its own calendar.

Carried out by the functions of a click on a page. Nothing of a closure says who asked for it; the
event does, which is kept.
"""

from __future__ import annotations

from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.domain.resources import BlockedTime, FollowClosures
from ris.domain.scheduling import AddClosure, ClosureKind
from ris.models import Closure, DomainEvent, Resource, Room
from ris.services._context import Context
from ris.services.scheduling.following_where import active_devices, called
from ris.services.scheduling.hours import add_closure, reopen
from ris.services.scheduling.resources import lock


def follow_closures(command: FollowClosures, context: Context) -> tuple[int, ...]:
    found = [_resource(each, number) for number, each in enumerate(command.times, start=1)]
    lock(found)
    added: list[int] = []
    for number, (time, resource) in enumerate(zip(command.times, found, strict=True), start=1):
        if command.closed:
            added += _close(time, resource, command.reason, context)
        else:
            added += _open(time, resource, number, context)
    if found:
        context.about(found[0])
    return tuple(added)


def _resource(time: BlockedTime, number: int) -> Resource:
    """The device that is named, else the room. Raises UnknownKeyError, also if it could be two."""
    named = called(active_devices(), time.stations)
    path = f"times.{number}.name"
    if len(named) > 1:
        name = named[0].station_name
        raise UnknownKeyError(f"two devices go by the name {name}: name its AE title", path=path)
    if named:
        return named[0].resource
    rooms = {name.casefold() for name in time.rooms}
    for room in Room.objects.select_related("resource"):
        if room.name.casefold() in rooms:
            return room.resource
    kind = "device" if time.stations else "room"
    raise UnknownKeyError(f"no {kind} of ours goes by this name", path=path)


def _close(time: BlockedTime, resource: Resource, reason: str, context: Context) -> list[int]:
    """Once more the same is no second closure."""
    same = Closure.objects.filter(resource=resource, start_at=time.start_at, end_at=time.end_at)
    if same.exists():
        return []
    return [_add(time, resource, reason, context)]


def _add(time: BlockedTime, resource: Resource, reason: str, context: Context) -> int:
    command = AddClosure(
        resource=str(resource.public_id),
        start_at=time.start_at,
        end_at=time.end_at,
        reason=reason,
    )
    return add_closure(command, context).closure


def _open(time: BlockedTime, resource: Resource, number: int, context: Context) -> list[int]:
    """What was closed for this sender in that time; what lies outside of it stays closed."""
    closures = list(
        Closure.objects.select_related("resource")
        .filter(resource=resource, start_at__lt=time.end_at, end_at__gt=time.start_at)
        .order_by("start_at", "pk")
    )
    asked_for = _asked_for(resource, context)
    own = [
        each for each in closures if each.pk in asked_for and each.kind == ClosureKind.CLOSURE.value
    ]
    if closures and not own:
        reason = closures[0].reason or "no reason was given"
        raise StateConflictError(
            f"{resource.name} was closed here: {reason}", path=f"times.{number}.name"
        )
    added: list[int] = []
    for closure in own:
        added += reopen(closure, time.start_at, time.end_at, context)
    return added


def _asked_for(resource: Resource, context: Context) -> set[int]:
    """The closures that this sender asked for."""
    events = DomainEvent.objects.filter(
        subject_type="Resource",
        subject_id=str(resource.public_id),
        name__in=("ClosureAdded", "ClosureReopened"),
        actor_kind=context.actor.kind.value,
        actor_name=context.actor.name,
    )
    payloads = list(events.values_list("payload", flat=True))
    return {key for each in payloads for key in (each["closure"], *each.get("rest", ()))}
