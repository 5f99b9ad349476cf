"""Messages tried out: applied for real, shown, and undone.

The interface desk and the command line use this to see what a message would do under rules that
may not be saved yet. A rehearsal runs what an arriving message runs, in a transaction that is
rolled back: no number, event, delivery or doorbell is left of it. That it was done is audited.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any
from typing import Protocol as Offers

from django.db import OperationalError

from ris.domain.actors import Actor, Role
from ris.domain.errors import BusyError, DeniedError, InvalidValueError, UnsupportedError
from ris.domain.exchange import Protocol
from ris.domain.protocol import EndpointInfo
from ris.models import DomainEvent, InboundMessage, Patient
from ris.selectors.mapping import mapped_endpoint, stored_messages
from ris.selectors.orders import order_views
from ris.selectors.patients import patient_view
from ris.selectors.views import OrderView, PatientView, TextMatch, WorklistEntry, WorklistQuery
from ris.selectors.worklist import unremembered
from ris.services import inbox
from ris.services._execute import undone
from ris.services.audit import record_access

MAY_TRY = (Role.ADMIN, Role.MANAGER, Role.SYSTEM)
MAX_BYTES = 1_000_000
MOST_MESSAGES = 1_000
MAX_SECONDS = 20.0
_CHUNK = 50


# --- what an edge offers ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a message: place, the protocol's code, text."""

    path: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a rule or a map did, and where."""

    source: str
    text: str
    place: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A message as its peer's mapping has it."""

    changes: tuple[Change, ...] = ()
    faults: tuple[Fault, ...] = ()
    raw: bytes = b""  # as the translators read it


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """What a message asks for: values by name, or why it cannot be taken."""

    values: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What ``inbox.receive`` is given for a message, and how it was understood."""

    actor: Actor
    sender: str
    key: str
    message_type: str
    apply: inbox.Apply
    refuse: inbox.Refuse
    explanation: Explanation
    understanding: Understanding


Reading = Callable[[bytes], Understanding]


class Rehearsal(Offers):
    """``content`` is a mapping that is not saved; None: the one in force."""

    def prepare(
        self, raw: bytes, endpoint: EndpointInfo | None, content: Mapping[str, Any] | None
    ) -> Prepared:
        """Without an endpoint, the peer that the message itself names."""

    def reading(self, endpoint: EndpointInfo, content: Mapping[str, Any]) -> Reading:
        """How messages are understood; raises RisError with the row of what is wrong in a mapping.

        Nothing is applied and nothing is stored by it.
        """

    def explain(self, raw: bytes, endpoint: EndpointInfo) -> Explanation:
        """What the mapping in force does to a message. Raises RisError for what has no header."""


_REHEARSALS: dict[Protocol, Rehearsal] = {}
# A worklist entry as DICOM JSON, as the DICOM edge answers it; without one, only our own words.
Shown = Callable[[WorklistEntry], Mapping[str, Any]]
_SHOWN: list[Shown] = []


def register_rehearsal(protocol: Protocol, rehearsal: Rehearsal) -> None:
    _REHEARSALS[protocol] = rehearsal


def register_worklist(shown: Shown) -> None:
    _SHOWN[:] = [shown]


def can_rehearse(protocol: Protocol) -> bool:
    return protocol in _REHEARSALS


def _rehearsal(protocol: Protocol) -> Rehearsal:
    found = _REHEARSALS.get(protocol)
    if found is None:
        raise UnsupportedError(f"{protocol.value} messages cannot be tried out")
    return found


def explain(protocol: Protocol, raw: bytes, endpoint: EndpointInfo) -> Explanation | None:
    """What the mapping of an endpoint does to a stored message; None where nothing is mapped."""
    rehearsal = _REHEARSALS.get(protocol)
    if rehearsal is None or not endpoint.mapping_version:
        return None
    return rehearsal.explain(raw, endpoint)


# --- one message --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One worklist entry, and the dataset a device would get for it."""

    entry: WorklistEntry
    dataset: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a message would do."""

    explanation: Explanation
    understanding: Understanding
    state: str  # of the message: APPLIED, REJECTED, FAILED
    error: str
    error_path: str
    outcome: str
    answer: bytes
    events: tuple[str, ...]
    orders: tuple[OrderView, ...]
    patients: tuple[PatientView, ...]
    worklist: tuple[Offered, ...]
    milliseconds: int


def try_message(
    actor: Actor,
    raw: bytes,
    *,
    protocol: Protocol = Protocol.HL7,
    endpoint: str = "",
    content: Mapping[str, Any] | None = None,
) -> Trial:
    """Apply a message as if it had come from the endpoint, and undo it.

    Raises RisError for what cannot even be tried: no header, a wrong mapping, an outbound endpoint.
    """
    _require(actor)
    if len(raw) > MAX_BYTES:
        raise InvalidValueError(f"the message is longer than {MAX_BYTES} bytes", path="message")
    rehearsal = _rehearsal(protocol)
    found = mapped_endpoint(endpoint) if endpoint else None
    if found is not None and not found.is_in:
        raise InvalidValueError("we send to that interface; choose one that sends", path="endpoint")
    started = monotonic()
    prepared = rehearsal.prepare(raw, found.info if found else None, content)
    try:
        trial = undone(lambda: _try(protocol, raw, prepared, started))
    except OperationalError:
        raise BusyError("the database is busy, try again") from None
    known = [each.public_id for each in trial.patients]
    stored = Patient.objects.filter(public_id__in=known).values_list("public_id", flat=True)
    record_access(
        actor,
        action="TryMessage",
        patients=sorted(str(key) for key in stored),
        subject=f"{prepared.message_type} as {prepared.sender or 'nobody'}",
        outcome="success",
        detail={"outcome": trial.outcome, "unsaved_rules": content is not None},
    )
    return trial


def _require(actor: Actor) -> None:
    if not actor.has(*MAY_TRY):
        raise DeniedError(f"{actor.name} may not try messages")


def _try(protocol: Protocol, raw: bytes, prepared: Prepared, started: float) -> Trial:
    """Inside the transaction that is undone: everything has to be read before it ends."""
    receipt = inbox.receive(
        protocol=protocol,
        actor=prepared.actor,
        key=prepared.key or uuid.uuid4().hex,
        raw=raw,
        message_type=prepared.message_type,
        apply=prepared.apply,
        refuse=prepared.refuse,
        sender=prepared.sender,
        dedupe=False,
    )
    message = InboundMessage.objects.get(public_id=receipt.message)
    events = DomainEvent.objects.filter(message=message).order_by("id").select_related("patient")
    keys = [str(key) for key in message.orders.values_list("public_id", flat=True)]
    orders = order_views(sorted(keys))
    patients = {str(each.patient.public_id) for each in events if each.patient is not None}
    patients |= {order.patient.public_id for order in orders}
    return Trial(
        explanation=prepared.explanation,
        understanding=prepared.understanding,
        state=message.state,
        error=message.error,
        error_path=message.error_path,
        outcome=message.outcome,
        answer=bytes(message.reply),
        events=tuple(each.name for each in events),
        orders=tuple(orders),
        patients=tuple(patient_view(key) for key in sorted(patients)),
        worklist=tuple(_offered(orders)),
        milliseconds=round((monotonic() - started) * 1000),
    )


def _offered(orders: Sequence[OrderView]) -> Iterator[Offered]:
    for order in orders:
        accession = order.accession.value
        if not accession:
            continue
        for entry in unremembered(WorklistQuery(accession_number=TextMatch(pattern=accession))):
            if entry.order_public_id == order.public_id:
                yield Offered(entry=entry, dataset=_SHOWN[0](entry) if _SHOWN else None)


# --- many messages ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """One stored message that would be read otherwise."""

    message: str
    received_at: datetime
    message_type: str
    key: str
    kind: str  # "fails", "passes", "differs"
    lines: tuple[str, ...]


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
    _require(actor)
    found = mapped_endpoint(endpoint)
    if not found.is_in:
        raise InvalidValueError("we send to that interface; choose one that sends", path="endpoint")
    rehearsal = _rehearsal(found.protocol)
    old = rehearsal.reading(found.info, found.content)
    new = rehearsal.reading(found.info, content)
    started = monotonic()
    differing: list[Differs] = []
    patients: set[str] = set()  # whose values are shown
    checked, last, over = 0, before, False
    left = max(0, min(limit, MOST_MESSAGES))
    while left > checked and not over:
        chunk = stored_messages(endpoint, min(_CHUNK, left - checked), before=last)
        if not chunk:
            last = None
            break
        for message in chunk:
            difference = _compare(old(message.raw), new(message.raw))
            if difference is not None:
                kind, lines = difference
                patients |= {message.patient} if message.patient else set()
                differing.append(
                    Differs(
                        message=message.public_id,
                        received_at=message.received_at,
                        message_type=message.message_type,
                        key=message.key,
                        kind=kind,
                        lines=lines,
                    )
                )
            checked, last = checked + 1, message.number
            if monotonic() - started > seconds:
                over = True
                break
        if progress is not None:
            progress(checked)
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
