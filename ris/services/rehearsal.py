"""Messages tried out: applied for real, shown, and undone.

The interface desk and the command line use this to see what a message would do under rules that
may not be saved yet. A rehearsal runs what an arriving message runs, in a transaction that is
rolled back: no number, event, delivery or doorbell is left of it. That it was done is audited.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from typing import Protocol as Offers

from django.db import OperationalError

from ris.domain.actors import Actor, Role
from ris.domain.errors import BusyError, DeniedError, InvalidValueError, UnsupportedError
from ris.domain.exchange import Protocol
from ris.domain.protocol import EndpointInfo
from ris.models import DomainEvent, InboundMessage, Patient
from ris.selectors.mapping import mapped_endpoint
from ris.selectors.orders import order_views
from ris.selectors.patients import patient_view
from ris.selectors.views import OrderView, PatientView, TextMatch, WorklistEntry, WorklistQuery
from ris.selectors.worklist import unremembered
from ris.services import inbox
from ris.services._execute import undone
from ris.services.audit import record_access

MAY_TRY = (Role.ADMIN, Role.MANAGER, Role.SYSTEM)
MAX_BYTES = 1_000_000


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
    note: str = ""  # what is otherwise than if it really came


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

    def writing(self, endpoint: EndpointInfo, content: Mapping[str, Any]) -> Reading:
        """What becomes of messages of ours that no mapping has rewritten yet, segment by segment.

        Raises RisError with the row of what is wrong in a mapping.
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


def rehearsal_of(protocol: Protocol) -> Rehearsal:
    """Raises UnsupportedError where messages cannot be tried out."""
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
    note: str = ""


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
    require_may_try(actor)
    if len(raw) > MAX_BYTES:
        raise InvalidValueError(f"the message is longer than {MAX_BYTES} bytes", path="message")
    rehearsal = rehearsal_of(protocol)
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


def require_may_try(actor: Actor) -> None:
    """Raises DeniedError for everybody who does not mind the interfaces."""
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
        note=prepared.note,
    )


def _offered(orders: Sequence[OrderView]) -> Iterator[Offered]:
    for order in orders:
        accession = order.accession.value
        if not accession:
            continue
        for entry in unremembered(WorklistQuery(accession_number=TextMatch(pattern=accession))):
            if entry.order_public_id == order.public_id:
                yield Offered(entry=entry, dataset=_SHOWN[0](entry) if _SHOWN else None)
