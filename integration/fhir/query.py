"""A search request, read: criteria, page, includes, and what of it was not understood.

FHIR R4 3.1.1: an unknown parameter is ignored and reported, or refused where the client asks for
strict handling; an unknown modifier or a malformed value is always refused, because ignoring it
would give more than was asked for.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from integration.fhir.outcome import HttpError
from integration.fhir.parameters import (
    Criteria,
    Parameter,
    Reading,
    ReferenceParameter,
    alternatives,
    refused,
)
from integration.fhir.resources import Kind, reverse_includes
from integration.fhir.scopes import Filter
from ris.selectors.search import Matching, Page
from ris.selectors.search.criteria import Common
from ris.selectors.search.terms import as_keys

DEFAULT_COUNT = 50
MAX_COUNT = 500
MAX_PARAMETERS = 64

# Read by the HTTP layer; no part of the search itself.
PRESENTATION = frozenset({"_format", "_pretty"})
CURSOR = "_cursor"


@dataclass(frozen=True, slots=True)
class Include:
    """One ``_include`` or ``_revinclude``; ``target`` narrows to one type."""

    name: str
    parameter: ReferenceParameter
    source: Kind
    target: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    criteria: Common
    page: Page
    includes: tuple[Include, ...]
    reverse: tuple[Include, ...]
    total: bool
    count_only: bool
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]

    def address(self, base: str, kind: str, cursor: str = "", *, first: bool = False) -> str:
        """The address of this search, with the parameters that were really applied."""
        pairs = [
            (name, value) for name, value in self.applied if name != CURSOR or not (cursor or first)
        ]
        if cursor:
            pairs.append((CURSOR, cursor))
        return f"{base}/{kind}" + (f"?{urlencode(pairs)}" if pairs else "")


@dataclass(slots=True)
class _Draft:
    """What is known of a query while its parameters are read."""

    criteria: Criteria
    count: int = DEFAULT_COUNT
    order: tuple[tuple[str, bool], ...] = ()
    cursor: str = ""
    total: bool = False
    count_only: bool = False


def parse(
    kind: Kind, pairs: Iterable[tuple[str, str]], reading: Reading, *, strict: bool = False
) -> Query:
    """Read the parameters of a search for ``kind``; raises HttpError 400."""
    given = [(name, value) for name, value in pairs if name not in PRESENTATION]
    if len(given) > MAX_PARAMETERS:
        raise HttpError(400, "too-costly", f"more than {MAX_PARAMETERS} parameters")
    draft = _Draft({})
    includes: list[Include] = []
    reverse: list[Include] = []
    applied: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, value in given:
        if "\0" in name or "\0" in value:
            raise refused(name.replace("\0", ""), "holds a NUL character")
        if not value:
            continue  # name= without value asks nothing
        if name in {"_include", "_revinclude"}:
            found = _include(kind, name, value)
            (includes if name == "_include" else reverse).extend(found)
            understood = bool(found)
        else:
            understood = _result(kind, name, value, draft) or _criterion(
                kind, name, value, reading, draft.criteria
            )
        if understood:
            applied.append((name, value))
        else:
            ignored.append(f"{name}={value}" if name.startswith("_") else name)
    if ignored and strict:
        raise HttpError(
            400, "not-supported", f"not supported: {', '.join(each[:100] for each in ignored)}"
        )
    return Query(
        criteria=kind.criteria(**draft.criteria),
        page=_page(kind, draft),
        includes=tuple(includes),
        reverse=tuple(reverse),
        total=draft.total,
        count_only=draft.count_only,
        applied=tuple(applied),
        ignored=tuple(ignored),
    )


# --- row filters of scopes (SMART App Launch 2.2, "Finer-grained resource constraints")


def filtered(kind: Kind, filters: Iterable[Filter], reading: Reading) -> tuple[Matching[Any], ...]:
    """What rows match one of these filters, each of parameters that must all match."""
    return tuple(Matching(kind.finder, criteria_of(kind, each, reading)) for each in filters)


def restrict(
    kind: Kind, criteria: Common, filters: Iterable[Filter] | None, reading: Reading
) -> Common:
    """``criteria`` among the rows that match one of ``filters``; None: among all rows."""
    if filters is None:
        return criteria
    within = filtered(kind, filters, reading)
    return replace(criteria, public_ids=(*criteria.public_ids, within))


def allowed(
    kind: Kind, public_ids: Sequence[str], filters: Iterable[Filter] | None, reading: Reading
) -> frozenset[str]:
    """Those of ``public_ids`` that match one of ``filters``; None: all of them, unasked."""
    if filters is None or not public_ids:
        return frozenset(public_ids)
    criteria = kind.criteria(public_ids=(tuple(public_ids),))
    found = kind.finder.keys(restrict(kind, criteria, filters, reading), Page(len(public_ids)))
    return frozenset(found.hits)


def criteria_of(kind: Kind, pairs: Iterable[tuple[str, str]], reading: Reading) -> Common:
    """The criteria of search parameters alone; raises HttpError 400 for an unknown one."""
    criteria: Criteria = {}
    for name, value in pairs:
        if not _criterion(kind, name, value, reading, criteria):
            raise refused(name, f"is no search parameter of {kind.name}")
    return kind.criteria(**criteria)


def _criterion(kind: Kind, name: str, value: str, reading: Reading, into: Criteria) -> bool:
    """Apply a search parameter; False if the type has none of this name."""
    plain, dot, chained = name.partition(".")
    plain, _, modifier = plain.partition(":")
    parameter: Parameter | None = kind.parameters.get(plain)
    if parameter is None:
        return False
    values = alternatives(name, value)
    if not dot:
        parameter.apply(values, modifier, reading, into)
        return True
    if not isinstance(parameter, ReferenceParameter):
        raise refused(name, "only references can be chained")
    if modifier and modifier not in parameter.targets:
        raise refused(name, f"{plain} does not refer to {modifier}")
    parameter.apply_chain(chained, values, reading, into)
    return True


def _result(kind: Kind, name: str, value: str, draft: _Draft) -> bool:
    """Apply a parameter that shapes the answer; False if it is none."""
    match name:
        case "_count":
            if not value.isdecimal():
                raise refused(name, "must be a number")
            draft.count = min(int(value[:9]), MAX_COUNT)
            draft.count_only = draft.count_only or draft.count == 0
        case "_total":
            if value not in {"none", "estimate", "accurate"}:
                raise refused(name, "is none, estimate or accurate")
            draft.total = value != "none"
        case "_summary":
            if value not in {"count", "false"}:
                return False
            draft.count_only = draft.count_only or value == "count"
        case "_sort":
            draft.order = _sort(kind, value)
        case "_cursor":
            draft.cursor = value
        case _:
            return False
    return True


def _sort(kind: Kind, value: str) -> tuple[tuple[str, bool], ...]:
    order: list[tuple[str, bool]] = []
    for each in value.split(","):
        name = each.strip().removeprefix("-")
        if name not in kind.sorts:
            raise refused("_sort", f"{name[:64]!r} is none of {', '.join(sorted(kind.sorts))}")
        key = kind.sorts[name]
        if key not in [known for known, _ in order]:
            order.append((key, each.strip().startswith("-")))
    return tuple(order)


def _include(kind: Kind, name: str, value: str) -> list[Include]:
    """The references to follow; none if they are not known, which is reported."""
    source_name, _, target = value.rpartition(":") if value.count(":") == 2 else (value, "", "")
    if name == "_include":
        if value in {"*", f"{kind.name}:*"}:
            return [Include(key, parameter, kind) for key, parameter in kind.includes.items()]
        parameter = kind.includes.get(source_name)
        source: Kind | None = kind
    else:
        source, parameter = reverse_includes(kind.name).get(source_name, (None, None))
    if source is None or parameter is None or (target and target not in parameter.targets):
        return []
    return [Include(source_name, parameter, source, target)]


def _page(kind: Kind, draft: _Draft) -> Page:
    page = Page(draft.count, draft.order)
    if not draft.cursor:
        return page
    names = [name for name, _ in draft.order]
    if "_id" not in names:
        names.append("_id")
    after = read_cursor(draft.cursor)
    if len(after) != len(names):
        raise refused(CURSOR, "is of another search")
    if not list(as_keys([str(after[names.index("_id")])])):
        raise refused(CURSOR, "is not one of ours")
    return replace(page, after=after)


# --- cursors: opaque to clients, the sort values of the last row to us


def write_cursor(values: tuple[Any, ...]) -> str:
    plain = [
        {"at": value.astimezone(UTC).isoformat()} if isinstance(value, datetime) else value
        for value in values
    ]
    text = json.dumps(plain, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[Any, ...]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        values = json.loads(raw)
        if not isinstance(values, list) or len(raw) > 2000:
            raise ValueError
        return tuple(_cursor_value(value) for value in values)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, binascii.Error):
        raise refused(CURSOR, "is not one of ours") from None


def _cursor_value(value: Any) -> Any:
    if isinstance(value, dict):
        at = datetime.fromisoformat(value["at"])
        if at.tzinfo is None:
            raise ValueError("no zone")
        return at.astimezone(UTC)
    if isinstance(value, str):
        return value
    raise TypeError("a cursor holds texts and times")
