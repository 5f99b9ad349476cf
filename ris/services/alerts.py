"""Alerts of connections: begun and ended by how they stand, acknowledged by people."""

from __future__ import annotations

from datetime import timedelta

from ris.domain.actors import TIMER, Role
from ris.domain.errors import MissingValueError, StateConflictError, UnknownKeyError
from ris.domain.interfaces import (
    AcknowledgeAlert,
    AlertAcknowledged,
    AlertEnded,
    AlertKind,
    AlertRaised,
    RaiseAlerts,
)
from ris.models import Counter, InterfaceAlert
from ris.selectors import interfaces
from ris.selectors.interface_faults import Wrong, faults
from ris.services import _clock
from ris.services._context import Context
from ris.services._execute import execute, transactional
from ris.services._locks import public_key
from ris.services._transition import touch

KEPT = timedelta(days=90)
Key = tuple[int | None, str]


def watch() -> None:
    """Compare what is wrong with what is known to be; called twice a minute."""
    found = _by_key(faults(_clock.now()))
    known = {(row.endpoint_id, row.kind) for row in interfaces.open_alerts()}
    if found.keys() != known:
        execute(RaiseAlerts(), actor=TIMER)
    if found:
        _note_seen(found)


def _by_key(found: list[Wrong]) -> dict[Key, Wrong]:
    return {(each.endpoint.pk if each.endpoint else None, each.kind.value): each for each in found}


@transactional
def _note_seen(found: dict[Key, Wrong]) -> None:
    """The numbers of an alert as they are now; no event, for it is the same alert."""
    now = _clock.now()
    for row in InterfaceAlert.objects.filter(ended_at=None):
        each = found.get((row.endpoint_id, row.kind))
        if each is not None:
            row.last_seen_at = now
            row.detail = each.detail[:200]
            touch(row, "last_seen_at", "detail")


def raise_alerts(command: RaiseAlerts, context: Context) -> int:
    Counter.objects.get_or_create(name="alerts")
    Counter.objects.select_for_update().get(name="alerts")  # one at a time
    found = _by_key(faults(context.now))
    changed = 0
    for row in interfaces.open_alerts():
        if found.pop((row.endpoint_id, row.kind), None) is not None:
            continue
        row.ended_at = context.now
        touch(row, "ended_at")
        changed += 1
        context.emit(
            AlertEnded(alert=str(row.public_id), kind=AlertKind(row.kind), endpoint=_name(row)),
            subject=row,
        )
    for each in found.values():
        row = InterfaceAlert.objects.create(
            endpoint=each.endpoint,
            kind=each.kind.value,
            detail=each.detail[:200],
            since=context.now,
            last_seen_at=context.now,
        )
        changed += 1
        context.emit(
            AlertRaised(
                alert=str(row.public_id), kind=each.kind, endpoint=_name(row), detail=row.detail
            ),
            subject=row,
        )
    InterfaceAlert.objects.filter(ended_at__lt=context.now - KEPT).delete()
    return changed


def _name(row: InterfaceAlert) -> str:
    return row.endpoint.name if row.endpoint else ""


def acknowledge_alert(command: AcknowledgeAlert, context: Context) -> None:
    if not command.note.strip():
        raise MissingValueError("say what is done about it", path="note")
    row = (
        InterfaceAlert.objects.select_for_update()
        .filter(public_id=public_key(command.alert, "alert"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such alert")
    if row.ended_at is not None:
        raise StateConflictError("it is over: what was wrong is mended")
    row.acknowledged_at = context.now
    row.acknowledged_by = (context.actor.display or context.actor.name)[:150]
    row.note = command.note.strip()[:500]
    touch(row, "acknowledged_at", "acknowledged_by", "note")
    context.emit(AlertAcknowledged(alert=str(row.public_id), note=row.note), subject=row)


HANDLERS = {RaiseAlerts: raise_alerts, AcknowledgeAlert: acknowledge_alert}

PERMISSIONS = {
    RaiseAlerts: {Role.SYSTEM},
    AcknowledgeAlert: {Role.ADMIN, Role.MANAGER, Role.SYSTEM},
}
