"""From a resource to what it is found by: the rows of the index (FHIR R4 3.1.1.4).

What is read is what the official definitions name; the type of a value is plain from its form.
Malformed values are passed over: the gate has refused what is no R4, and what it let through must
not make a write fail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from django.utils import timezone

from integration.fhir import date_parameters, elements, json, paths
from integration.fhir.date_parameters import interval
from integration.fhir.elements import SearchParameter
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import local
from ris.domain.fhir_index import ANY_SYSTEM, BEGINNING, END, IndexEntry
from ris.domain.values import fold
from ris.services import fhir_index

# The code that makes a resource's rows: another release of it may make others.
_READ_BY = tuple(Path(each) for each in (__file__, paths.__file__, date_parameters.__file__))


def index(kind: str, public_id: str, resource: Mapping[str, Any] | None) -> None:
    """Keep what a resource is found by; part of the transaction that writes it.

    None: it was deleted. Of a type the core has a table for, only what the core does not answer.
    """
    names = names_of(kind)
    entries = entries_of(kind, resource, names) if resource else ()
    fhir_index.replace(kind, public_id, entries)


def read(kind: str, content: str) -> tuple[IndexEntry, ...]:
    """What stored JSON is found by."""
    return entries_of(kind, json.read_stored(content.encode()), names_of(kind))


@cache
def names_of(kind: str) -> frozenset[str]:
    """The parameters of a type that the index answers."""
    from integration.fhir.resources import KINDS  # the tables stand on this module

    found = KINDS.get(kind)
    every = found.own_parameters if found else ()
    return frozenset(each.name for each in every if each.indexed)


def fingerprints() -> dict[str, str]:
    """For each type, what the index of its resources depends on: its parameters, how they are read,
    and the site's clock, by which a date is a time."""
    from integration.fhir.resources import KINDS

    shared = [str(timezone.get_default_timezone()), *(each.read_text() for each in _READ_BY)]
    found = {}
    for kind in KINDS:
        known = elements.search_parameters(kind)
        rows = [
            (each.name, each.type, each.expression, each.components)
            for name in sorted(names_of(kind))
            if (each := known.get(name)) is not None
        ]
        found[kind] = hashlib.sha256(repr((shared, rows)).encode()).hexdigest()
    return found


def entries_of(
    kind: str,
    resource: Mapping[str, Any],
    names: frozenset[str],
    zone: tzinfo | None = None,
) -> tuple[IndexEntry, ...]:
    """The rows of the index for these parameters of a resource."""
    known = elements.search_parameters(kind)
    whole = {**resource, "resourceType": kind}
    site = zone or timezone.get_default_timezone()
    return tuple(
        entry
        for name in sorted(names)
        if (definition := known.get(name)) is not None
        for entry in _entries(definition, whole, site)
    )


def _entries(
    definition: SearchParameter, resource: dict[str, Any], zone: tzinfo
) -> Iterator[IndexEntry]:
    if definition.type == "composite":
        for node, _ in paths.nodes(resource, definition.expression):
            yield from _composite(definition, node, resource["resourceType"], zone)
        return
    read = _READERS.get(definition.type)
    if read is None:
        return
    for node, _ in paths.nodes(resource, definition.expression):
        yield from read(definition.name, node, zone)


def _composite(
    definition: SearchParameter, node: Any, kind: str, zone: tzinfo
) -> Iterator[IndexEntry]:
    """The first part, a token, goes into ``text``; the second has the columns of its type."""
    first, second = definition.components
    type_ = elements.second_type(kind, definition)
    tokens = [
        entry
        for value in paths.values(node, first.expression)
        for entry in _token(definition.name, value, zone)
        if entry.parameter == definition.name
    ]
    others = [
        entry
        for value in paths.values(node, second.expression)
        for entry in _READERS[type_](definition.name, value, zone)
        if entry.parameter == definition.name
    ]
    for token in tokens:
        for other in others:
            code = other.text if type_ == "string" else other.code
            yield replace(other, code=code, text=pair(token.system, token.code))


def pair(system: str, code: str) -> str:
    """A token as one text."""
    return f"{system}|{code}"


# --- one value


def _token(name: str, value: Any, zone: tzinfo) -> Iterator[IndexEntry]:
    if isinstance(value, bool):
        yield IndexEntry(name, code="true" if value else "false", system=ANY_SYSTEM)
    elif isinstance(value, str):
        yield IndexEntry(name, code=value, system=ANY_SYSTEM)
    elif not isinstance(value, dict):
        return
    elif "coding" in value or "text" in value:
        for coding in value.get("coding", ()):
            yield from _coding(name, coding)
        yield from _words(name, value.get("text"))
    elif "code" in value:
        yield from _coding(name, value)
    elif "value" in value:
        yield from _identifier(name, value)


def _coding(name: str, coding: Any) -> Iterator[IndexEntry]:
    if not isinstance(coding, dict):
        return
    if coding.get("code"):
        yield IndexEntry(name, system=coding.get("system", ""), code=str(coding["code"]))
    yield from _words(name, coding.get("display"))


def _words(name: str, text: Any) -> Iterator[IndexEntry]:
    """What ``:text`` looks at."""
    if isinstance(text, str) and text.strip():
        yield IndexEntry(f"{name}:text", text=fold(text.strip()), code=text)


def _identifier(name: str, value: dict[str, Any]) -> Iterator[IndexEntry]:
    """An Identifier or a ContactPoint."""
    number = str(value.get("value", ""))
    yield IndexEntry(name, system=value.get("system", ""), code=number)
    kind = value.get("type")
    if isinstance(kind, dict):
        for coding in kind.get("coding", ()):
            if isinstance(coding, dict) and coding.get("code"):
                yield IndexEntry(
                    f"{name}:of-type",
                    system=coding.get("system", ""),
                    code=pair(str(coding["code"]), number),
                )
        yield from _words(name, kind.get("text"))


def _string(name: str, value: Any, zone: tzinfo) -> Iterator[IndexEntry]:
    for text in _texts(value):
        if text.strip():
            yield IndexEntry(name, text=fold(text.strip()), code=text)


# The parts of a HumanName and of an Address that a search by it looks at (FHIR R4 3.1.1.4.8).
_PARTS = (
    *("text", "family", "given", "prefix", "suffix"),
    *("line", "city", "district", "state", "postalCode", "country"),
)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in _PARTS:
            found = value.get(part)
            yield from (each for each in _listed(found) if isinstance(each, str))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _date(name: str, value: Any, zone: tzinfo) -> Iterator[IndexEntry]:
    found = _interval(value, zone)
    if found is not None:
        yield IndexEntry(name, low=found[0], high=found[1])


def _interval(value: Any, zone: tzinfo) -> tuple[datetime, datetime] | None:
    """The time that a date, Period or Timing means."""
    if isinstance(value, str):
        try:
            return interval("date", value, zone)
        except HttpError:
            return None
    if not isinstance(value, dict):
        return None
    if "event" in value or "repeat" in value:
        repeat = value.get("repeat")
        bounds = repeat.get("boundsPeriod") if isinstance(repeat, dict) else None
        parts = [_interval(each, zone) for each in (*_listed(value.get("event")), bounds)]
        known = [each for each in parts if each is not None]
        if not known:
            return None
        return min(low for low, _ in known), max(high for _, high in known)
    start, end = _interval(value.get("start"), zone), _interval(value.get("end"), zone)
    if start is None and end is None:
        return None
    return start[0] if start else BEGINNING, end[1] if end else END


def _reference(name: str, value: Any, zone: tzinfo) -> Iterator[IndexEntry]:
    if isinstance(value, str):
        yield from _uri(name, value, zone)
        return
    if not isinstance(value, dict):
        return
    text = value.get("reference", "")
    if isinstance(text, str) and text and not text.startswith("#"):
        kind, public_id = local(text)
        if public_id:
            yield IndexEntry(name, system=kind, target=public_id)
        if not public_id or ":" in text:  # an address elsewhere may end in an id like ours
            yield IndexEntry(name, system=kind or value.get("type", ""), code=text)
    identifier = value.get("identifier")
    if isinstance(identifier, dict) and identifier.get("value"):
        yield from _identifier(f"{name}:identifier", identifier)
    yield from _words(name, value.get("display"))


def _quantity(name: str, value: Any, zone: tzinfo) -> Iterator[IndexEntry]:
    if not isinstance(value, dict):
        return
    if "low" in value or "high" in value:  # a Range
        for end in ("low", "high"):
            yield from _quantity(name, value.get(end), zone)
        return
    number = _float(value.get("value"))
    if number is None:
        return
    unit = str(value.get("unit", ""))
    yield IndexEntry(
        name,
        number=number,
        system=str(value.get("system", "")),
        code=str(value.get("code") or value.get("currency") or unit),
        text=fold(unit),
    )


def _number(name: str, value: Any, zone: tzinfo) -> Iterator[IndexEntry]:
    number = _float(value)
    if number is not None:
        yield IndexEntry(name, number=number)


def _float(value: Any) -> float | None:
    if value is None or isinstance(value, (bool, dict, list)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _uri(name: str, value: Any, zone: tzinfo) -> Iterator[IndexEntry]:
    if isinstance(value, str):
        yield IndexEntry(name, code=value)
        address, bar, _ = value.partition("|")  # a canonical is found without its version as well
        if bar:
            yield IndexEntry(name, code=address)


_READERS: Mapping[str, Callable[[str, Any, tzinfo], Iterable[IndexEntry]]] = {
    "token": _token,
    "string": _string,
    "date": _date,
    "reference": _reference,
    "quantity": _quantity,
    "number": _number,
    "uri": _uri,
}
