"""Rooms and devices, staff, holidays and kept time as CSV files, and the commands of their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from typing import Any

from django.utils.translation import gettext_lazy as _

from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError
from ris.domain.facility import RegisterRoom, ResourceKind
from ris.domain.opening_hours import DAYS, as_rows, clock, closing, read_day, write_day
from ris.domain.orders import Priority
from ris.domain.resources import (
    ChangeResource,
    KeptFor,
    RegisterStaff,
    RemoveBlock,
    RemoveHoliday,
    ReserveBlock,
    RestoreResource,
    RetireResource,
    SetHoliday,
    named,
)
from ris.domain.scheduling import SetResourceHours
from ris.selectors import resource_records
from ris.web.sheets import Column, Kind, Row, Values, listing, text, whole, yes_no
from ris.web.wall_clock import ComesTwiceError, moment

_PLACES = (ResourceKind.ROOM.value, ResourceKind.DEVICE.value)
_CLOCK = re.compile(r"(\d{1,2})(?:[:.]?(\d{2}))?$")


# --- kinds of columns


def _kind_column(*kinds: str) -> Column:
    def read(word: str) -> str:
        if word.upper() not in kinds:
            raise InvalidValueError(f"kind is {' or '.join(kinds).lower()}", path="kind")
        return word.upper()

    return Column(name="kind", read=read, write=str.lower, required=True)


def _day_column(name: str) -> Column:
    return Column(
        name=name, read=lambda word: read_day(word, path=name), write=write_day, default=()
    )


def _date_column(name: str, *, required: bool = False) -> Column:
    def read(word: str) -> date | None:
        if not word:
            return None
        try:
            return date.fromisoformat(word)
        except ValueError:
            raise InvalidValueError(f"{name} is a day like 2026-05-01", path=name) from None

    return Column(
        name=name,
        read=read,
        write=lambda value: value.isoformat() if value else "",
        default=None,
        required=required,
    )


def _clock_column(name: str, *, ends: bool = False) -> Column:
    def read(word: str) -> time | None:
        match = _CLOCK.match(word)
        if not word:
            return None
        if match is None:
            raise InvalidValueError(f"{name} is a time like 13:30", path=name)
        return clock(match[1], match[2] or "00", name)

    def write(value: time | None) -> str:
        if value is None:
            return ""
        return closing(value) if ends else f"{value:%H:%M}"

    return Column(name=name, read=read, write=write, default=None)


def _moment_column(name: str) -> Column:
    """A time on the wall; of one that comes twice with the offset of the one that is meant."""

    def read(word: str) -> datetime | None:
        if not word:
            return None
        try:
            found = datetime.fromisoformat(word.replace(" ", "T"))
        except ValueError:
            found = None
        if found is None:
            raise InvalidValueError(f"{name} is a time like 2026-05-01 13:30", path=name)
        return found.replace(second=0, microsecond=0)

    return Column(
        name=name,
        read=read,
        write=lambda value: value.isoformat(" ", "minutes") if value else "",
        default=None,
    )


def _weekday_column() -> Column:
    def read(word: str) -> int | None:
        if not word:
            return None
        found = [index for index, name in enumerate(DAYS) if name.startswith(word.lower()[:3])]
        if len(word) < 2 or not found:
            raise InvalidValueError("weekday is a day like Monday", path="weekday")
        return found[0]

    return Column(
        name="weekday",
        read=read,
        write=lambda value: "" if value is None else DAYS[value].capitalize(),
        default=None,
    )


def _hours_column(name: str) -> Column:
    """Hours, where empty is another word than nought."""
    number = whole(name, most=366 * 24)
    return Column(
        name=name,
        read=lambda word: number.read(word) if word else None,
        write=lambda value: "" if value is None else str(value),
        default=None,
    )


def _priorities_column() -> Column:
    words = listing("priorities", upper=True)

    def read(word: str) -> tuple[str, ...]:
        found: tuple[str, ...] = words.read(word)
        for each in found:
            if each not in Priority.__members__:
                raise InvalidValueError(
                    f"priorities are {', '.join(Priority.__members__)}", path="priorities"
                )
        return found

    return Column(name="priorities", read=read, write=words.write, default=())


# --- rooms and devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One of the files: its rows as they are, and what a row of a new one asks for."""

    kind: Kind
    title: Any
    file: str
    present: Callable[[], Sequence[Values]]
    commands: Callable[[Row], Sequence[Command[Any]]]


def _detail_commands(row: Row, key: str, kind: ResourceKind) -> list[Command[Any]]:
    """What rooms, devices and people have in common; a retired one is left as it is otherwise."""
    values, found = row.values, list[Command[Any]]()
    before = row.before or {}
    if before and values["in_use"] != before["in_use"]:
        retiring = before["in_use"]
        found.append(RetireResource(resource=key) if retiring else RestoreResource(resource=key))
    changed = set(row.changed) if before else set(values)
    details = {"site", "buffer_before_minutes", "buffer_after_minutes", "gap_minutes", "note",
               "groups", "open_on_holidays"} & changed  # fmt: skip
    if kind is ResourceKind.DEVICE or kind is ResourceKind.STAFF:
        details.discard("site")
    if details:
        found.append(ChangeResource(resource=key, **{name: values[name] for name in details}))
    if changed & set(DAYS) and (before or any(values[day] for day in DAYS)):
        rows = as_rows([values[day] for day in DAYS])
        found.append(SetResourceHours(resource=key, hours=rows))
    return found


def _check_place(values: Values, before: Values | None) -> list[str]:
    if values["kind"] != ResourceKind.DEVICE.value:
        return [] if before or values["in_use"] else ["A new room is in use."]
    if before is None:
        return [f"There is no device {values['name']}; devices are registered by their AE title."]
    same = {"site": "A device is where its room is.",
            "in_use": "A device is put out of use on its own page."}  # fmt: skip
    return [words for name, words in same.items() if values[name] != before[name]]


def _place_commands(row: Row) -> list[Command[Any]]:
    kind = ResourceKind(row.values["kind"])
    key = named(kind, row.values["name"])
    found = _detail_commands(row, key, kind)
    if row.before is None:
        found.insert(0, RegisterRoom(name=row.values["name"], site=row.values["site"]))
    return found


_DETAILS = (
    *(_day_column(day) for day in DAYS),
    whole("buffer_before_minutes", most=240),
    whole("buffer_after_minutes", most=240),
    listing("groups"),
    text("note", limit=500),
    yes_no("in_use", default=True),
)

PLACES = Table(
    title=_("Rooms and devices"),
    file="rooms-and-devices.csv",
    kind=Kind(
        columns=(
            _kind_column(*_PLACES),
            text("name", limit=64, required=True),
            text("site", limit=100),
            yes_no("open_on_holidays", default=False),
            whole("gap_minutes", most=240),
            *_DETAILS,
        ),
        key=("kind", "name"),
        noun="room or device",
        title=("name",),
        in_use="in_use",
        check=_check_place,
    ),
    present=lambda: resource_records.resources(ResourceKind.ROOM, ResourceKind.DEVICE),
    commands=_place_commands,
)


# --- staff


def _staff_commands(row: Row) -> list[Command[Any]]:
    values, before = row.values, row.before
    found = _detail_commands(row, named(ResourceKind.STAFF, values["name"]), ResourceKind.STAFF)
    if before is None or {"skills", "site"} & set(row.changed):
        registered = RegisterStaff(
            staff=before["staff"] if before else "",
            name=values["name"],
            skills=values["skills"],
            site=values["site"],
            practitioner=before["practitioner"] if before else "",
        )
        found.insert(0, registered)
    return found


STAFF = Table(
    title=_("Staff"),
    file="staff.csv",
    kind=Kind(
        columns=(
            text("name", limit=64, required=True),
            listing("skills"),
            text("site", limit=100),
            *_DETAILS,
        ),
        key=("name",),
        noun="person",
        title=("name",),
        in_use="in_use",
    ),
    present=lambda: resource_records.resources(ResourceKind.STAFF),
    commands=_staff_commands,
)


# --- holidays


def _holiday_commands(row: Row) -> list[Command[Any]]:
    values = row.values
    if not values["closed"]:
        return [RemoveHoliday(holiday=values["id"])]
    return [SetHoliday(date=values["date"], name=values["name"], site=values["site"])]


HOLIDAYS = Table(
    title=_("Holidays"),
    file="holidays.csv",
    kind=Kind(
        columns=(
            _date_column("date", required=True),
            text("name", limit=100, required=True),
            text("site", limit=100),
            yes_no("closed", default=True),
        ),
        key=("date", "site"),
        noun="holiday",
        title=("name", "date"),
        in_use="closed",
    ),
    present=resource_records.holidays,
    commands=_holiday_commands,
)


# --- kept time


def _at(wall: datetime, zone: tzinfo) -> datetime:
    return wall if wall.tzinfo else moment(wall.date(), wall.time(), zone)


def _check_block(values: Values, _before: Values | None) -> list[str]:
    weekly = [values[name] for name in ("weekday", "opens", "closes")]
    once = [values[name] for name in ("starts", "ends")]
    if all(part is not None for part in weekly) and once == [None, None]:
        return []
    if all(part is not None for part in once) and weekly == [None, None, None]:
        zone = resource_records.zone(values["kind"], values["resource"])
        try:
            starts, ends = (_at(part, zone) for part in once)
        except ComesTwiceError as error:
            written = " or ".join(each.at.isoformat(" ", "minutes") for each in error.offered)
            return [f"That time comes twice: write {written}."]
        except InvalidValueError as error:
            return [f"{error.message[:1].upper()}{error.message[1:]}."]
        return [] if starts < ends else ["It ends after it starts."]
    return ["Say either weekday, opens and closes, or starts and ends."]


def _block_commands(row: Row) -> list[Command[Any]]:
    values, before = row.values, row.before
    if not values["reserved"]:
        return [RemoveBlock(block=before["id"])] if before else []
    key = named(ResourceKind(values["kind"]), values["resource"])
    zone = resource_records.zone(values["kind"], values["resource"])
    starts, ends = values["starts"], values["ends"]
    return [
        ReserveBlock(
            block=before["id"] if before else "",
            resource=key,
            label=values["label"],
            **{name: values[name] for name in ("weekday", "opens", "closes", "valid_from",
                                               "valid_until", "release_hours_before")},
            start_at=_at(starts, zone) if starts else None,
            end_at=_at(ends, zone) if ends else None,
            kept_for=KeptFor(
                procedures=values["procedures"],
                modalities=values["modalities"],
                priorities=values["priorities"],
                groups=values["departments"],
            ),
        )
    ]  # fmt: skip


BLOCKS = Table(
    title=_("Reserved time"),
    file="reserved-time.csv",
    kind=Kind(
        columns=(
            _kind_column(*(kind.value for kind in ResourceKind)),
            text("resource", limit=64, required=True),
            text("label", limit=64, required=True),
            _weekday_column(),
            _clock_column("opens"),
            _clock_column("closes", ends=True),
            _date_column("valid_from"),
            _date_column("valid_until"),
            _moment_column("starts"),
            _moment_column("ends"),
            _priorities_column(),
            listing("modalities", upper=True),
            listing("procedures"),
            listing("departments"),
            _hours_column("release_hours_before"),
            yes_no("reserved", default=True),
        ),
        key=("kind", "resource", "label", "weekday", "opens", "starts"),
        noun="block",
        title=("label",),
        in_use="reserved",
        check=_check_block,
    ),
    present=resource_records.blocks,
    commands=_block_commands,
)

TABLES: Mapping[str, Table] = {
    "places": PLACES,
    "staff": STAFF,
    "holidays": HOLIDAYS,
    "reserved": BLOCKS,
}
