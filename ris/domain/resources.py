"""Rooms, devices and staff as things to book: commands, events, and whom kept time is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.facility import ResourceKind
from ris.domain.scheduling import Closed

# --- kept time


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFor:
    """Whom time is kept for: one of each list that has any; with none, nobody.

    Whether an exam may have it is asked of ``ris.domain.openings.Reservation``.
    """

    procedures: tuple[str, ...] = ()  # codes of the catalog
    modalities: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # who asks: department or requesting service

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it names, for people."""
        return (*self.procedures, *self.modalities, *self.priorities, *self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTime:
    """One stretch of a block: when, for whom, and when it is everybody's."""

    block: str  # public id
    label: str
    start_at: datetime
    end_at: datetime
    kept_for: KeptFor = field(default_factory=KeptFor)
    release_at: datetime | None = None  # None: never by itself
    released: bool = False  # by hand

    def is_free_for_all(self, now: datetime) -> bool:
        """Computed, never stored: nothing has to happen at that moment."""
        return self.released or (self.release_at is not None and now >= self.release_at)


def release_at(start_at: datetime, hours_before: int | None) -> datetime | None:
    return None if hours_before is None else start_at - timedelta(hours=hours_before)


# --- commands


def named(kind: ResourceKind, name: str) -> str:
    """A resource by its name, where :class:`ImportResources` asks for its public id."""
    return f"{kind.value}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterStaff(Command[str]):
    """Create or change somebody who is booked; returns the public id. ``staff``: who to change."""

    name: str
    staff: str = ""
    skills: tuple[str, ...] = ()
    practitioner: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResource(Command[None]):
    """What booking has to know of a room, device or person; None leaves it as it is."""

    resource: str
    name: str | None = None  # of rooms and staff; a device is named by its AE title
    site: str | None = None  # the name of one; empty: none. A device has that of its room
    buffer_before_minutes: int | None = None
    buffer_after_minutes: int | None = None
    gap_minutes: int | None = None  # of rooms and devices; 0: as the site says
    open_on_holidays: bool | None = None
    note: str | None = None
    groups: tuple[str, ...] | None = None  # names of those it shall be in


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireResource(Command[int]):
    """Take a room or a person out of use; returns how many bookings still lie ahead."""

    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreResource(Command[None]):
    """Take it into use again."""

    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveGroup(Command[str]):
    """Create or change a group of resources; returns its public id. ``group``: which to change."""

    name: str
    members: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveGroup(Command[None]):
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetHoliday(Command[str]):
    """Name a day on which a site, or every site, is closed; returns its public id."""

    date: date
    name: str
    site: str = ""  # the name of one; empty: all


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveHoliday(Command[None]):
    holiday: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedTime:
    """A stretch of time of one resource, by names any of which may be a device's or room's."""

    stations: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowClosures(Command[tuple[int, ...]]):
    """Close what another scheduler blocked on its calendar, or open it again (HL7 SIU S23, S24).

    Opened is what was closed for the same sender, also a part of it; what people here closed, and
    what is down, stays as it is. Returns the closures that were added.
    """

    times: tuple[BlockedTime, ...]
    closed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginDowntime(Command[Closed]):
    """A resource does not work: from now or then, until then or until further notice.

    Said of one that is down at that time already, it changes why and until when.
    """

    resource: str
    reason: str
    start_at: datetime | None = None
    end_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndDowntime(Command[None]):
    """It works again: what was said of later is taken back, what was before stays on record."""

    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveBlock(Command[str]):
    """Keep time of a resource for some, or change what is kept (``block``); returns its public id.

    Weekly (``weekday``, ``opens``, ``closes``) in site-local time, or once (``start_at``,
    ``end_at``).
    """

    label: str
    resource: str = ""
    block: str = ""
    weekday: int | None = None
    opens: time | None = None
    closes: time | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    kept_for: KeptFor = field(default_factory=KeptFor)
    release_hours_before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseBlock(Command[None]):
    """Give kept time to everybody: all of it, or a weekly block's stretch of one day."""

    block: str
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveBlock(Command[None]):
    block: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResources(Command[int]):
    """Carry out what a file or form asks for, all or none; each is allowed as if it were alone.

    A resource may be :func:`named`, for what an earlier one of the commands makes.
    """

    commands: tuple[Command[Any], ...]


# --- events


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffRegistered(Event):
    staff: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookableChanged(Event):
    """Name, site, buffers, gaps, holidays, groups or note of a room, device or person."""

    resource: str
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRetired(Event):
    resource: str
    bookings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRestored(Event):
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSaved(Event):
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRemoved(Event):
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidaySet(Event):
    holiday: str
    date: date
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayRemoved(Event):
    holiday: str
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DowntimeBegun(Event):
    """``end_at`` empty: until further notice."""

    resource: str
    closure: int
    start_at: datetime
    end_at: datetime | None = None
    reason: str = ""
    bookings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DowntimeEnded(Event):
    resource: str
    closures: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReserved(Event):
    resource: str
    block: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReleased(Event):
    resource: str
    block: str
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRemoved(Event):
    resource: str
    block: str
