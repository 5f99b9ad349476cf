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

from integration.fhir.criteria import allowed, criteria_of, criterion, require_bounds, restrict
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import Criteria, Reading, ReferenceParameter, refused
from integration.fhir.resources import KINDS, Kind
from ris.selectors.search import Page
from ris.selectors.search.criteria import Common
from ris.selectors.search.terms import as_keys

DEFAULT_COUNT = 50
MAX_COUNT = 500

# Read by the HTTP layer, or said by a client for itself (Medplum names the file of a Binary so); no
# part of the search.
PRESENTATION = frozenset({"_format", "_pretty", "_filename"})
CURSOR = "_cursor"
# Say what an answer looks like and what comes along, not what is found.
SHAPING = frozenset(
    {"_count", "_total", "_summary", "_elements", "_contained", "_sort", CURSOR, "_include",
     "_revinclude"}
)  # fmt: skip
SUMMARIES = frozenset({"true", "text", "data", "count", "false"})


@dataclass(frozen=True, slots=True)
class Include:
    """One ``_include`` or ``_revinclude``; ``target`` narrows to one type.

    One that iterates is asked of what was included as well (FHIR R4 3.1.1.5.6).
    """

    name: str
    parameter: ReferenceParameter
    source: Kind
    target: str = ""
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The search in one type; a system search has several."""

    kind: Kind
    criteria: Common


@dataclass(frozen=True, slots=True)
class Query:
    parts: tuple[Part, ...]
    page: Page
    includes: tuple[Include, ...]
    reverse: tuple[Include, ...]
    total: bool | None  # None: where it costs nothing
    count_only: bool
    summary: str  # true, text or data; "" shows everything
    elements: tuple[str, ...]
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]

    @property
    def chooses(self) -> bool:
        """Whether anything is asked of what is to be found."""
        return any(name.partition(":")[0] not in SHAPING for name, _ in self.applied)

    @property
    def kind(self) -> Kind:
        """The type, of a search in one."""
        return self.parts[0].kind

    @property
    def criteria(self) -> Common:
        return self.parts[0].criteria

    def address(self, base: str, path: str, cursor: str = "", *, first: bool = False) -> str:
        """The address of this search, with the parameters that were really applied."""
        pairs = [
            (name, value) for name, value in self.applied if name != CURSOR or not (cursor or first)
        ]
        if cursor:
            pairs.append((CURSOR, cursor))
        return f"{base}/{path}" + (f"?{urlencode(pairs)}" if pairs else "")


@dataclass(slots=True)
class _Draft:
    """What is known of a query while its parameters are read."""

    kinds: Sequence[Kind]
    criteria: list[Criteria]
    count: int = DEFAULT_COUNT
    order: tuple[tuple[str, bool], ...] = ()
    cursor: str = ""
    total: bool | None = None
    count_only: bool = False
    summary: str = ""
    elements: tuple[str, ...] = ()


def parse(
    kind: Kind, pairs: Iterable[tuple[str, str]], reading: Reading, *, strict: bool = False
) -> Query:
    """Read the parameters of a search for ``kind``; raises HttpError 400."""
    return parse_several([kind], pairs, reading, strict=strict)


def parse_several(
    kinds: Sequence[Kind],
    pairs: Iterable[tuple[str, str]],
    reading: Reading,
    *,
    strict: bool = False,
) -> Query:
    """Read the parameters of a search in several types; one that any of them lacks is ignored."""
    given = [(name, value) for name, value in pairs if name not in PRESENTATION]
    require_bounds(given)
    draft = _Draft(kinds, [{} for _ in kinds])
    includes: list[Include] = []
    reverse: list[Include] = []
    applied: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, value in given:
        if not value:
            continue  # name= without value asks nothing
        plain, _, modifier = name.partition(":")
        if plain in {"_include", "_revinclude"}:
            found = _include(kinds, plain, modifier, value)
            (includes if plain == "_include" else reverse).extend(found)
            understood = bool(found)
        else:
            understood = _result(name, value, draft) or _criteria(name, value, reading, draft)
        if understood:
            applied.append((name, value))
        else:
            ignored.append(_ignored(kinds, name, value))
    if ignored and strict:
        raise HttpError(
            400, "not-supported", f"not supported: {', '.join(each[:100] for each in ignored)}"
        )
    return Query(
        parts=tuple(
            Part(
                kind,
                restrict(kind, kind.criteria(**criteria), reading.filters(kind.name), reading),
            )
            for kind, criteria in zip(kinds, draft.criteria, strict=True)
        ),
        page=_page(draft),
        includes=tuple(includes),
        reverse=tuple(reverse),
        total=draft.total,
        count_only=draft.count_only,
        summary=draft.summary,
        elements=draft.elements,
        applied=tuple(applied),
        ignored=tuple(ignored),
    )


def _criteria(name: str, value: str, reading: Reading, draft: _Draft) -> bool:
    """Apply a search parameter to every type; False, and nothing applied, if any lacks it."""
    drafts: list[Criteria] = []
    for kind, criteria in zip(draft.kinds, draft.criteria, strict=True):
        own = dict(criteria)
        if not criterion(kind, name, value, reading, own):
            return False
        drafts.append(own)
    draft.criteria = drafts
    return True


def _ignored(kinds: Sequence[Kind], name: str, value: str) -> str:
    """What is said of a parameter that was not understood."""
    plain = name.partition(":")[0].partition(".")[0]
    for kind in kinds:
        reason = kind.unsupported.get(plain)
        if reason:
            return f"{name} ({reason})"
    return f"{name}={value}" if name.startswith("_") else name


def _result(name: str, value: str, draft: _Draft) -> bool:
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
            if value not in SUMMARIES:
                raise refused(name, f"is one of {', '.join(sorted(SUMMARIES))}")
            draft.count_only = draft.count_only or value == "count"
            draft.summary = value if value in {"true", "text", "data"} else ""
        case "_elements":
            names = [each.strip().rpartition(".")[2] for each in value.split(",")]
            draft.elements = (*draft.elements, *(each for each in names if each))
        case "_contained":
            if value != "false":
                raise refused(name, "contained resources are not searched on their own")
        case "_sort":
            draft.order = _sort(draft.kinds, value)
        case "_cursor":
            draft.cursor = value
        case _:
            return False
    return True


def _sort(kinds: Sequence[Kind], value: str) -> tuple[tuple[str, bool], ...]:
    known = {
        name: key
        for name, key in kinds[0].sorts.items()
        if all(kind.sorts.get(name) == key for kind in kinds)
    }
    order: list[tuple[str, bool]] = []
    for each in value.split(","):
        name = each.strip().removeprefix("-")
        if name not in known:
            raise refused("_sort", f"{name[:64]!r} is none of {', '.join(sorted(known))}")
        key = known[name]
        if key not in [used for used, _ in order]:
            order.append((key, each.strip().startswith("-")))
    return tuple(order)


def _include(kinds: Sequence[Kind], name: str, modifier: str, value: str) -> list[Include]:
    """The references to follow; none if they are not known, which is reported.

    ``:recurse`` is what STU3 called ``:iterate``.
    """
    if modifier not in {"", "iterate", "recurse"}:
        raise refused(f"{name}:{modifier[:64]}", "only :iterate is known")
    iterate = bool(modifier)
    source_name, _, rest = value.partition(":")
    parameter_name, _, target = rest.partition(":")
    searched = {kind.name for kind in kinds}
    if value == "*":
        sources = list(kinds) if name == "_include" else list(KINDS.values())
    else:
        sources = [KINDS[source_name]] if source_name in KINDS else []
    found = []
    for source in sources:
        for reference in source.references:
            if value != "*" and parameter_name not in {"*", reference.name}:
                continue
            if target and not reference.may_be(target):
                continue
            if name == "_include" and not iterate and source.name not in searched:
                continue
            if name == "_revinclude" and not iterate and not any(map(reference.may_be, searched)):
                continue
            found.append(
                Include(f"{source.name}:{reference.name}", reference, source, target, iterate)
            )
    return found


def _page(draft: _Draft) -> Page:
    page = Page(draft.count, draft.order)
    if not draft.cursor:
        return page
    names = [name for name, _ in draft.order]
    if "_id" not in names:
        names.append("_id")
    back = draft.cursor.startswith(_BACK)
    values = read_cursor(draft.cursor.removeprefix(_BACK))
    # Of several types the number of the type comes last.
    several = len(draft.kinds) > 1
    if len(values) != len(names) + several:
        raise refused(CURSOR, "is of another search")
    if several and not (values[-1].isdecimal() and len(values[-1]) < 4):
        raise refused(CURSOR, "is not one of ours")
    computed = any(not kind.finder.sources for kind in draft.kinds)
    if not computed and not list(as_keys([str(values[names.index("_id")])])):
        raise refused(CURSOR, "is not one of ours")
    return replace(page, before=values) if back else replace(page, after=values)


# --- cursors: opaque to clients, the sort values of the last row to us

_BACK = "b."


def write_cursor(values: tuple[Any, ...], *, back: bool = False) -> str:
    """The cursor of the page after these values, or of the one before them."""
    plain = [
        {"at": value.astimezone(UTC).isoformat()} if isinstance(value, datetime) else value
        for value in values
    ]
    text = json.dumps(plain, separators=(",", ":"))
    found = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{_BACK}{found}" if back else found


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


__all__ = [
    "CURSOR",
    "DEFAULT_COUNT",
    "MAX_COUNT",
    "PRESENTATION",
    "Include",
    "Part",
    "Query",
    "allowed",
    "criteria_of",
    "parse",
    "parse_several",
    "read_cursor",
    "restrict",
    "write_cursor",
]
