"""Reads and searches: from the address to the resource or Bundle (FHIR R4 3.1.0.2, 3.1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integration.fhir import overlay, rows, versions
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.outcome import HttpError, Issue, outcome
from integration.fhir.parameters import Reading, ReferenceParameter
from integration.fhir.query import Include, Query, parse, write_cursor
from integration.fhir.resources import KINDS, Kind
from integration.fhir.systems import Systems
from ris.selectors import search as selectors
from ris.selectors.fhir import is_deleted
from ris.selectors.search import Page

# Of everything that one page includes; what is cut is said.
MAX_INCLUDED = 1000


def shown_for(kinds: Iterable[Kind], systems: Systems) -> Shown:
    """What the translators of these types need beside their views."""
    parts = {part for kind in kinds for part in kind.beside}
    return Shown(systems, selectors.directory(**dict.fromkeys(parts, True)))


def resources(kind: Kind, hits: Iterable[Any], shown: Shown) -> list[Resource]:
    """What was found, as it is shown: every resource of an answer is made here.

    What clients sent of it is given back, and the version is kept for its history.
    """
    found = overlay.given_back(kind, [kind.translate(hit, shown) for hit in hits])
    versions.note(kind, found)
    return rows.without_foreign(kind, found, _id, lambda: Reading("", shown.systems))


def _id(resource: Resource) -> str:
    return str(resource["id"])


def load(kind: Kind, public_ids: Sequence[str], shown: Shown) -> list[Resource]:
    """The resources with these ids; unknown ones are left out."""
    return resources(kind, kind.finder.load(public_ids), shown)


def read(kind: Kind, public_id: str, systems: Systems) -> Resource:
    """One resource; raises HttpError 404, or 410 if it was deleted."""
    found = load(kind, [public_id], shown_for([kind], systems))
    if not found and "delete" in kind.interactions and is_deleted(kind.name, public_id):
        raise HttpError(410, "deleted", f"{kind.name}/{public_id} was deleted")
    if not found:
        raise HttpError(404, "not-found", f"there is no {kind.name}/{public_id}")
    return found[0]


@dataclass(slots=True)
class _Included:
    """Resources beside the matches, each once."""

    seen: set[str]
    entries: list[Resource] = field(default_factory=list)
    cut: bool = False

    def add(self, resources: Iterable[Resource]) -> None:
        for resource in resources:
            name = f"{resource['resourceType']}/{resource['id']}"
            if name in self.seen:
                continue
            if len(self.entries) >= MAX_INCLUDED:
                self.cut = True
                return
            self.seen.add(name)
            self.entries.append(resource)


def search(
    kind: Kind,
    pairs: Iterable[tuple[str, str]],
    reading: Reading,
    *,
    strict: bool = False,
    readable: Mapping[str, bool],
) -> Resource:
    """A searchset. ``readable`` says which types the client may see through includes."""
    query = parse(kind, pairs, reading, strict=strict)
    if query.count_only:
        total = kind.finder.count(query.criteria)
        return _bundle(kind, query, reading.base, total=total)
    found = kind.finder.search(query.criteria, query.page)
    parts = [kind]
    parts += [KINDS[target] for each in query.includes for target in each.parameter.targets]
    parts += [each.source for each in query.reverse]
    shown = shown_for(parts, reading.systems)
    matches = resources(kind, found.hits, shown)
    included = _Included({f"{kind.name}/{each['id']}" for each in matches})
    for each in query.includes:
        _follow(each, matches, included, shown, readable)
    for each in query.reverse:
        _follow_back(each, matches, included, shown, readable)
    return _bundle(
        kind,
        query,
        reading.base,
        matches=matches,
        included=included,
        total=kind.finder.count(query.criteria) if query.total else None,
        following=write_cursor(found.following) if found.following else "",
    )


def _follow(
    include: Include,
    matches: Sequence[Resource],
    included: _Included,
    shown: Shown,
    readable: Mapping[str, bool],
) -> None:
    wanted: dict[str, dict[str, None]] = {}
    for resource in matches:
        for target, public_id in references(resource, include.parameter):
            if include.target in {"", target} and f"{target}/{public_id}" not in included.seen:
                wanted.setdefault(target, {})[public_id] = None
    for target, public_ids in wanted.items():
        if target in KINDS and readable.get(target):
            included.add(load(KINDS[target], list(public_ids), shown))


def _follow_back(
    include: Include,
    matches: Sequence[Resource],
    included: _Included,
    shown: Shown,
    readable: Mapping[str, bool],
) -> None:
    public_ids = tuple(each["id"] for each in matches)
    if not public_ids or not readable.get(include.source.name):
        return
    wanted: dict[str, Any] = {include.parameter.field: (public_ids,)}
    criteria = include.source.criteria(**wanted)
    found = include.source.finder.search(criteria, Page(MAX_INCLUDED))
    included.add(resources(include.source, found.hits, shown))
    included.cut = included.cut or found.following is not None


def references(resource: Resource, parameter: ReferenceParameter) -> Iterable[tuple[str, str]]:
    """(type, id) of what the parameter's element refers to."""
    for element in _elements(resource, parameter.element):
        text = element.get("reference", "") if isinstance(element, dict) else ""
        target, slash, public_id = text.partition("/")
        if slash and target in parameter.targets:
            yield target, public_id


def _elements(value: Any, path: tuple[str, ...]) -> Iterable[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _elements(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _elements(value[path[0]], path[1:])


def _bundle(
    kind: Kind,
    query: Query,
    base: str,
    *,
    matches: Sequence[Resource] = (),
    included: _Included | None = None,
    total: int | None = None,
    following: str = "",
) -> Resource:
    links = [
        {"relation": "self", "url": query.address(base, kind.name)},
        {"relation": "first", "url": query.address(base, kind.name, first=True)},
    ]
    if following:
        links.append({"relation": "next", "url": query.address(base, kind.name, following)})
    issues = [Issue("warning", "not-supported", f"ignored: {each[:200]}") for each in query.ignored]
    if included and included.cut:
        issues.append(
            Issue("warning", "incomplete", f"only the first {MAX_INCLUDED} inclusions are given")
        )
    entries = [_entry(base, each, "match") for each in matches]
    entries += [_entry(base, each, "include") for each in (included.entries if included else ())]
    if issues:
        entries.append({"resource": outcome(issues), "search": {"mode": "outcome"}})
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    bundle["link"] = links
    if entries:
        bundle["entry"] = entries
    return bundle


def _entry(base: str, resource: Resource, mode: str) -> Resource:
    return {
        "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
        "resource": resource,
        "search": {"mode": mode},
    }


def patients_in(resources: Iterable[Resource]) -> list[str]:
    """The public ids of the patients that are shown, for the audit."""
    found: dict[str, None] = {}
    for resource in resources:
        if resource["resourceType"] == "Patient":
            found[resource["id"]] = None
        for path in (("subject",), ("for",), ("participant", "actor")):
            for element in _elements(resource, path):
                text = element.get("reference", "") if isinstance(element, dict) else ""
                if text.startswith("Patient/"):
                    found[text.removeprefix("Patient/")] = None
    return list(found)
