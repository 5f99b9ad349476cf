"""Searches: from the parameters to the searchset Bundle (FHIR R4 3.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from integration.fhir import paths, shaping
from integration.fhir.compartments import COMPARTMENTS
from integration.fhir.criteria import restrict
from integration.fhir.from_domain.datatypes import Resource, Shown
from integration.fhir.outcome import HttpError, Issue, outcome
from integration.fhir.parameters import Criteria, Reading, ReferenceParameter, local
from integration.fhir.query import Include, Query, parse_several, write_cursor
from integration.fhir.reading import load, resources, shown_for
from integration.fhir.resources import KINDS, Kind
from ris.selectors.search import Matching, Page
from ris.selectors.search.engine import together
from ris.selectors.search.terms import Chosen

# Of everything that one page includes; what is cut is said.
MAX_INCLUDED = 1000
# How often what was included is looked through again for :iterate.
MAX_ROUNDS = 5
# Resources named in one query: each is several conditions, and SQLite takes a thousand in a row.
_BATCH = 200


def search(
    kind: Kind, pairs: Iterable[tuple[str, str]], reading: Reading, *, strict: bool = False
) -> Resource:
    """A searchset of one type."""
    return _searchset([kind], list(pairs), reading, kind.name, strict=strict)


def search_everything(
    pairs: Sequence[tuple[str, str]], reading: Reading, *, strict: bool = False
) -> Resource:
    """A searchset of the types that ``_type`` names, or of all (FHIR R4 3.1.1.1.1)."""
    kinds = _types(pairs, reading, KINDS)
    return _searchset(kinds, pairs, reading, "", strict=strict)


def search_compartment(
    owner: Kind,
    public_id: str,
    name: str,
    pairs: Sequence[tuple[str, str]],
    reading: Reading,
    *,
    strict: bool = False,
) -> Resource:
    """A searchset of what belongs to one patient, visit, person or device; all types for ``*``."""
    members = COMPARTMENTS.get(owner.name, {})
    if name == "*":
        kinds = _types(pairs, reading, [each for each in members if each in KINDS])
    else:
        kinds = [KINDS[name]]
    every = {kind.name: _inside(owner, public_id, kind, reading) for kind in kinds}
    limits = {name: chosen for name, chosen in every.items() if chosen}
    kinds = [kind for kind in kinds if kind.name in limits]
    if not kinds:
        raise HttpError(404, "not-supported", f"{name} resources are not of one {owner.name}")
    path = f"{owner.name}/{public_id}/{name}"
    return _searchset(kinds, pairs, reading, path, strict=strict, limits=limits)


def search_limited(
    kinds: Sequence[Kind],
    pairs: Sequence[tuple[str, str]],
    reading: Reading,
    limits: Mapping[str, tuple[Chosen, ...]],
) -> Resource:
    """A searchset of several types at once, of each only what its limits find."""
    return _searchset(kinds, pairs, reading, "", strict=True, limits=limits)


def _types(pairs: Sequence[tuple[str, str]], reading: Reading, known: Iterable[str]) -> list[Kind]:
    """The types ``_type`` names; without it those of ``known`` that the client may search."""
    named = [each for name, value in pairs if name == "_type" for each in value.split(",") if each]
    for each in named:
        if each not in KINDS:
            raise HttpError(400, "not-supported", f"_type: there are no {each[:64]} resources here")
        if not reading.readable(each):
            raise HttpError(403, "forbidden", f"the token may not search {each}")
    candidates = dict.fromkeys(named or known)
    # Without a table there is nothing to search together with others.
    found = [KINDS[each] for each in candidates if reading.readable(each)]
    found = [kind for kind in found if kind.finder.sources]
    if not found:
        raise HttpError(403, "forbidden", "the token may not search any of these types")
    return found


def _inside(owner: Kind, public_id: str, kind: Kind, reading: Reading) -> tuple[Chosen, ...]:
    """What of a type is in the compartment: what any of its references puts there."""
    found: list[Chosen] = []
    unlimited = replace(reading, access=None)
    for name in COMPARTMENTS.get(owner.name, {}).get(kind.name, ()):
        if name == "{def}":
            found.append(Matching(kind.finder, kind.criteria(public_ids=((public_id,),))))
            continue
        parameter = kind.parameters.get(name)
        if isinstance(parameter, ReferenceParameter) and parameter.may_be(owner.name):
            criteria: Criteria = {}
            parameter.apply([f"{owner.name}/{public_id}"], "", unlimited, criteria)
            found.append(Matching(kind.finder, kind.criteria(**criteria)))
    return tuple(found)


# --- one page


def _searchset(
    kinds: Sequence[Kind],
    pairs: Sequence[tuple[str, str]],
    reading: Reading,
    path: str,
    *,
    strict: bool,
    limits: Mapping[str, tuple[Chosen, ...]] | None = None,
) -> Resource:
    types: tuple[tuple[str, str], ...] = ()
    if not path or path.endswith("/*"):
        types = tuple(each for each in pairs if each[0] == "_type" and each[1])
        pairs = [each for each in pairs if each[0] != "_type"]
    query = parse_several(kinds, pairs, reading, strict=strict)
    query = replace(query, applied=(*types, *query.applied))
    if limits:
        query = replace(
            query,
            parts=tuple(
                replace(
                    part,
                    criteria=replace(
                        part.criteria,
                        public_ids=(*part.criteria.public_ids, limits[part.kind.name]),
                    ),
                )
                for part in query.parts
            ),
        )
    page = _Pages(query, reading, path)
    return page.counted() if query.count_only else page.found()


@dataclass(slots=True)
class _Included:
    """Resources beside the matches, each once."""

    seen: set[str]
    entries: list[Resource] = field(default_factory=list)
    cut: bool = False

    def add(self, found: Iterable[Resource]) -> list[Resource]:
        """Those that are new."""
        new: list[Resource] = []
        for resource in found:
            name = f"{resource['resourceType']}/{resource['id']}"
            if name in self.seen:
                continue
            if len(self.entries) >= MAX_INCLUDED:
                self.cut = True
                break
            self.seen.add(name)
            self.entries.append(resource)
            new.append(resource)
        return new


@dataclass(slots=True)
class _Pages:
    """The making of one page."""

    query: Query
    reading: Reading
    path: str
    known: dict[frozenset[str], Shown] = field(default_factory=dict)

    def shown(self, kinds: Iterable[Kind]) -> Shown:
        """What translators need beside their views, looked up once for each mixture of types."""
        parts = frozenset(part for kind in kinds for part in kind.beside)
        if parts not in self.known:
            self.known[parts] = shown_for(kinds, self.reading.systems)
        return self.known[parts]

    def counted(self) -> Resource:
        return self.bundle(total=self.total())

    def total(self) -> int:
        return sum(part.kind.finder.count(part.criteria) for part in self.query.parts)

    def told(self, found: int, *, whole: bool) -> int | None:
        """Bundle.total: counted if asked for, and given where the page is all there is."""
        if self.query.total:
            return self.total()
        return found if whole and self.query.total is None else None

    def found(self) -> Resource:
        matches, following, preceding = self.matches()
        included = _Included({f"{each['resourceType']}/{each['id']}" for each in matches})
        if matches:
            self.include(matches, included)
        return self.bundle(
            matches=matches,
            included=included,
            total=self.told(len(matches), whole=following is None and preceding is None),
            following=write_cursor(following) if following else "",
            preceding=write_cursor(preceding, back=True) if preceding else "",
        )

    def matches(self) -> tuple[list[Resource], Any, Any]:
        query = self.query
        kinds = [part.kind for part in query.parts]
        if len(kinds) == 1:
            parts = [*kinds, *self.followed()]
            one = query.kind.finder.search(query.criteria, query.page)
            found = resources(query.kind, one.hits, self.shown(parts))
            return found, one.following, one.preceding
        hits = together([(part.kind.finder, part.criteria) for part in query.parts], query.page)
        by_place: dict[tuple[int, str], Resource] = {}
        for number, kind in enumerate(kinds):
            ids = [public_id for place, public_id in hits.hits if place == number]
            if ids:
                for resource in load(kind, ids, self.shown([kind])):
                    by_place[number, resource["id"]] = resource
        found = [by_place[place] for place in hits.hits if place in by_place]
        return found, hits.following, hits.preceding

    def followed(self) -> list[Kind]:
        """The types that may come beside the matches, so that all share what they need."""
        targets = [
            KINDS[target]
            for each in self.query.includes
            for target in (each.parameter.targets if len(each.parameter.targets) < 8 else ())
            if target in KINDS
        ]
        return targets + [each.source for each in self.query.reverse]

    # --- inclusions

    def include(self, matches: Sequence[Resource], included: _Included) -> None:
        """Follow the references, those that iterate also from what was just included."""
        fresh: Sequence[Resource] = matches
        for round_ in range(MAX_ROUNDS + 1):
            includes = [each for each in self.query.includes if round_ == 0 or each.iterate]
            reverse = [each for each in self.query.reverse if round_ == 0 or each.iterate]
            if round_ == MAX_ROUNDS:
                included.cut = included.cut or bool(includes or reverse)
                return
            new = self.follow(includes, fresh, included)
            new += self.follow_back(reverse, fresh, included)
            if not new or included.cut:
                return
            fresh = new

    def follow(
        self, includes: Sequence[Include], found: Sequence[Resource], included: _Included
    ) -> list[Resource]:
        """What is referred to; each type is loaded once, however many references lead to it."""
        wanted: dict[str, dict[str, None]] = {}
        for each in includes:
            for resource in found:
                if resource["resourceType"] != each.source.name:
                    continue
                for target, public_id in references(resource, each.parameter):
                    if each.target in {"", target} and f"{target}/{public_id}" not in included.seen:
                        wanted.setdefault(target, {})[public_id] = None
        new: list[Resource] = []
        for target, ids in wanted.items():
            if target in KINDS and self.reading.readable(target):
                kind = KINDS[target]
                included.cut = included.cut or len(ids) > MAX_INCLUDED
                own = list(ids)[:MAX_INCLUDED]
                new += included.add(load(kind, self.visible(kind, own), self.shown([kind])))
        return new

    def visible(self, kind: Kind, ids: Sequence[str]) -> Sequence[str]:
        """Those that the client's scopes reach."""
        filters = self.reading.filters(kind.name)
        if filters is None:
            return ids
        criteria = kind.criteria(public_ids=(tuple(ids),))
        limited = restrict(kind, criteria, filters, self.reading)
        return kind.finder.keys(limited, Page(len(ids))).hits

    def follow_back(
        self, includes: Sequence[Include], found: Sequence[Resource], included: _Included
    ) -> list[Resource]:
        """What refers to what was found; each type is searched once."""
        by_source: dict[str, list[Include]] = {}
        for each in includes:
            source = each.source
            if self.reading.readable(source.name) and source.finder.sources:
                by_source.setdefault(source.name, []).append(each)
        new: list[Resource] = []
        for name, references_ in by_source.items():
            source = KINDS[name]
            for start in range(0, len(found), _BATCH):
                some = found[start : start + _BATCH]
                leading = [chosen for each in references_ for chosen in self.leading(each, some)]
                if not leading:
                    continue
                criteria = restrict(
                    source,
                    source.criteria(public_ids=(tuple(leading),)),
                    self.reading.filters(name),
                    self.reading,
                )
                page = source.finder.search(criteria, Page(MAX_INCLUDED))
                new += included.add(resources(source, page.hits, self.shown([source])))
                included.cut = included.cut or page.following is not None
        return new

    def leading(self, include: Include, found: Sequence[Resource]) -> list[Chosen]:
        """What leads to one of these by one reference."""
        names = [
            f"{each['resourceType']}/{each['id']}"
            for each in found
            if include.target in {"", each["resourceType"]}
            and include.parameter.may_be(each["resourceType"])
        ]
        if not names:
            return []
        criteria: Criteria = {}
        include.parameter.apply(names, "", self.reading, criteria)
        return [Matching(include.source.finder, include.source.criteria(**criteria))]

    # --- the Bundle

    def bundle(
        self,
        *,
        matches: Sequence[Resource] = (),
        included: _Included | None = None,
        total: int | None = None,
        following: str = "",
        preceding: str = "",
    ) -> Resource:
        query, base = self.query, self.reading.base
        address: Callable[..., str] = query.address
        links = [
            {"relation": "self", "url": address(base, self.path)},
            {"relation": "first", "url": address(base, self.path, first=True)},
        ]
        if preceding:
            links.append({"relation": "previous", "url": address(base, self.path, preceding)})
        if following:
            links.append({"relation": "next", "url": address(base, self.path, following)})
        issues = [
            Issue("warning", "not-supported", f"ignored: {each[:200]}") for each in query.ignored
        ]
        if included and included.cut:
            issues.append(
                Issue("warning", "incomplete", f"only {MAX_INCLUDED} inclusions at most are given")
            )
        entries = [self.entry(each, "match") for each in matches]
        entries += [self.entry(each, "include") for each in (included.entries if included else ())]
        if issues:
            entries.append({"resource": outcome(issues), "search": {"mode": "outcome"}})
        bundle: Resource = {"resourceType": "Bundle", "type": "searchset"}
        if total is not None:
            bundle["total"] = total
        bundle["link"] = links
        if entries:
            bundle["entry"] = entries
        return bundle

    def entry(self, resource: Resource, mode: str) -> Resource:
        name, public_id = resource["resourceType"], resource["id"]
        return {
            "fullUrl": f"{self.reading.base}/{name}/{public_id}",
            "resource": shaping.shaped(resource, self.query.summary, self.query.elements),
            "search": {"mode": mode},
        }


def references(resource: Resource, parameter: ReferenceParameter) -> Iterable[tuple[str, str]]:
    """(type, id) of what the parameter's elements refer to."""
    for value in paths.values(resource, parameter.expression):
        text = value.get("reference", "") if isinstance(value, dict) else ""
        target, public_id = local(text) if ":" not in text else ("", "")
        if not target and text and ":" not in text:
            target, _, public_id = text.partition("/")
        if target and parameter.may_be(target):
            yield target, public_id
