"""References between the entries of a transaction (FHIR R4 3.1.0.11.2).

An entry is called by its fullUrl until its id is known; a reference may also say what it means by
a search (``Practitioner?identifier=system|value``). Both become references by id before they are
stored. The narrative is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.writing.conditions import Conditions, Number, condition, number_of, numbers_in
from integration.fhir.writing.entries import Entry
from integration.fhir.writing.handlers import LATER, LOOKED_AT
from ris.domain.errors import RisError

# Elements of the types uri, url, oid, uuid and canonical that may name an entry.
_LINKS = frozenset(
    {"reference", "url", "uri", "source", "valueUri", "valueUrl", "valueOid", "valueUuid",
     "valueCanonical", "instantiatesUri", "instantiatesCanonical", "contentUrl", "target"}
)  # fmt: skip
_URN = ("urn:uuid:", "urn:oid:")
_BY_SEARCH = re.compile(r"([A-Z][A-Za-z]{1,63})\?(.+)", re.DOTALL)
_OF_ONE = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})")
_REST = re.compile(r"(https?://.+)/([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})")


@dataclass(slots=True)
class Links:
    """What the entries are called, and their ids as far as they are known."""

    entries: Sequence[Entry]
    base: str
    conditions: Conditions
    ids: dict[int, str] = field(default_factory=dict)  # entry → its id
    # Entries of a circle whose ids are told before they are written; True for new ones.
    promised: dict[int, bool] = field(default_factory=dict)
    _named: dict[str, Entry] = field(default_factory=dict)
    _numbered: dict[tuple[str, Number], Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.entries:
            if not entry.writes or entry.method == "DELETE":
                continue
            if entry.full_url:
                self._named[entry.full_url] = entry
            if entry.method in {"POST", "PUT"} and isinstance(entry.resource, dict):
                for number in numbers_in(entry.resource):
                    self._numbered.setdefault((entry.kind, number), entry)
            if entry.method != "POST" and entry.public_id:
                self.ids[entry.index] = entry.public_id

    def faults(self, entry: Entry) -> Iterator[RisError]:
        """References to entries that are not there."""
        for path, key, text in _texts(entry.resource, entry.place_of(_root(entry)), ""):
            if key == "reference" and text.startswith(_URN) and text not in self._named:
                yield HttpError(
                    400,
                    "not-found",
                    f"entry {entry.index} ({entry.full_url}): no entry has the fullUrl "
                    f"{text[:100]}",
                    path=path,
                )

    def beyond(self, entry: Entry) -> Iterator[RisError]:
        """References to other entries, where each stands for itself."""
        for path, key, text in _texts(entry.resource, entry.place_of(_root(entry)), ""):
            other = self._named.get(text) if key == "reference" else None
            if other is not None and other.index != entry.index and text.startswith(_URN):
                yield HttpError(
                    400,
                    "invalid",
                    "the entries of a batch do not refer to each other, as this one does to "
                    f"entry {other.index}: send a transaction",
                    path=path,
                )

    def needs(self, entry: Entry) -> set[int]:
        """The entries that must be written before this one."""
        return {
            other.index
            for other in self._others(entry)
            if other.index not in self.ids and _is_first(other, entry)
        }

    def waits(self, entry: Entry) -> bool:
        """Whether it refers to what has no id yet, and can be written without."""
        return any(other.index not in self.ids for other in self._others(entry))

    def _others(self, entry: Entry) -> Iterator[Entry]:
        for _, key, text in _texts(entry.resource, "", ""):
            other = self._entry(key, text, entry)
            if other is not None:
                yield other

    def searches(self, entry: Entry) -> Iterator[tuple[str, str]]:
        """(type, query) of the references that say what they mean by a search."""
        for _, key, text in _texts(entry.resource, "", ""):
            found = _BY_SEARCH.fullmatch(text) if key == "reference" else None
            if found is not None:
                yield found[1], found[2]

    def linked(self, entry: Entry) -> Any:
        """The resource with references by id; raises HttpError for one that leads nowhere."""
        return self._linked(entry.resource, entry.place_of(_root(entry)), "", entry)

    def _linked(self, value: Any, path: str, key: str, entry: Entry) -> Any:
        if isinstance(value, dict):
            return {
                name: item if name == "div" else self._linked(item, f"{path}.{name}", name, entry)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [
                self._linked(item, f"{path}[{index}]", key, entry)
                for index, item in enumerate(value)
            ]
        if key in _LINKS and isinstance(value, str):
            return self._literal(key, value, path, entry)
        return value

    def _literal(self, key: str, text: str, path: str, entry: Entry) -> str:
        found = _BY_SEARCH.fullmatch(text) if key == "reference" else None
        if found is not None:
            return self._searched(found[1], found[2], path)
        other = self._entry(key, text, entry)
        if other is None:
            return text
        first, known = _is_first(other, entry), other.index in self.ids
        if not known and not first:
            return text  # told once it is there
        if not known or (first and entry.kind in LOOKED_AT and self.promised.get(other.index)):
            raise HttpError(
                422,
                "processing",
                f"entry {other.index} and this one refer to each other, and neither can be first",
                path=path,
            )
        return f"{other.kind}/{self.ids[other.index]}"

    def _searched(self, kind: str, query: str, path: str) -> str:
        if kind not in KINDS:
            raise HttpError(422, "not-supported", f"there are no {kind} resources here", path=path)
        what = "a reference by search"
        pairs = condition(query)
        try:
            public_id = self.conditions.one(KINDS[kind], pairs, what, writes=False)
        except HttpError as error:
            raise HttpError(error.status, error.issue, error.message, path=path) from None
        if public_id is None:
            raise HttpError(412, "not-found", f"{what} finds nothing", path=path)
        return f"{kind}/{public_id}"

    def _entry(self, key: str, text: str, entry: Entry) -> Entry | None:
        """The entry that a link names."""
        if key not in _LINKS:
            return None
        named = self._named.get(text)
        if named is not None or key != "reference":
            return named
        by_search = _BY_SEARCH.fullmatch(text)
        if by_search is not None:
            number = number_of(condition(by_search[2]))
            return self._numbered.get((by_search[1], number)) if number else None
        if _OF_ONE.fullmatch(text):
            # A relative reference means what stands beside the entry itself (R4 Bundle 2.36.4).
            root = _REST.fullmatch(entry.full_url)
            return self._named.get(f"{root[1] if root else self.base}/{text}")
        return None


def _is_first(other: Entry, entry: Entry) -> bool:
    """Whether ``entry``, which refers to ``other``, can only be written after it."""
    if entry.method == "PATCH":
        return True
    if entry.kind in LATER:
        return other.kind not in LATER[entry.kind]
    looked_at = LOOKED_AT.get(entry.kind)
    return looked_at is None or other.kind in looked_at


def _root(entry: Entry) -> str:
    kind = entry.resource.get("resourceType") if isinstance(entry.resource, dict) else ""
    return str(kind)


def _texts(value: Any, path: str, key: str) -> Iterator[tuple[str, str, str]]:
    """(path, element, text) of every text that could be a link."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name != "div":
                yield from _texts(item, f"{path}.{name}", name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]", key)
    elif key in _LINKS and isinstance(value, str):
        yield path, key, value


def in_order(indexes: Sequence[int], needs: Mapping[int, set[int]]) -> tuple[list[int], set[int]]:
    """``indexes``, each behind what it needs, else in their order; and where circles are cut.

    What a circle is cut at needs an id before it is written.
    """
    order: list[int] = []
    cut: set[int] = set()
    done: dict[int, bool] = {}  # False: on its way
    for start in indexes:
        if start in done:
            continue
        done[start] = False
        stack = [(start, iter(sorted(needs.get(start, ()))))]
        while stack:
            index, waiting = stack[-1]
            for each in waiting:
                if each not in done:
                    done[each] = False
                    stack.append((each, iter(sorted(needs.get(each, ())))))
                    break
                if not done[each]:
                    cut.add(each)
            else:
                stack.pop()
                done[index] = True
                order.append(index)
    return order, cut
