"""Kinds of search parameters: how their values are read (FHIR R4 3.1.1.4).

A parameter turns the alternatives of one occurrence (``a,b``) into one more condition of the
criteria; occurrences of the same parameter must all match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from integration.fhir import bindings, systems
from integration.fhir.outcome import HttpError
from integration.fhir.scopes import Filter
from integration.fhir.systems import Systems
from ris.selectors.search import Finder, Referred
from ris.selectors.search.criteria import Common
from ris.selectors.search.terms import (
    NO_TYPE,
    UID,
    Chosen,
    CodeTerm,
    IdentifierTerm,
    TextMode,
    TextTerm,
)

# Modifiers of R4 that stay refused, and why (FHIR R4 3.1.1.4.5).
_REFUSED_MODIFIERS = {
    "in": "needs a value set, and no value sets are kept here",
    "not-in": "needs a value set, and no value sets are kept here",
    "above": "needs a hierarchy of codes or addresses, which is not known here",
    "below": "needs a hierarchy of codes or addresses, which is not known here",
}

Criteria = dict[str, Any]
MAX_LENGTH = 200  # of one value: longer ones match nothing anybody stored
# Of values between commas: a name is three conditions, and SQLite takes a thousand in a row.
MAX_ALTERNATIVES = 300

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a value needs to know of this server and this moment."""

    base: str
    systems: Systems = field(default_factory=Systems)
    zone: tzinfo = field(default_factory=lambda: ZoneInfo("UTC"))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    access: Access | None = None  # None: nothing is held back

    def readable(self, kind: str) -> bool:
        """Whether the client may see anything of a type."""
        return self.access is None or self.access.may(kind, "rs")

    def filters(self, kind: str) -> tuple[Filter, ...] | None:
        """The rows of a type that the client may see: of one of these; None: all of them."""
        return None if self.access is None else self.access.filters(kind, "rs")


class Access(Protocol):
    """What a client may do, and with which rows."""

    def may(self, kind: str, letters: str) -> bool: ...

    def filters(self, kind: str, letters: str) -> tuple[Filter, ...] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A row of a search parameter table; ``expression`` is that of the official definition."""

    type: ClassVar[str] = ""
    indexed: ClassVar[bool] = False  # answered by the index of what clients sent
    negates: ClassVar[bool] = False  # apply() knows :not itself
    name: str
    expression: str
    field: str = ""
    documentation: str = ""
    always: bool = False  # no resource is without a value
    present: str = ""  # the field of the criteria that says whether there is a value, if another

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing"})

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        """Add the condition that one of ``values`` matches."""
        self.require(modifier)
        add(into, self.field, [self.read(value, modifier, reading) for value in values])

    def require(self, modifier: str) -> None:
        """Raise HttpError 400 for a modifier that is not known here."""
        if modifier not in {"", *self.modifiers}:
            why = _REFUSED_MODIFIERS.get(modifier, "is not supported")
            raise refused(self.name, f"the modifier :{modifier[:64]} {why}")

    def missing(self, absent: bool, into: Criteria) -> None:
        """Add the condition that there is no value, or that there is one."""
        if self.always:
            into["possible"] = into.get("possible", True) and not absent
        else:
            name = self.present or self.field
            into["present"] = (*into.get("present", ()), (name, not absent))

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
    if len(found) > MAX_ALTERNATIVES:
        raise HttpError(400, "too-costly", f"{name}: more than {MAX_ALTERNATIVES} values")
    if any(len(each) > MAX_LENGTH for each in found):
        raise refused(name, f"a value is longer than {MAX_LENGTH} characters")
    return found


def token(value: str) -> tuple[str | None, str]:
    """(system, code) of ``system|code``; the system is None where there is no bar."""
    bar = re.search(r"(?<!\\)\|", value)
    if bar is None:
        return None, plain(value)
    return plain(value[: bar.start()]), plain(value[bar.end() :])


def plain(value: str) -> str:
    return value.replace("\\|", "|").replace("\\$", "$")


# --- token


@dataclass(frozen=True, slots=True, kw_only=True)
class IdParameter(Parameter):
    type: ClassVar[str] = "token"
    always: bool = True

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "not"})

    def read(self, value: str, modifier: str, reading: Reading) -> str:
        return value if _ID.fullmatch(value) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierParameter(Parameter):
    """``system|value``, ``|value``, ``system|``, ``value``; DICOM UIDs also as ``urn:oid:``.

    ``:of-type`` (FHIR R4 3.1.1.4.10) is ``system|code|value`` with a type of HL7 table 0203;
    ``types`` are those that have a meaning here.
    """

    type: ClassVar[str] = "token"
    types: tuple[str, ...] = ()

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "not", *(["of-type"] if self.types else [])})

    def read(self, value: str, modifier: str, reading: Reading) -> IdentifierTerm:
        if modifier != "of-type":
            return identifier_term(value, reading)
        system, code, number = of_type(self.name, value)
        known = "*" in self.types or code in self.types
        known = known and system in {"", systems.IDENTIFIER_TYPE}
        return IdentifierTerm(number, type=code if known else NO_TYPE)


def of_type(name: str, value: str) -> tuple[str, str, str]:
    """(system, code, value) of ``system|code|value``; all but the system must be there."""
    parts = [plain(part) for part in re.split(r"(?<!\\)\|", value)]
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise refused(name, ":of-type asks for system|code|value")
    return parts[0], parts[1], parts[2]


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

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "not"})

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        self.require(modifier)
        tokens = [token(value) for value in values]
        # Of another system there is nothing: without any alternative left nothing matches.
        add(into, self.field, [code for system, code in tokens if system in {None, self.system}])


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeParameter(Parameter):
    """A coded value; ``:text`` looks at what it means in words."""

    type: ClassVar[str] = "token"

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "not", "text"})

    def read(self, value: str, modifier: str, reading: Reading) -> CodeTerm:
        if modifier == "text":
            return CodeTerm("", meaning=plain(value))
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
    negates: ClassVar[bool] = True
    tables: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    always: bool = True

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "not"})

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        self.require(modifier)
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
    negates: ClassVar[bool] = True
    codes: tuple[tuple[str, str], ...] = ()  # (system, code)
    always: bool = True

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "not"})

    def apply(self, values: Sequence[str], modifier: str, reading: Reading, into: Criteria) -> None:
        self.require(modifier)
        matches = any(self._is_one(value) for value in values)
        into["possible"] = into.get("possible", True) and matches is (modifier != "not")

    def _is_one(self, value: str) -> bool:
        system, code = token(value)
        return any(
            system in {None, own_system} and code in {"", own_code}
            for own_system, own_code in self.codes
        )


# --- reference

_LOCAL = re.compile(
    r"(?:https?://[^?#]+/)?(?P<kind>[A-Z][A-Za-z]{1,63})/(?P<id>[0-9a-fA-F-]{36})(?:/_history/[^/]+)?"
)


def local(reference: str) -> tuple[str, str]:
    """(type, public id) of what may be here, as all ids of this server are UUIDs; else empty."""
    found = _LOCAL.fullmatch(reference)
    if found is None:
        return "", ""
    try:
        return found["kind"], str(UUID(found["id"]))
    except ValueError:
        return "", ""


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
        by_number = ["identifier"] if "identifier" in self.chains else []
        return frozenset({"missing", *self.targets, *by_number})

    def may_be(self, target: str) -> bool:
        """Whether it may refer to this type; without targets it may refer to any."""
        return not self.targets or target in self.targets

    def apply_chain(
        self, name: str, values: Sequence[str], reading: Reading, into: Criteria
    ) -> None:
        """A chain that the criteria have a field of their own for."""
        add(into, self.chains[name], [identifier_term(value, reading) for value in values])

    def narrow(self, chosen: Sequence[tuple[str, Chosen]], into: Criteria) -> None:
        """Add the condition that it refers to one that is (type, found by another search)."""
        add(into, self.field, [each for _, each in chosen])

    def referred(self, finder: Finder[Any, Any], criteria: Common, kind: str) -> Chosen:
        """What of ``kind`` those that are found refer to by this parameter."""
        return Referred(finder, criteria, self.field)

    def read(self, value: str, modifier: str, reading: Reading) -> str:
        """The id; empty, which matches nothing, for what cannot be referred to."""
        text = value.removeprefix(f"{reading.base}/").partition("/_history/")[0]
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
        return frozenset({"missing", "exact", "contains"})

    def read(self, value: str, modifier: str, reading: Reading) -> TextTerm:
        modes = {"exact": TextMode.EXACT, "contains": TextMode.CONTAINS}
        return TextTerm(plain(value), modes.get(modifier, TextMode.STARTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactParameter(Parameter):
    """A number or address people are reached by, found from its beginning; officially a token,
    whose system, phone or email, is not asked for."""

    type: ClassVar[str] = "token"

    @property
    def modifiers(self) -> frozenset[str]:
        return frozenset({"missing", "not"})

    def read(self, value: str, modifier: str, reading: Reading) -> TextTerm:
        return TextTerm(token(value)[1])
