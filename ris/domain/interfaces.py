"""What makes a connection worth a look: limits, hours, alerts, and how answer times are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.errors import InvalidValueError
from ris.domain.opening_hours import parse_hours

# Answer times are counted in classes: up to so many milliseconds, and one class for all above.
LIMITS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000)


class AlertKind(StrEnum):
    SILENT = "SILENT"  # nothing came or went in the hours when something should
    LAGGING = "LAGGING"  # what waits is older or more than agreed
    UNREACHED = "UNREACHED"  # it does not answer
    PARKED = "PARKED"  # a message was refused or given up and holds others up
    REFUSED = "REFUSED"  # many messages refused within an hour
    WAITING = "WAITING"  # messages in that nobody dealt with


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """When a connection is to be reported; a limit of 0 is none."""

    hours: tuple[str, ...] = ()  # "Mon-Fri 07:00-19:00"; none: always
    silent_minutes: int = 0
    oldest_minutes: int = 15
    queued: int = 1000
    refused_an_hour: int = 20

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Watch:
        """Raises InvalidValueError with the place for what is no limit."""
        known = {field.name for field in fields(cls)}
        for name, value in said.items():
            path = f"watch.{name}"
            if name not in known:
                raise InvalidValueError(f"watch knows no {name}", path=path)
            if name == "hours":
                _check_hours(value, path)
            elif isinstance(value, bool) or not isinstance(value, int):
                raise InvalidValueError("a limit is a whole number", path=path)
            elif not 0 <= value <= 100_000:
                raise InvalidValueError("a limit is 0 to 100000", path=path)
        given = dict(said)
        if "hours" in given:
            given["hours"] = tuple(given["hours"])
        return cls(**given)

    def said(self) -> dict[str, Any]:
        """Only what differs from the defaults, so that these can improve."""
        default = asdict(Watch())
        found = {name: value for name, value in asdict(self).items() if value != default[name]}
        if "hours" in found:
            found["hours"] = list(found["hours"])
        return found

    def is_on(self, local: datetime) -> bool:
        """Whether the hours include a local time."""
        return not self.hours or any(
            day == local.weekday() and opens <= local.time() < closes
            for text in self.hours
            for day, opens, closes in parse_hours(text)
        )


def _check_hours(value: Any, path: str) -> None:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise InvalidValueError("hours are a list of texts", path=path)
    for text in value:
        try:
            parse_hours(text)
        except InvalidValueError as error:
            raise InvalidValueError(error.message, path=path) from None


# --- answer times


def class_of(milliseconds: float) -> int:
    """The number of the class that an answer time falls into."""
    return next(
        (number for number, limit in enumerate(LIMITS) if milliseconds <= limit), len(LIMITS)
    )


def added(counts: Sequence[Sequence[int]]) -> list[int]:
    """Several rows of counts as one."""
    total = [0] * (len(LIMITS) + 1)
    for row in counts:
        for number, count in enumerate(row[: len(total)]):
            total[number] += count
    return total


def percentile(counts: Sequence[int], share: float = 0.95) -> int | None:
    """The limit that ``share`` of the answers stayed within; None without any.

    -1: not within the highest limit.
    """
    whole = sum(counts)
    if not whole:
        return None
    for limit, sofar in zip((*LIMITS, -1), accumulate(counts), strict=True):
        if sofar >= whole * share:
            return limit
    return -1


# --- alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAlerts(Command[int]):
    """Begin and end alerts by how the connections stand now; how many changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeAlert(Command[None]):
    """Somebody has seen an alert and says what is done about it."""

    alert: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised(Event):
    alert: str
    kind: AlertKind
    endpoint: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEnded(Event):
    alert: str
    kind: AlertKind
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertAcknowledged(Event):
    alert: str
    note: str


# --- the names of connections in counts


def link_in(protocol: str, endpoint_id: int | None) -> str:
    """Of a peer that sends to us; without an endpoint, all that nobody registered together."""
    return f"in:{protocol}:{endpoint_id or '-'}"


def link_out(endpoint_id: int) -> str:
    return f"out:{endpoint_id}"
