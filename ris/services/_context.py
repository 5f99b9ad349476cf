"""What a handler is given besides its command, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Model

from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.commands import Command, Event
from ris.domain.errors import DeniedError
from ris.models import Order, Patient


@dataclass(slots=True)
class Cause:
    """The stored message that commands are being applied for."""

    message_id: int
    correlation: str
    # What the events of its commands were about, by primary key.
    orders: set[int] = field(default_factory=set)
    patients: set[int] = field(default_factory=set)
    # What its refusal leaves to be done, which stays though what it did is undone.
    refused: list[tuple[Command[Any], Actor]] = field(default_factory=list)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Forget what was noted inside if it fails, for then it was undone as well."""
        orders, patients = set(self.orders), set(self.patients)
        try:
            yield
        except BaseException:
            self.orders, self.patients = orders, patients
            raise


_cause: ContextVar[Cause | None] = ContextVar("ris_cause", default=None)


def current_cause() -> Cause | None:
    return _cause.get()


@contextmanager
def caused_by(cause: Cause) -> Iterator[None]:
    """Tie every command executed inside to a stored message."""
    token = _cause.set(cause)
    try:
        yield
    finally:
        _cause.reset(token)


@dataclass(slots=True)
class Emitted:
    event: Event
    subject_type: str
    subject_id: str
    order: Order | None
    patient: Patient | None


@dataclass(slots=True)
class Context:
    """One command's circumstances: who, when, why; and the events it emits."""

    actor: Actor
    now: datetime
    correlation: str
    message_id: int | None = None
    emitted: list[Emitted] = field(default_factory=list)
    subject: str = ""  # for the audit of a command that emits nothing
    order: Order | None = None
    # What is to be done once the command was refused and undone.
    left: list[Command[Any]] = field(default_factory=list)

    def leave(self, command: Command[Any]) -> None:
        """Have it done though this is refused; of a message, once that is answered."""
        cause = current_cause()
        if cause is not None:
            cause.refused.append((command, self.actor))
        else:
            self.left.append(command)

    def emit(
        self,
        event: Event,
        *,
        subject: Model,
        order: Order | None = None,
        patient: Patient | None = None,
    ) -> None:
        """Say that something happened; written with the change, in the order emitted."""
        if order is None and isinstance(subject, Order):
            order = subject
        if patient is None and isinstance(subject, Patient):
            patient = subject
        if patient is None and order is not None:
            patient = order.patient
        self.emitted.append(
            Emitted(
                event,
                type(subject).__name__,
                str(getattr(subject, "public_id", subject.pk)),
                order,
                patient,
            )
        )

    def about(self, subject: Model, order: Order | None = None) -> None:
        """Name what a command without events is about, for its audit row."""
        self.subject = f"{type(subject).__name__} {getattr(subject, 'public_id', subject.pk)}"
        self.order = order

    def require(self, *roles: Role, doing: str) -> None:
        """Refuse unless the actor has one of the roles; for guards finer than a command."""
        if not self.actor.has(*roles):
            raise DeniedError(f"{doing} needs the role {' or '.join(r.value for r in roles)}")

    @property
    def is_machine(self) -> bool:
        return self.actor.kind in {ActorKind.ENDPOINT, ActorKind.CLIENT, ActorKind.DEVICE}
