"""What happened to orders, requested procedures and scheduled procedure steps."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.commands import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced(Event):
    order: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRevised(Event):
    order: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHeld(Event):
    order: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReleased(Event):
    order: str
    begun: bool = False  # an exam of it was begun all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCanceled(Event):
    order: str
    reason: str
    by_placer: bool
    announced: bool  # the archive had been told of at least one step
    early: bool = False  # the cancellation had come before the order, and had been refused
    replaced: bool = False  # for an order that stands for it
    # What taking it back needs: the steps that went with it, and whether the order was on hold.
    canceled_steps: tuple[str, ...] = ()
    was_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReplaced(Event):
    """``order`` stands for ``replaced``, which were canceled for it."""

    order: str
    replaced: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacerNumberAssigned(Event):
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationRefused(Event):
    """Its placer wants it canceled; its exam had begun, so it goes on until people decide."""

    order: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDiscontinued(Event):
    order: str
    reason: str
    by_placer: bool
    announced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderVoided(Event):
    order: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCompleted(Event):
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReopened(Event):
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureAdded(Event):
    order: str
    procedure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCanceled(Event):
    order: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRepeated(Event):
    order: str
    step: str
    previous: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInformationCompleted(Event):
    order: str
    step: str
