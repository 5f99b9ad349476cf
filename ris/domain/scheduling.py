"""Appointments, bookings and opening hours: states, commands, events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.states import StateMachine


class AppointmentStatus(StrEnum):
    HELD = "HELD"
    BOOKED = "BOOKED"
    ARRIVED = "ARRIVED"
    FULFILLED = "FULFILLED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    NO_SHOW = "NO_SHOW"


class NumberKind(StrEnum):
    """Who gave an appointment its number: who asked for it, or who keeps the calendar."""

    PLACER = "placer"
    FILLER = "filler"


class AppointmentTrigger(StrEnum):
    BOOK = "book"
    EXPIRE = "expire"
    MOVE = "move"
    ARRIVE = "arrive"
    FULFILL = "fulfill"
    CANCEL = "cancel"
    MISS = "miss"


APPOINTMENT = StateMachine[AppointmentStatus, AppointmentTrigger](
    "Appointment",
    AppointmentStatus.HELD,
    {
        (AppointmentStatus.HELD, AppointmentTrigger.BOOK): AppointmentStatus.BOOKED,
        (AppointmentStatus.HELD, AppointmentTrigger.EXPIRE): AppointmentStatus.EXPIRED,
        (AppointmentStatus.BOOKED, AppointmentTrigger.MOVE): AppointmentStatus.BOOKED,
        (AppointmentStatus.BOOKED, AppointmentTrigger.ARRIVE): AppointmentStatus.ARRIVED,
        (AppointmentStatus.ARRIVED, AppointmentTrigger.FULFILL): AppointmentStatus.FULFILLED,
        (AppointmentStatus.HELD, AppointmentTrigger.CANCEL): AppointmentStatus.CANCELED,
        (AppointmentStatus.BOOKED, AppointmentTrigger.CANCEL): AppointmentStatus.CANCELED,
        (AppointmentStatus.BOOKED, AppointmentTrigger.MISS): AppointmentStatus.NO_SHOW,
    },
)

# The states in which an appointment keeps its resources to itself.
OCCUPYING = frozenset(
    {
        AppointmentStatus.HELD,
        AppointmentStatus.BOOKED,
        AppointmentStatus.ARRIVED,
        AppointmentStatus.FULFILLED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSlot(Command[str]):
    """Keep a time for a step for some minutes while a person decides; returns the appointment."""

    step: str
    device: str
    start_at: datetime
    duration_minutes: int | None = None
    minutes: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAppointment(Command[str]):
    """Book a step (or the held appointment) on a device; returns the appointment's public id.

    ``overbook`` books over what is there, with ``reason``; it needs the permission to do so.
    """

    step: str = ""
    device: str = ""
    start_at: datetime | None = None
    duration_minutes: int | None = None
    appointment: str = ""  # a hold to turn into a booking; then the other fields may stay empty
    overbook: bool = False
    reason: str = ""
    expected_version: int | None = None  # of the step, as the page showed it


@dataclass(frozen=True, slots=True, kw_only=True)
class RescheduleAppointment(Command[str]):
    """Move an appointment to another time or device; identifiers and UIDs stay."""

    appointment: str
    start_at: datetime
    device: str = ""
    duration_minutes: int | None = None
    overbook: bool = False
    reason: str = ""
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAppointment(Command[None]):
    """Give the time back; the step waits to be booked again."""

    appointment: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordArrival(Command[None]):
    """The patient is here."""

    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareStep(Command[None]):
    """The patient is prepared and in the room (READY)."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordNoShow(Command[None]):
    """The patient did not come; the time is given back."""

    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHolds(Command[int]):
    """Let go of holds whose time is over; returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResourceHours(Command[None]):
    """Replace a resource's weekly hours; weekday 0 is Monday."""

    resource: str
    hours: tuple[tuple[int, time, time], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddClosure(Command[str]):
    """Close a resource for an interval (holiday, maintenance)."""

    resource: str
    start_at: datetime
    end_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveClosure(Command[None]):
    closure: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A time that is free, computed and never stored."""

    device: str
    ae_title: str
    room: str
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotHeld(Event):
    order: str
    step: str
    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentBooked(Event):
    order: str
    step: str
    appointment: str
    start_at: datetime
    end_at: datetime
    station: str
    overbooked: bool = False
    first: bool = True  # False: the step had been announced to the archive before


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentMoved(Event):
    order: str
    step: str
    appointment: str
    start_at: datetime
    end_at: datetime
    station: str
    previous_start_at: datetime
    previous_station: str
    overbooked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentCanceled(Event):
    order: str
    step: str
    appointment: str
    reason: str
    start_at: datetime
    end_at: datetime
    station: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExpired(Event):
    order: str
    step: str
    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientArrived(Event):
    order: str
    step: str
    appointment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPrepared(Event):
    order: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoShowRecorded(Event):
    order: str
    step: str
    appointment: str
    start_at: datetime
    end_at: datetime
    station: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursSet(Event):
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureAdded(Event):
    resource: str
    closure: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureRemoved(Event):
    resource: str
    closure: int
