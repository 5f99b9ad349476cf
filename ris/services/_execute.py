"""The one door: every change of the core passes here (DESIGN 1).

``execute`` authorizes, opens the transaction (or joins the caller's), runs the handler, and writes
events and audit beside the change, so that none of the three exists without the others.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from django.db import IntegrityError, OperationalError, connection, transaction

from ris.domain.actors import Actor, Role
from ris.domain.commands import Command, Event
from ris.domain.errors import (
    BusyError,
    DeniedError,
    DuplicateKeyError,
    RisError,
    SlotTakenError,
    UnsupportedError,
    unavailable,
)
from ris.domain.places import Place
from ris.models import AuditEvent, DomainEvent
from ris.models.prepared import add_all
from ris.services import _clock
from ris.services._context import Context, Emitted, current_cause

log = structlog.get_logger(__name__)

R = TypeVar("R")
T = TypeVar("T")
P = ParamSpec("P")
Handler = Callable[[Any, Context], Any]

_HANDLERS: dict[type[Command[Any]], Handler] = {}
_PERMISSIONS: dict[type[Command[Any]], frozenset[Role]] = {}
# What a role may do is asked once more, of the rows: a patient has one appointment.
Guard = Callable[[Command[Any], Context], None]
_GUARDS: dict[Role, Guard] = {}
# What has to follow from an event within its transaction.
Consequence = Callable[[Sequence[Emitted], Context], None]
_CONSEQUENCES: dict[type[Event], list[Consequence]] = {}
# Why a role may not give a command, where the bare refusal would leave somebody guessing.
_REASONS: dict[tuple[type[Command[Any]], Role], str] = {}
# What plainly cannot be is refused before anything is locked; the handler looks once more.
_GLANCES: dict[type[Command[Any]], Callable[[Any], None]] = {}
_after_commit: list[Callable[[], None]] = []


def register(
    handlers: Mapping[type[Command[Any]], Handler],
    permissions: Mapping[type[Command[Any]], Iterable[Role]],
) -> None:
    """Add an area's handlers; every handler needs a permission row and the other way round."""
    if handlers.keys() != permissions.keys():
        odd = handlers.keys() ^ permissions.keys()
        raise RuntimeError(f"handlers and permissions differ: {sorted(c.__name__ for c in odd)}")
    _HANDLERS.update(handlers)
    _PERMISSIONS.update({command: frozenset(roles) for command, roles in permissions.items()})


def register_guard(role: Role, guard: Guard) -> None:
    """Have ``guard`` look at every command of whoever has the role; it raises DeniedError."""
    _GUARDS[role] = guard


def register_reason(role: Role, commands: Iterable[type[Command[Any]]], words: str) -> None:
    """Say ``words`` to whoever has the role and tries one of the commands in vain."""
    _REASONS.update({(command, role): words for command in commands})


def register_glance(kind: type[Command[Any]], look: Callable[[Any], None]) -> None:
    """Have ``look`` refuse what plainly cannot be before the transaction; it only reads."""
    _GLANCES[kind] = look


def register_consequence(events: Iterable[type[Event]], then: Consequence) -> None:
    """Have ``then`` look at these events in the transaction that emits them; it may emit more.

    For what another area must never be seen without; all else follows after the commit
    (ris.services.afterwards).
    """
    for kind in events:
        _CONSEQUENCES.setdefault(kind, []).append(then)


def commands() -> tuple[type[Command[Any]], ...]:
    return tuple(_HANDLERS)


def permitted_roles(command: type[Command[Any]]) -> frozenset[Role]:
    return _PERMISSIONS[command]


def may(actor: Actor, command: type[Command[Any]]) -> bool:
    """Whether the actor has a role that may give this command; for hiding what would be refused."""
    return actor.has(*_PERMISSIONS[command])


def after_commit(callback: Callable[[], None]) -> None:
    """Have ``callback`` called after every commit that wrote an event (the outbox's doorbell)."""
    _after_commit.append(callback)


def execute(command: Command[R], *, actor: Actor, correlation: str = "", joined: bool = False) -> R:
    """Carry out one command.

    Raises a subclass of RisError if it is refused; then nothing of it was written but the audit of
    a denial. Inside an open transaction it is a savepoint of that transaction. ``joined`` says that
    the caller's savepoint is there for this command: what it raises must go out of that one, so it
    needs none of its own.
    """
    kind = type(command)
    handler = _HANDLERS.get(kind)
    if handler is None:
        raise UnsupportedError(f"no handler for {kind.__name__}")
    cause = current_cause()
    context = Context(
        actor=actor,
        now=_clock.now(),
        correlation=correlation or (cause.correlation if cause else uuid.uuid4().hex),
        message_id=cause.message_id if cause else None,
    )
    if not may(actor, kind):
        reasons = (_REASONS[kind, role] for role in actor.roles if (kind, role) in _REASONS)
        denied = DeniedError(next(reasons, "") or f"{actor.name} may not {_words(kind.__name__)}")
        record_denial(command, context, denied)
        raise denied
    try:
        # Whom a guard holds to some rows hears nothing of others by a glance.
        if kind in _GLANCES and not actor.roles & _GUARDS.keys():
            _GLANCES[kind](command)
        with transaction.atomic(savepoint=not joined):
            for role in actor.roles & _GUARDS.keys():
                _GUARDS[role](command, context)
            result: R = handler(command, context)
            _follow(context)
            _write_journal(command, context)
            if context.emitted:
                call_after_commit()
    except DeniedError as denied:
        record_denial(command, context, denied)
        raise
    except RisError:
        if not joined:
            _do_what_is_left(context)
        raise
    except IntegrityError as error:
        raise _from_constraint(error) from error
    except OperationalError as error:
        if connection.in_atomic_block:
            raise  # the transaction is the caller's; so is the verdict
        raise unavailable(error) from error
    return result


def _do_what_is_left(context: Context) -> None:
    """Ours to do, in the name of whoever was refused, who hears of the refusal in any case."""
    actor = replace(context.actor, roles=frozenset({Role.SYSTEM}))
    for command in context.left:
        try:
            execute(command, actor=actor, correlation=context.correlation)
        except RisError as error:
            kind = type(command).__name__
            log.warning("a refusal could not be noted", command=kind, error=error.message)


def _follow(context: Context) -> None:
    """Let each consequence see the events that it is registered for; once, whatever they emit."""
    asked: dict[Consequence, list[Emitted]] = {}
    for emitted in context.emitted:
        for then in _CONSEQUENCES.get(type(emitted.event), ()):
            asked.setdefault(then, []).append(emitted)
    for then, seen in asked.items():
        then(seen, context)


def call_after_commit() -> None:
    """Have each callback called once for the transaction, however many commands it carries."""
    waiting = [row[1] for row in connection.run_on_commit]
    for callback in _after_commit:
        if callback not in waiting:
            transaction.on_commit(callback, robust=True)


def record_denial(command: Command[Any], context: Context, error: RisError) -> None:
    """Audit a denial. Inside a caller's transaction the caller's own record tells of it."""
    if connection.in_atomic_block:
        return
    AuditEvent.objects.create(
        at=context.now,
        actor_kind=context.actor.kind.value,
        actor_name=context.actor.name,
        address=context.actor.address,
        action=type(command).__name__,
        outcome=error.code.value,
        detail={"reason": error.message},
        correlation=context.correlation,
    )
    log.info("denied", command=type(command).__name__, actor=context.actor.name)


def _write_journal(command: Command[Any], context: Context) -> None:
    """Events in the order emitted, and one audit row for the command.

    Their time is now, not when the command came: it may have waited for another's change of the
    same order, and receivers tell by the time which was first.
    """
    actor, at = context.actor, _clock.now()
    events = [
        DomainEvent(
            name=emitted.event.name,
            version=emitted.event.version,
            subject_type=emitted.subject_type,
            subject_id=emitted.subject_id,
            order_id=emitted.order.pk if emitted.order else None,
            patient_id=emitted.patient.pk if emitted.patient else None,
            payload=emitted.event.payload(),
            actor_kind=actor.kind.value,
            actor_name=actor.name,
            actor_endpoint_id=actor.endpoint_id,
            message_id=context.message_id,
            correlation=context.correlation,
            at=at,
        )
        for emitted in context.emitted
    ]
    add_all(events)
    cause = current_cause()
    if cause is not None:
        cause.orders.update(event.order_id for event in events if event.order_id)
        cause.patients.update(event.patient_id for event in events if event.patient_id)
    first = context.emitted[0] if context.emitted else None
    order = first.order if first else context.order
    patient = first.patient if first else (order.patient if order else None)
    audit = AuditEvent(
        at=at,
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        address=actor.address,
        action=type(command).__name__,
        subject=f"{first.subject_type} {first.subject_id}" if first else context.subject,
        order_id=order.pk if order else None,
        patient_id=patient.pk if patient else None,
        patients=[str(patient.public_id)] if patient else [],
        detail={"events": [event.name for event in events]},
        correlation=context.correlation,
    )
    add_all([audit])


# What a violated constraint means to the sender: (part of the constraint's name or, on SQLite,
# of the columns named) → (error, where). The handlers look first; this is for the race they lose.
_CONSTRAINTS: tuple[tuple[tuple[str, ...], type[RisError], str, str], ...] = (
    (("no_double_booking",), SlotTakenError, "that time was taken meanwhile", Place.START_AT),
    (
        ("order_placer_unique", "ris_order.placer_order_number"),
        DuplicateKeyError,
        "this placer order number is known already",
        Place.PLACER,
    ),
    (
        ("order_filler_unique", "ris_order.filler_order_number"),
        DuplicateKeyError,
        "this filler order number is known already",
        Place.FILLER,
    ),
    (
        ("order_accession_unique", "ris_order.accession_number"),
        DuplicateKeyError,
        "this accession number is known already",
        Place.ACCESSION,
    ),
    (
        ("ris_requestedprocedure.study_instance_uid", "ris_requestedprocedure_study_instance_uid"),
        DuplicateKeyError,
        "this Study Instance UID is known already",
        Place.STUDY,
    ),
    (
        ("ris_requestedprocedure.procedure_id", "ris_requestedprocedure_procedure_id"),
        DuplicateKeyError,
        "this requested procedure id is another procedure's",
        Place.PROCEDURE_ID,
    ),
    (
        ("ris_scheduledprocedurestep.step_id", "ris_scheduledprocedurestep_step_id"),
        DuplicateKeyError,
        "this scheduled procedure step id is another step's",
        Place.STEP_ID,
    ),
    (
        ("patient_identifier_unique", "ris_patientidentifier.value"),
        DuplicateKeyError,
        "this patient identifier is known already",
        Place.PATIENT,
    ),
    (
        ("sop_instance_uid",),
        DuplicateKeyError,
        "this SOP Instance UID is known already",
        Place.PERFORMED_UID,
    ),
)


def _from_constraint(error: IntegrityError) -> RisError:
    text = str(error)
    for needles, kind, message, path in _CONSTRAINTS:
        if any(needle in text for needle in needles):
            return kind(message, path=path)
    if "unique" in text.lower() or "duplicate" in text.lower():
        return DuplicateKeyError("something with this key exists already")
    log.error("a constraint refused a change", error=type(error).__name__, constraint=text[:200])
    return BusyError("the change does not fit what is stored; reload and try again")


def _words(name: str) -> str:
    """``CancelOrder`` → ``cancel order``."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()


def together(work: Callable[[], T]) -> T:
    """Carry out many commands in one transaction: all of them, or none."""
    cause = current_cause()
    with cause.keeping() if cause is not None else nullcontext(), transaction.atomic():
        return work()


def undone(work: Callable[[], T]) -> T:
    """What ``work`` gives, without anything it wrote: for rehearsals.

    Nothing is rung or called after a commit, for there is none.
    """
    with transaction.atomic():
        result = work()
        transaction.set_rollback(True)
    return result


def joining(function: Callable[P, T]) -> Callable[P, T]:
    """The same for a part of another writer: within its transaction it is one with it.

    There is no savepoint to return to, so nobody may catch an error of it and go on.
    """

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        with transaction.atomic(savepoint=False):
            return function(*args, **kwargs)

    return inside


def transactional(function: Callable[P, T]) -> Callable[P, T]:
    """Run a writer that is no command (the record of a query, a reply's state) in a transaction."""

    @wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        with transaction.atomic():
            return function(*args, **kwargs)

    return inside
