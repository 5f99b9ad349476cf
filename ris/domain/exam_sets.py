"""Several exams of one patient in one go: booked and moved together, and series of visits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ris.domain.commands import Command, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SetItem:
    """One exam of a set, and where and when."""

    step: str
    device: str
    start_at: datetime
    duration_minutes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTogether(Command[tuple[str, ...]]):
    """Book several steps of one patient, all or none; returns the appointments, item by item.

    Steps that are booked already are moved. The order and the gaps that the catalog asks for are
    kept, unless it is booked over.
    """

    items: tuple[SetItem, ...]
    overbook: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSeries(Command["SeriesBooked"]):
    """Book a step and repeat it on later visits, each with an order of its own.

    The first of ``starts`` is for the step itself. ``all_or_none`` refuses all if one visit cannot
    be; else those that fit are booked and the others are named.
    """

    step: str
    device: str
    starts: tuple[datetime, ...]
    all_or_none: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesBooked:
    """``refused`` says of each visit that could not be booked why."""

    appointments: tuple[str, ...]
    refused: tuple[tuple[datetime, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceProcedures(Command[None]):
    """Say that one procedure is done after another, and how far apart; by public ids.

    ``remove`` forgets it again.
    """

    first: str
    then: str
    gap_minutes: int = 0
    gap_at_most_minutes: int | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamsBookedTogether(Event):
    order: str
    appointments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPlanned(Event):
    order: str
    orders: tuple[str, ...]
    visits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProceduresSequenced(Event):
    first: str
    then: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Apart:
    """From the end of one exam of a set to the start of a later one; minutes."""

    first: int  # position in the set
    then: int
    least: int = 0
    most: int | None = None
