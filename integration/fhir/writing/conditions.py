"""Conditions of writes: ``If-None-Exist``, ``PUT Type?query``, references by search.

FHIR R4 3.1.0.8.1, 3.1.0.4.3, 3.1.0.7.1, 3.1.0.11.2. What a condition finds and what is then written
are one unit: on PostgreSQL writes with a condition on the same type wait for each other, on SQLite
all writes do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from integration.fhir.auth import Client
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import Reading
from integration.fhir.query import PRESENTATION, parse
from integration.fhir.reading import resources, shown_for
from integration.fhir.resources import Kind
from ris.domain.errors import DeniedError
from ris.selectors import search as selectors
from ris.selectors.search import Page

Pairs = Sequence[tuple[str, str]]
Number = tuple[str, str]  # system and value of an identifier

# Identifiers that are searched for in one go.
_TOGETHER = 50


def condition(text: str) -> list[tuple[str, str]]:
    """A query, also where a client wrote the type or a question mark before it."""
    pairs = parse_qsl(text.rpartition("?")[2], keep_blank_values=True)
    return [(name, value) for name, value in pairs if name not in PRESENTATION]


def number_of(pairs: Pairs) -> Number | None:
    """The identifier, where a condition asks for one with system and value and nothing else."""
    if len(pairs) != 1 or pairs[0][0] != "identifier":
        return None
    system, bar, value = pairs[0][1].partition("|")
    if not (bar and system and value) or any(char in pairs[0][1] for char in ",\\"):
        return None
    return system, value


class Conditions:
    """What conditions find, for one message. Numbers that many entries name are asked for once."""

    def __init__(self, client: Client, reading: Reading) -> None:
        self._client = client
        self._reading = reading
        self._known: dict[tuple[str, Number], list[str]] = {}

    def one(self, kind: Kind, pairs: Pairs, what: str, *, writes: bool = True) -> str | None:
        """The id of what the condition finds, None for nothing; raises HttpError 412 for several.

        ``writes``: something is written depending on it, so nobody else may look meanwhile.
        """
        if not self._client.may(kind.name, "s"):
            raise DeniedError(f"{what} needs the scope to search {kind.name}")
        number = number_of(pairs)
        if number is not None and (kind.name, number) in self._known:
            found = self._known[kind.name, number]
        else:
            found = self._search(kind, pairs, what, writes=writes)
        if len(found) > 1:
            raise HttpError(412, "multiple-matches", f"{what} finds several resources")
        return found[0] if found else None

    def _search(self, kind: Kind, pairs: Pairs, what: str, *, writes: bool) -> list[str]:
        query = parse(kind, pairs, self._reading, strict=True)
        if not query.chooses:
            raise HttpError(400, "required", f"{what} asks nothing")
        for name, value in pairs:
            if not value:  # a search leaves it out, and would find more than was meant
                raise HttpError(400, "required", f"{what} has no value for {name[:64]}")
        if writes:
            selectors.serialize(kind.name)
        hits = kind.finder.search(query.criteria, Page(2)).hits
        return [str(each["id"]) for each in self._resources(kind, hits)]

    def _resources(self, kind: Kind, hits: Iterable[Any]) -> list[Resource]:
        return resources(kind, hits, shown_for([kind], self._reading.systems))

    # --- for many at once

    def look_ahead(self, kind: Kind, numbers: Iterable[Number]) -> None:
        """Find what has these numbers, some at a time, and remember it for :meth:`one`."""
        if "identifier" not in kind.parameters:
            return
        waiting = iter(dict.fromkeys(numbers))
        while some := list(islice(waiting, _TOGETHER)):
            value = ",".join("|".join(number) for number in some)
            query = parse(kind, [("identifier", value)], self._reading, strict=True)
            hits = kind.finder.search(query.criteria, Page(2 * _TOGETHER)).hits
            if len(hits) == 2 * _TOGETHER:
                continue  # numbers that many have: each is searched for by itself
            found: dict[Number, list[str]] = {number: [] for number in some}
            strange = False
            for resource in self._resources(kind, hits):
                own = [number for number in numbers_in(resource) if number in found]
                # Whether what one had once is searched is the type's own affair.
                strange = strange or any(each in found for each in former_numbers_in(resource))
                for number in own:
                    found[number].append(str(resource["id"]))
                strange = strange or not own
            if strange:
                continue  # found by another name of its system
            for number, ids in found.items():
                self._known[kind.name, number] = ids

    def written(self, kind: str, resource: Resource, public_id: str) -> None:
        """A resource was created: conditions on its numbers find it from now on."""
        for number in numbers_in(resource):
            ids = self._known.get((kind, number))
            if ids is not None and public_id not in ids:
                ids.append(public_id)
        for number in former_numbers_in(resource):
            self._known.pop((kind, number), None)

    def forget(self, kind: str) -> None:
        """Resources of a type were changed or deleted: what was found before may be wrong."""
        for key in [key for key in self._known if key[0] == kind]:
            del self._known[key]


def numbers_in(resource: Resource) -> Iterator[Number]:
    """The identifiers of a resource that have both system and value; not those it had once."""
    return (number for number, former in _numbers(resource) if not former)


def former_numbers_in(resource: Resource) -> Iterator[Number]:
    """What the resource was known by once: by now it may be somebody else's."""
    return (number for number, former in _numbers(resource) if former)


def _numbers(resource: Resource) -> Iterator[tuple[Number, bool]]:
    found = resource.get("identifier", [])
    for element in found if isinstance(found, list) else [found]:
        if isinstance(element, dict) and element.get("system") and element.get("value"):
            number = (str(element["system"]), str(element["value"]))
            yield number, element.get("use") == "old"
