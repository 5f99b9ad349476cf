"""Kinds of search parameters: how their values are read (FHIR R4 3.1.1.4).

A parameter turns the alternatives of one occurrence (``a,b``) into one more condition of the
criteria; occurrences of the same parameter must all match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from integration.fhir import bindings, systems
from integration.fhir.outcome import HttpError
from integration.fhir.systems import Systems
from ris.selectors.search.terms import (
    UID,
    CodeTerm,
    Comparison,
    DateTerm,
    IdentifierTerm,
    TextMode,
    TextTerm,
    TimeTerm,
)

Criteria = dict[str, Any]
MAX_LENGTH = 200  # of one value: longer ones match nothing anybody stored

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(\d{4}.*)")
_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(Z|[+-]\d\d:\d\d)?)?)?)?"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a value needs to know of this server and this moment."""

    base: str
    systems: Systems = field(default_factory=Systems)
    zone: tzinfo = field(default_factory=lambda: ZoneInfo("UTC"))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A row of a search parameter table; ``expression`` is that of the official definition."""

    type: ClassVar[str] = ""
    name: str
    expression: str
    field: str = ""
    documentation: str = ""

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset()

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        """Add the condition that one of ``values`` matches."""
        if modifier not in {"", *self.modifiers}:
            raise refused(self.name, f"the modifier :{modifier} is not supported")
        add(into, self.field, [self.read(value, modifier, reading) for value in values])

    def read(self, value: str, modifier: str, reading: Reading) -> Any:
        raise NotImplementedError


def add(into: Criteria, name: str, terms: Sequence[Any]) -> None:
    into[name] = (*into.get(name, ()), tuple(terms))


def refused(name: str, message: str) -> HttpError:
    return HttpError(400, "invalid", f"{name}: {message}")


def alternatives(name: str, value: str) -> list[str]:
    """The values between commas; a backslash takes the meaning of the character behind it."""
    if len(value) > 64 * MAX_LENGTH:
        raise refused(name, "the value is too long")
    found, part, escaped = [], "", False
    for char in value:
        if escaped:
            # Kept escaped for what is split next: | and $ mean something there.
            part += char if char in ",\\" else f"\\{char}"
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ",":
            found.append(part)
            part = ""
        else:
            part += char
    found.append(part)
    if not all(found):
        raise refused(name, "an empty value")
    if any(len(each) > MAX_LENGTH for each in found):
        raise refused(name, f"a value is longer than {MAX_LENGTH} characters")
    return found


def token(value: str) -> tuple[str | None, str]:
    """(system, code) of ``system|code``; the system is None where there is no bar."""
    bar = re.search(r"(?<!\\)\|", value)
    if bar is None:
        return None, _plain(value)
    return _plain(value[: bar.start()]), _plain(value[bar.end() :])


def _plain(value: str) -> str:
    return value.replace("\\|", "|").replace("\\$", "$")


# --- token


@dataclass(frozen=True, slots=True, kw_only=True)
class IdParameter(Parameter):
    type: ClassVar[str] = "token"

    def read(self, value: str, modifier: str, reading: Reading) -> str:
        return value if _ID.fullmatch(value) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierParameter(Parameter):
    """``system|value``, ``|value``, ``system|``, ``value``; DICOM UIDs also as ``urn:oid:``."""

    type: ClassVar[str] = "token"

    def read(self, value: str, modifier: str, reading: Reading) -> IdentifierTerm:
        return identifier_term(value, reading)


def identifier_term(value: str, reading: Reading) -> IdentifierTerm:
    system, number = token(value)
    if system == systems.DICOM_UID or (system is None and number.startswith("urn:oid:")):
        return IdentifierTerm(number.removeprefix("urn:oid:"), UID)
    return IdentifierTerm(number, None if system is None else reading.systems.issuer(system))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainTokenParameter(Parameter):
    """A token whose system is always the same, such as the station's AE title or a modality."""

    type: ClassVar[str] = "token"
    system: str = ""

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        if modifier:
            raise refused(self.name, f"the modifier :{modifier} is not supported")
        tokens = [token(value) for value in values]
        # Of another system there is nothing: without any alternative left nothing matches.
        add(into, self.field, [code for system, code in tokens if system in {None, self.system}])


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeParameter(Parameter):
    type: ClassVar[str] = "token"

    def read(self, value: str, modifier: str, reading: Reading) -> CodeTerm:
        system, code = token(value)
        if system is None:
            return CodeTerm(code)
        return CodeTerm(code, systems.schemes(system) if system else ("",))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateParameter(Parameter):
    """A code that a projection table shows; searching turns the table around.

    ``tables`` has one table per field of the criteria that the code may come from.
    """

    type: ClassVar[str] = "token"
    tables: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"not"})

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        if modifier not in {"", *self.modifiers}:
            raise refused(self.name, f"the modifier :{modifier} is not supported")
        codes = frozenset(token(value)[1] for value in values)
        for name, table in self.tables.items():
            rows = bindings.keys(table, codes)
            if modifier == "not":
                rows = frozenset(table) - rows
            before = into.get(name)
            into[name] = rows if before is None else before & rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantParameter(Parameter):
    """An element that has the same codes in every resource of the type."""

    type: ClassVar[str] = "token"
    codes: tuple[tuple[str, str], ...] = ()  # (system, code)

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        if modifier:
            raise refused(self.name, f"the modifier :{modifier} is not supported")
        matches = any(self._is_one(value) for value in values)
        into["possible"] = into.get("possible", True) and matches

    def _is_one(self, value: str) -> bool:
        system, code = token(value)
        return any(
            system in {None, own_system} and code in {"", own_code}
            for own_system, own_code in self.codes
        )


# --- reference


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceParameter(Parameter):
    """A reference to one of ``targets``, by id, relative or absolute address.

    ``element`` is the path of the Reference in the answer, for ``_include``. ``chains`` maps a
    parameter of the target to the field that answers it: ``patient.identifier``.
    """

    type: ClassVar[str] = "reference"
    targets: tuple[str, ...]
    element: tuple[str, ...]
    chains: Mapping[str, str] = field(default_factory=dict)

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({*self.targets, *(["identifier"] if "identifier" in self.chains else [])})

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        if modifier == "identifier" and "identifier" in self.chains:
            self.apply_chain("identifier", values, reading, into)
            return
        # Not super(): a dataclass with slots is another class than the one super() looks for.
        Parameter.apply(self, values, modifier, reading, into)

    def apply_chain(
        self, name: str, values: Sequence[str], reading: Reading, into: Criteria
    ) -> None:
        if name not in self.chains:
            raise refused(f"{self.name}.{name}", "this chain is not supported")
        add(into, self.chains[name], [identifier_term(value, reading) for value in values])

    def read(self, value: str, modifier: str, reading: Reading) -> str:
        """The id; empty, which matches nothing, for what cannot be referred to."""
        text = value.removeprefix(f"{reading.base}/")
        kind, slash, public_id = text.rpartition("/")
        if slash and kind not in self.targets:
            return ""
        if modifier and slash and kind != modifier:
            return ""
        return public_id if _ID.fullmatch(public_id) else ""


# --- string


@dataclass(frozen=True, slots=True, kw_only=True)
class StringParameter(Parameter):
    type: ClassVar[str] = "string"

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"exact", "contains"})

    def read(self, value: str, modifier: str, reading: Reading) -> TextTerm:
        modes = {"exact": TextMode.EXACT, "contains": TextMode.CONTAINS}
        return TextTerm(_plain(value), modes.get(modifier, TextMode.STARTS))


# --- date


@dataclass(frozen=True, slots=True, kw_only=True)
class DateParameter(Parameter):
    """A date or time to any precision; without a zone it is the site's."""

    type: ClassVar[str] = "date"

    def read(self, value: str, modifier: str, reading: Reading) -> TimeTerm:
        prefix, text = _prefixed(self.name, value)
        low, high = interval(self.name, text, reading.zone)
        if prefix == "ap":
            # A tenth of the distance from now (FHIR R4 3.1.1.4.5), at least the precision given.
            slack = abs(reading.now - low) / 10
            return TimeTerm(Comparison.EQ, low - slack, high + slack)
        return TimeTerm(Comparison(prefix), low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialDateParameter(Parameter):
    """A date without time, such as a birth date."""

    type: ClassVar[str] = "date"

    def read(self, value: str, modifier: str, reading: Reading) -> DateTerm:
        prefix, text = _prefixed(self.name, value)
        interval(self.name, text, UTC)
        if len(text) > 10:
            text = text[:10]
        # About a birth date: the same month.
        return (
            DateTerm(Comparison.EQ, text[:7])
            if prefix == "ap"
            else DateTerm(Comparison(prefix), text)
        )


def _prefixed(name: str, value: str) -> tuple[str, str]:
    found = _PREFIX.fullmatch(value)
    if found is None:
        raise refused(name, "not a date")
    return found[1] or "eq", found[2]


def interval(name: str, text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The time [low, high) that a date to its precision means."""
    # A "+" that the client did not escape arrives as a space.
    found = _TIME.fullmatch(text.replace(" ", "+"))
    if found is None:
        raise refused(name, "not a date")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        low = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(offset) if offset else zone,
        )
        high = _next(low, [month, day, hour, second, fraction])
        return low.astimezone(UTC), high.astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(name, "no such date") from None


def _zone(offset: str) -> tzinfo:
    return datetime.fromisoformat(f"2000-01-01T00:00:00{offset}").tzinfo or UTC


def _next(low: datetime, given: list[str | None]) -> datetime:
    """The first instant after what was meant by a date to this precision."""
    month, day, hour, second, fraction = given
    if month is None:
        return low.replace(year=low.year + 1)
    if day is None:
        return low.replace(year=low.year + low.month // 12, month=low.month % 12 + 1)
    if hour is None:
        following = low.date() + timedelta(days=1)
        return low.replace(year=following.year, month=following.month, day=following.day)
    if second is None:
        return low + timedelta(minutes=1)
    if fraction is None:
        return low + timedelta(seconds=1)
    return low + timedelta(microseconds=10 ** max(6 - len(fraction), 0))


Reader = Callable[[str, str, Reading], Any]
