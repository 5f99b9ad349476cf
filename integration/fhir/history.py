"""Versions and histories: newest first, page by page (FHIR R4 3.1.0.3, 3.1.0.11)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from integration.fhir import kept
from integration.fhir.criteria import allowed
from integration.fhir.date_parameters import interval
from integration.fhir.from_domain.datatypes import Resource, instant
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import Reading, refused
from integration.fhir.query import CURSOR, PRESENTATION, read_cursor, write_cursor
from integration.fhir.reading import load, read, shown_for
from integration.fhir.resources import KINDS, Kind
from ris.domain.fhir import Method
from ris.selectors import fhir as selected
from ris.selectors.fhir import HistoryQuery, VersionView

DEFAULT_COUNT = 50
MAX_COUNT = 500

_STATUS = {
    Method.POST: "201 Created",
    Method.PUT: "200 OK",
    Method.PATCH: "200 OK",
    Method.DELETE: "204 No Content",
}


def read_version(kind: Kind, public_id: str, version: str, reading: Reading) -> Resource:
    """One version; raises HttpError 404, or 410 for the one that says it was deleted."""
    try:
        present = read(kind, public_id, reading.systems)
    except HttpError as error:
        if error.status != 410:
            raise
    else:
        if present["meta"]["versionId"] == version:
            return present
    found = selected.version(kind.name, public_id, version)
    if found is None or reading.filters(kind.name) is not None:
        raise HttpError(
            404, "not-found", f"version {version[:64]} of {kind.name}/{public_id} is not kept"
        )
    if not found.content:
        raise HttpError(410, "deleted", f"{kind.name}/{public_id} was deleted in this version")
    return _resource(found)


def _resource(view: VersionView) -> Resource:
    return kept.render(
        view.type, view.public_id, view.version, view.at, view.content, patient=view.patient
    )


# --- bundles


@dataclass(frozen=True, slots=True)
class _Asked:
    """A history request, read; what was ignored is missing from the link to itself."""

    query: HistoryQuery
    applied: tuple[tuple[str, str], ...] = ()

    def address(self, url: str, cursor: str = "") -> str:
        pairs = [pair for pair in self.applied if pair[0] != CURSOR or not cursor]
        if cursor:
            pairs.append((CURSOR, cursor))
        return f"{url}?{urlencode(pairs)}" if pairs else url


def bundle(
    kinds: Sequence[Kind],
    pairs: Iterable[tuple[str, str]],
    reading: Reading,
    *,
    kind: str = "",
    public_id: str = "",
    strict: bool = False,
) -> Resource:
    """The versions of one resource, of one type, or of ``kinds``."""
    asked = _read(pairs, reading, strict=strict)
    # All types there are need not be named.
    names = tuple(each.name for each in kinds) if len(kinds) < len(KINDS) else ()
    query = replace(asked.query, types=names, public_id=public_id)
    if public_id:
        _require(kinds[0], public_id, reading)
    found: Resource = {"resourceType": "Bundle", "type": "history"}
    if (public_id or not query.count) and all(reading.filters(each.name) is None for each in kinds):
        found["total"] = selected.count_versions(query)
    url = "/".join(each for each in (reading.base, kind, public_id, "_history") if each)
    found["link"] = [{"relation": "self", "url": asked.address(url)}]
    entries: list[Resource] = []
    if query.count:
        views = selected.versions(query)
        shown = views[: query.count]
        if len(views) > len(shown):
            last = shown[-1]
            following = write_cursor((last.at, str(last.number)))
            found["link"].append({"relation": "next", "url": asked.address(url, following)})
        entries = [_entry(each, reading.base) for each in _reached(shown, reading)]
    if entries:
        found["entry"] = entries
    return found


def _require(kind: Kind, public_id: str, reading: Reading) -> None:
    """Raises HttpError 404 for what never was; the present version is kept by being made."""
    if load(kind, [public_id], shown_for([kind], reading.systems)):
        return
    query = HistoryQuery(types=(kind.name,), public_id=public_id)
    if not selected.count_versions(query):
        raise HttpError(404, "not-found", f"there is no {kind.name}/{public_id}")


def _reached(views: Sequence[VersionView], reading: Reading) -> list[VersionView]:
    """Those that the scopes of the client reach.

    A filter says what rows are now. What a row was before may have been beyond it, so of rows that
    are filtered the present version is shown and no other.
    """
    hidden: set[int] = set()
    for name in dict.fromkeys(each.type for each in views):
        if reading.filters(name) is None:
            continue
        own = [each for each in views if each.type == name]
        ids = list(dict.fromkeys(each.public_id for each in own))
        present = {
            (resource["id"], resource["meta"]["versionId"])
            for resource in load(
                KINDS[name],
                list(allowed(KINDS[name], ids, reading.filters(name), reading)),
                shown_for([KINDS[name]], reading.systems),
            )
        }
        hidden.update(each.number for each in own if (each.public_id, each.version) not in present)
    return [each for each in views if each.number not in hidden]


def _entry(view: VersionView, base: str) -> Resource:
    address = f"{view.type}/{view.public_id}"
    method = Method(view.method)
    found: Resource = {"fullUrl": f"{base}/{address}"}
    if view.content:
        found["resource"] = _resource(view)
    # Bundle.entry.request.method knows PATCH; what a patch came to is an update like any other.
    found["request"] = {
        "method": (Method.PUT if method is Method.PATCH else method).value,
        "url": view.type if method is Method.POST else address,
    }
    found["response"] = {
        "status": _STATUS[method],
        "etag": f'W/"{view.version}"',
        "lastModified": instant(view.at),
    }
    if method is Method.POST:
        found["response"]["location"] = f"{base}/{address}/_history/{view.version}"
    return found


def _read(pairs: Iterable[tuple[str, str]], reading: Reading, *, strict: bool) -> _Asked:
    query = HistoryQuery(count=DEFAULT_COUNT)
    applied: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, value in pairs:
        if name in PRESENTATION or not value:
            continue
        match name:
            case "_count":
                query = replace(query, count=_count(value))
            case "_since":
                query = replace(query, since=_interval(name, value, reading)[0])
            case "_at":
                query = replace(query, current=_interval(name, value, reading))
            case "_cursor":
                query = replace(query, after=_after(value))
            case _:
                ignored.append(name)
                continue
        applied.append((name, value))
    if ignored and strict:
        raise HttpError(
            400, "not-supported", f"not supported: {', '.join(each[:100] for each in ignored)}"
        )
    return _Asked(query, tuple(applied))


def _interval(name: str, value: str, reading: Reading) -> tuple[datetime, datetime]:
    # A plus that was not escaped arrives as a space.
    return interval(name, value.replace(" ", "+"), reading.zone)


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise refused("_count", "is no number")
    return min(int(value), MAX_COUNT)


def _after(text: str) -> tuple[datetime, int]:
    values = read_cursor(text)
    if len(values) != 2 or not isinstance(values[0], datetime) or not isinstance(values[1], str):
        raise refused(CURSOR, "is not one of ours")
    if not values[1].isascii() or not values[1].isdigit() or len(values[1]) > 18:
        raise refused(CURSOR, "is not one of ours")
    return values[0], int(values[1])
