"""A changed mapping over what came, or what was sent: what would be otherwise; nothing is changed.

Both mappings are run over the same messages. What came is read, and not applied. What was sent is
written anew from the events it told of, as things are now, and not queued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Any

from ris.domain.actors import Actor
from ris.domain.errors import RisError
from ris.models import Delivery, DomainEvent
from ris.selectors.mapping import MappedEndpoint, mapped_endpoint, stored_messages
from ris.services._edges import PROTOCOLS
from ris.services._execute import undone
from ris.services._writing import stored
from ris.services.audit import record_access
from ris.services.rehearsal import Fault, Understanding, rehearsal_of, require_may_try

MOST_MESSAGES = 1_000
MAX_SECONDS = 20.0
_CHUNK = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """One stored message that would be read otherwise."""

    message: str
    received_at: datetime
    message_type: str
    key: str
    kind: str  # "fails", "passes", "differs"
    lines: tuple[str, ...]
    is_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a changed mapping would do to messages that came; ``before`` goes on from here."""

    checked: int
    same: int
    differing: tuple[Differs, ...]
    before: int | None  # None: there are no more, or enough was looked at
    seconds: float

    @property
    def failing(self) -> int:
        return sum(each.kind == "fails" for each in self.differing)

    @property
    def passing(self) -> int:
        return sum(each.kind == "passes" for each in self.differing)


def dry_run(
    actor: Actor,
    endpoint: str,
    content: Mapping[str, Any],
    *,
    limit: int = MOST_MESSAGES,
    before: int | None = None,
    seconds: float = MAX_SECONDS,
    progress: Callable[[int], None] | None = None,
) -> DryRun:
    """Read the endpoint's newest messages with the mapping in force and with another one.

    Nothing is applied, so what depends on what is stored (an unknown order) is not found out. Stops
    when the time is over and says where to go on.
    """
    require_may_try(actor)
    found = mapped_endpoint(endpoint)
    rehearsal = rehearsal_of(found.protocol)
    reading = rehearsal.reading if found.is_in else rehearsal.writing
    old, new = reading(found.info, found.content), reading(found.info, content)
    started = monotonic()
    differing: list[Differs] = []
    patients: set[str] = set()  # whose values are shown
    checked, last, over = 0, before, False
    for message in _messages(found, max(0, min(limit, MOST_MESSAGES)), before):
        difference = _compare(old(message.raw), new(message.raw))
        if difference is not None:
            kind, lines = difference
            patients |= {message.patient} if message.patient else set()
            differing.append(
                Differs(
                    message=message.public_id,
                    received_at=message.at,
                    message_type=message.message_type,
                    key=message.key,
                    kind=kind,
                    lines=lines,
                    is_out=not found.is_in,
                )
            )
        checked, last = checked + 1, message.number
        if progress is not None:
            progress(checked)
        if monotonic() - started > seconds:
            over = True
            break
    record_access(
        actor,
        action="DryRunMapping",
        patients=sorted(patients),
        subject=f"Endpoint {found.name}",
        detail={"messages": checked, "differing": len(differing)},
    )
    return DryRun(
        checked=checked,
        same=checked - len(differing),
        differing=tuple(differing),
        before=last if over else None,
        seconds=round(monotonic() - started, 1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """One message to run both mappings over; ``number`` counts upward with time."""

    number: int
    public_id: str
    at: datetime
    message_type: str
    key: str
    patient: str
    raw: bytes


def _messages(endpoint: MappedEndpoint, limit: int, before: int | None) -> Iterator[_Message]:
    """The newest first, in chunks: all of them together may be large."""
    fetch = _received if endpoint.is_in else _sent
    while limit > 0:
        chunk = fetch(endpoint, min(_CHUNK, limit), before)
        if not chunk:
            return
        yield from chunk
        limit, before = limit - len(chunk), chunk[-1].number


def _received(endpoint: MappedEndpoint, limit: int, before: int | None) -> list[_Message]:
    return [
        _Message(
            number=row.number,
            public_id=row.public_id,
            at=row.received_at,
            message_type=row.message_type,
            key=row.key,
            patient=row.patient,
            raw=row.raw,
        )
        for row in stored_messages(endpoint.public_id, limit, before=before)
    ]


def _sent(endpoint: MappedEndpoint, limit: int, before: int | None) -> list[_Message]:
    """What was queued for it because something happened, as it would be written without rules."""
    rows = Delivery.objects.filter(endpoint_id=endpoint.info.id, event__isnull=False)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    rows = rows.select_related("event__order", "event__patient").order_by("-id")
    return [
        _Message(
            number=row.pk,
            public_id=str(row.public_id),
            at=row.created_at,
            message_type=row.message_type,
            key=row.control_id,
            patient=str(row.event.patient.public_id) if row.event and row.event.patient else "",
            raw=_written(endpoint, row.event, row.control_id) if row.event else b"",
        )
        for row in rows[:limit]
    ]


_PARTS_OF_AN_ID = 3  # event, endpoint, chance; what follows tells the messages of an event apart


def _written(endpoint: MappedEndpoint, event: DomainEvent, control_id: str) -> bytes:
    """The message as it would be written now without a mapping; nothing if it would not be."""
    plain = replace(endpoint.info, mapping_version=0)
    base = ".".join(control_id.split(".")[:_PARTS_OF_AN_ID])
    protocol = PROTOCOLS[endpoint.protocol]
    try:
        outgoing = undone(lambda: protocol.render(stored(event), plain, base))
    except RisError:
        return b""
    return next((each.payload for each in outgoing if each.control_id == control_id), b"")


_MOST_LINES = 20


def _compare(old: Understanding, new: Understanding) -> tuple[str, tuple[str, ...]] | None:
    """How two readings differ, in words; None if they do not."""
    if old == new:
        return None
    if new.faults and not old.faults:
        return "fails", _told(new.faults)
    if old.faults and not new.faults:
        return "passes", tuple(f"no more: {line}" for line in _told(old.faults))
    if old.faults or new.faults:
        if old.faults == new.faults:
            return None
        before, after = _told(old.faults), _told(new.faults)
        gone = tuple(f"no more: {line}" for line in before if line not in after)
        return "differs", (*gone, *(line for line in after if line not in before))
    return "differs", _value_lines(old.values, new.values)


def _told(faults: Sequence[Fault]) -> tuple[str, ...]:
    return tuple(f"{each.path}: {each.text}" if each.path else each.text for each in faults)


def _value_lines(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    lines = [
        f"{name}: {old.get(name) or 'nothing'} → {new.get(name) or 'nothing'}" for name in names
    ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more"]
    return tuple(lines)
