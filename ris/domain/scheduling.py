"""Appointments, bookings and opening hours: states, commands, events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

from ris.domain.arrivals import Said
from ris.domain.commands import Command, Event
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.states import StateMachine
from ris.domain.values import Code, Identifier, PersonName


class AppointmentStatus(StrEnum):
    PROPOSED = "PROPOSED"  # asked for; somebody has to find a time
    HELD = "HELD"
    BOOKED = "BOOKED"
    ARRIVED = "ARRIVED"
    FULFILLED = "FULFILLED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    NO_SHOW = "NO_SHOW"


class SlotState(StrEnum):
    """What a time of a device is worth to somebody who looks for one."""

    FREE = "FREE"
    HELD = "HELD"
    TAKEN = "TAKEN"
    CLOSED = "CLOSED"


class ClosureKind(StrEnum):
    """Why a resource is closed: by plan, or because it does not work."""

    CLOSURE = "CLOSURE"
    DOWNTIME = "DOWNTIME"


# When a downtime ends of which nobody knows the end: every question "closed then?" is answered
# rightly without a word about a time that is not there.
UNTIL_FURTHER_NOTICE = datetime(9999, 1, 1, tzinfo=UTC)


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
    RETRACT = "retract"  # an arrival or a no-show is taken back


APPOINTMENT = StateMachine[AppointmentStatus, AppointmentTrigger](
    "Appointment",
    AppointmentStatus.HELD,
    {
        (AppointmentStatus.PROPOSED, AppointmentTrigger.BOOK): AppointmentStatus.BOOKED,
        (AppointmentStatus.PROPOSED, AppointmentTrigger.CANCEL): AppointmentStatus.CANCELED,
        (AppointmentStatus.HELD, AppointmentTrigger.BOOK): AppointmentStatus.BOOKED,
        (AppointmentStatus.HELD, AppointmentTrigger.EXPIRE): AppointmentStatus.EXPIRED,
        (AppointmentStatus.BOOKED, AppointmentTrigger.MOVE): AppointmentStatus.BOOKED,
        (AppointmentStatus.ARRIVED, AppointmentTrigger.MOVE): AppointmentStatus.ARRIVED,
        (AppointmentStatus.BOOKED, AppointmentTrigger.ARRIVE): AppointmentStatus.ARRIVED,
        (AppointmentStatus.ARRIVED, AppointmentTrigger.FULFILL): AppointmentStatus.FULFILLED,
        (AppointmentStatus.HELD, AppointmentTrigger.CANCEL): AppointmentStatus.CANCELED,
        (AppointmentStatus.BOOKED, AppointmentTrigger.CANCEL): AppointmentStatus.CANCELED,
        (AppointmentStatus.BOOKED, AppointmentTrigger.MISS): AppointmentStatus.NO_SHOW,
        (AppointmentStatus.ARRIVED, AppointmentTrigger.RETRACT): AppointmentStatus.BOOKED,
        (AppointmentStatus.NO_SHOW, AppointmentTrigger.RETRACT): AppointmentStatus.BOOKED,
    },
)

# Of an appointment and its bookings; what is longer is refused. Who looks for those that reach into
# a time begins this much earlier, so that no index is walked through from its beginning.
LONGEST = timedelta(days=1)

# The states in which an appointment keeps its resources to itself.
OCCUPYING = frozenset(
    {
        AppointmentStatus.HELD,
        AppointmentStatus.BOOKED,
        AppointmentStatus.ARRIVED,
        AppointmentStatus.FULFILLED,
    }
)


MOVABLE = frozenset({AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED})


class Answer(StrEnum):
    """What somebody who is to take part in an appointment says to it."""

    ACCEPTED = "ACCEPTED"
    TENTATIVE = "TENTATIVE"
    DECLINED = "DECLINED"


class Participant(StrEnum):
    """Who or what takes part in an appointment."""

    PATIENT = "PATIENT"
    DEVICE = "DEVICE"
    ROOM = "ROOM"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeAppointment(Command[str]):
    """Ask for a time for a step that waits to be scheduled; returns the appointment's public id.

    Nothing is taken: the step stays under To schedule, with the wish, until somebody books it.
    """

    step: str
    start_at: datetime | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldSlot(Command[str]):
    """Keep a time for some minutes while a person decides; returns the appointment.

    For a step, or without one for whoever is still to be named when it is booked; then it needs
    ``duration_minutes``. ``open_only``: not in the past and not outside opening hours.
    """

    step: str = ""
    device: str
    start_at: datetime
    duration_minutes: int | None = None
    minutes: int = 5
    open_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAppointment(Command[str]):
    """Book a step (or the held appointment) on a device; returns the appointment's public id.

    ``overbook`` books over what is there, with ``reason``; it needs the permission to do so.
    """

    step: str = ""
    device: str = ""
    start_at: datetime | None = None
    duration_minutes: int | None = None
    # A hold to turn into a booking; then the other fields may stay empty. One that was made without
    # a step needs ``step``.
    appointment: str = ""
    overbook: bool = False
    reason: str = ""
    expected_version: int | None = None  # of the step, as the page showed it
    open_only: bool = False  # not in the past and not outside opening hours
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescheduleAppointment(Command[str]):
    """Move an appointment to another time or device; identifiers and UIDs stay.

    Also of somebody who is here already and whose exam has not begun: to another room, on the day
    of the visit. They stay arrived.
    """

    appointment: str
    start_at: datetime
    device: str = ""
    duration_minutes: int | None = None
    overbook: bool = False
    reason: str = ""
    expected_version: int | None = None
    open_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAppointment(Command[None]):
    """Give the time back; the step waits to be booked again."""

    appointment: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerAppointment(Command[str]):
    """Record what a participant says to an appointment; returns the answer's public id.

    A patient who declines has it canceled; what another participant says is shown beside it.
    ``key`` is the public id of the patient, device or room.
    """

    appointment: str
    participant: Participant
    key: str
    answer: Answer
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordArrival(Command[None]):
    """The patient is here.

    ``identifiers_checked`` is what a person asked for or scanned: each must agree with what is
    stored, and there are two of them or an ``unchecked_reason``. A system that tells of an arrival
    has checked for itself.
    """

    appointment: str
    identifiers_checked: tuple[Said, ...] = ()
    unchecked_reason: str = ""


class ScheduleChange(StrEnum):
    """What the system that keeps an appointment's calendar says became of it (SIU, HL7 10.4)."""

    BOOK = "book"
    MOVE = "move"
    MODIFY = "modify"
    ARRIVE = "arrive"
    CANCEL = "cancel"
    DISCONTINUE = "discontinue"
    DELETE = "delete"
    MISS = "miss"


# What gives the time back, each in its own words.
ENDING = frozenset(
    {
        ScheduleChange.CANCEL,
        ScheduleChange.DISCONTINUE,
        ScheduleChange.DELETE,
        ScheduleChange.MISS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledService:
    """One service of an appointment: what, when, where, by whom. What is not said is not changed.

    ``stations`` and ``rooms`` are names, any of which may be one of ours; those that were taken out
    of it stand in ``no_stations``, ``no_rooms`` and ``no_performer``.
    """

    code: Code = field(default_factory=lambda: Code(""))
    start_at: datetime | None = None
    duration_minutes: int | None = None
    stations: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    performer: PersonName = field(default_factory=PersonName)
    no_stations: tuple[str, ...] = ()
    no_rooms: tuple[str, ...] = ()
    no_performer: PersonName = field(default_factory=PersonName)
    removed: bool = False
    unchanged: bool = False  # told along with the others, and nothing is done with it


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowSchedule(Command[tuple[str, ...]]):
    """Do on our calendar what another scheduler did; returns the appointments' public ids.

    The order is named by its numbers, the appointment by those the scheduler gave it or by our own
    (``appointment``); all that are said must agree. The rules are those of a person at a page: what
    is taken is not booked over unless the scheduler says that it did so (``overbook``). A service
    that is taken out of an appointment ends as ``removal`` says.
    """

    change: ScheduleChange
    order: OrderReference | None = None
    placer: Identifier | None = None
    filler: Identifier | None = None
    appointment: str = ""
    patient: PatientReference | None = None
    services: tuple[ScheduledService, ...] = ()
    removal: ScheduleChange = ScheduleChange.CANCEL
    reason: str = ""
    overbook: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareStep(Command[None]):
    """The patient is prepared and in the room (READY)."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordNoShow(Command[None]):
    """The patient did not come; the time is given back."""

    appointment: str
    reason: str = ""  # what was heard of it: not reached, forgot, is ill


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireHolds(Command[int]):
    """Let go of holds whose time is over; returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResourceHours(Command[None]):
    """Replace a resource's weekly hours; weekday 0 is Monday."""

    resource: str
    hours: tuple[tuple[int, time, time], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What became of closing a resource: its key, and how many live bookings lie inside."""

    closure: int
    bookings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddClosure(Command[Closed]):
    """Close a resource for an interval (vacation, building work), also over what is booked."""

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
    zone: tzinfo | None = None  # of its site, whose clock people go by; None: as the settings say


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentProposed(Event):
    order: str
    step: str
    appointment: str
    start_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentAnswered(Event):
    order: str
    appointment: str
    participant: Participant
    answer: Answer


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
    followed: bool = False  # the actor keeps the calendar and told us of it


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
    followed: bool = False
    arrived: bool = False  # the patient is here


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentModified(Event):
    """Something but time and station: how long, why, by whom."""

    order: str
    step: str
    appointment: str
    start_at: datetime
    end_at: datetime
    station: str
    followed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentCanceled(Event):
    order: str
    step: str
    appointment: str
    reason: str
    start_at: datetime
    end_at: datetime
    station: str
    followed: bool = False


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
    followed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursSet(Event):
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureAdded(Event):
    resource: str
    closure: int
    bookings: int = 0  # live ones that lie inside
    start_at: datetime | None = None
    end_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureRemoved(Event):
    resource: str
    closure: int
    start_at: datetime | None = None
    end_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureReopened(Event):
    """A part of a closure is open again; ``rest`` are the closures that stand for what is not."""

    resource: str
    closure: int
    rest: tuple[int, ...]
    start_at: datetime
    end_at: datetime
