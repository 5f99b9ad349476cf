"""Search parameters as criteria: modifiers, chains, ``_has``, and the row filters of scopes.

A chain (``patient.name``) is a search in the type that is referred to; what it finds is what the
reference must lead to. ``_has`` is the same the other way round (FHIR R4 3.1.1.4.12, 3.1.1.4.13).
Both stay subqueries, so nothing is limited by how much an inner search finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from integration.fhir.outcome import HttpError
from integration.fhir.parameters import (
    Criteria,
    Parameter,
    Reading,
    ReferenceParameter,
    alternatives,
    refused,
)
from integration.fhir.resources import KINDS, Kind
from integration.fhir.scopes import Filter
from ris.selectors.search import Matching, Page
from ris.selectors.search.criteria import Common
from ris.selectors.search.terms import Chosen

# Searches inside one another: patient.organization.name is three.
MAX_DEPTH = 4
MAX_PARAMETERS = 64

# Names that IHE RAD IMR (RAD-143) gives parameters, and those that R4 has for the same.
ALIASES: Mapping[str, str] = {
    "basedOn": "based-on",
    "name.given": "given",
    "name.family": "family",
}


def criterion(
    kind: Kind, name: str, value: str, reading: Reading, into: Criteria, depth: int = 1
) -> bool:
    """Apply a search parameter; False if the type has none of this name."""
    if depth > MAX_DEPTH:
        raise HttpError(400, "too-costly", f"more than {MAX_DEPTH} searches inside one another")
    if name.startswith("_has:"):
        return _has(kind, name, value, reading, into, depth)
    first, dot, chained = name.partition(".")
    if f"{first}.{chained}" in ALIASES and ALIASES[f"{first}.{chained}"] in kind.parameters:
        first, dot, chained = ALIASES[f"{first}.{chained}"], "", ""
    plain, _, modifier = first.partition(":")
    parameter = parameter_of(kind, plain)
    if parameter is None:
        return False
    if dot:
        return _chain(name, parameter, modifier, chained, value, reading, into, depth)
    if modifier == "missing":
        if value not in {"true", "false"}:
            raise refused(name, "is true or false")
        parameter.missing(value == "true", into)
        return True
    if modifier == "identifier" and modifier in getattr(parameter, "chains", ()):
        # It is answered by the numbers of the target, of which no more may be learned than there.
        return _chain(name, parameter, "", modifier, value, reading, into, depth)
    values = alternatives(name, value)
    if modifier == "not" and "not" in parameter.modifiers and not parameter.negates:
        apart: Criteria = {}
        parameter.apply(values, "", reading, apart)
        matching = Matching(kind.finder, kind.criteria(**apart))
        into["without"] = (*into.get("without", ()), matching)
    else:
        parameter.apply(values, modifier, reading, into)
    return True


def parameter_of(kind: Kind, name: str) -> Parameter | None:
    """A parameter by its name or the other one that is known for it."""
    found = kind.parameters.get(name)
    if found is None and name in ALIASES:
        found = kind.parameters.get(ALIASES[name])
    return found


def _chain(
    name: str,
    parameter: Parameter,
    modifier: str,
    chained: str,
    value: str,
    reading: Reading,
    into: Criteria,
    depth: int,
) -> bool:
    if not isinstance(parameter, ReferenceParameter):
        raise refused(name, "only references can be chained")
    if modifier and not parameter.may_be(modifier):
        raise refused(name, f"{parameter.name} does not refer to {modifier[:64]}")
    targets = [modifier] if modifier else list(parameter.targets or KINDS)
    if chained in parameter.chains and all(_seen_whole(each, reading) for each in targets):
        parameter.apply_chain(chained, alternatives(name, value), reading, into)
        return True
    chosen: list[tuple[str, Chosen]] = []
    held_back = ""
    for target in targets:
        if target not in KINDS or not _has_parameter(KINDS[target], chained):
            continue
        if not reading.readable(target):
            held_back = target
            continue
        found = _inside(KINDS[target], chained, value, reading, depth)
        if found is not None:
            chosen.append((target, Matching(KINDS[target].finder, found)))
    if not chosen and held_back:
        raise HttpError(403, "forbidden", f"{name}: the token may not read {held_back}")
    if not chosen:
        raise refused(name, "this chain is not supported")
    parameter.narrow(chosen, into)
    return True


def _has_parameter(kind: Kind, name: str) -> bool:
    first = name.partition(".")[0].partition(":")[0]
    return first == "_has" or name in ALIASES or parameter_of(kind, first) is not None


def _seen_whole(target: str, reading: Reading) -> bool:
    """Whether every row of a type may be looked at."""
    return reading.readable(target) and reading.filters(target) is None


def _inside(kind: Kind, name: str, value: str, reading: Reading, depth: int) -> Common | None:
    """The criteria of a search inside another, among the rows the client may see."""
    criteria: Criteria = {}
    if not criterion(kind, name, value, reading, criteria, depth + 1):
        return None
    return restrict(kind, kind.criteria(**criteria), reading.filters(kind.name), reading)


def _has(kind: Kind, name: str, value: str, reading: Reading, into: Criteria, depth: int) -> bool:
    """``_has:Observation:patient:code``: what an Observation with this code refers to."""
    _, source_name, reference_name, rest = (*name.split(":", 3), "", "", "")[:4]
    source = KINDS.get(source_name)
    if source is None or not rest:
        raise refused(name, "_has:Type:reference:parameter of a type that is served")
    reference = parameter_of(source, reference_name)
    if not isinstance(reference, ReferenceParameter) or not reference.may_be(kind.name):
        raise refused(
            name, f"{reference_name[:64]} does not refer from {source_name} to {kind.name}"
        )
    if not reading.readable(source_name):
        raise HttpError(403, "forbidden", f"{name}: the token may not read {source_name}")
    criteria = _inside(source, rest, value, reading, depth)
    if criteria is None:
        raise refused(name, f"{rest[:64]} is no search parameter of {source_name}")
    chosen = reference.referred(source.finder, criteria, kind.name)
    into["public_ids"] = (*into.get("public_ids", ()), (chosen,))
    return True


# --- row filters of scopes (SMART App Launch 2.2, "Finer-grained resource constraints")


def filtered(kind: Kind, filters: Iterable[Filter], reading: Reading) -> tuple[Matching[Any], ...]:
    """What rows match one of these filters, each of parameters that must all match.

    A filter that cannot be read, as one of ``system/*.rs?gender=male`` for a Task, reaches no row.
    """
    unlimited = replace(reading, access=None)  # a filter looks at everything
    found: list[Matching[Any]] = []
    for each in filters:
        with suppress(HttpError):
            found.append(Matching(kind.finder, criteria_of(kind, each, unlimited)))
    return tuple(found)


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


def require_bounds(pairs: Sequence[tuple[str, str]]) -> None:
    """Raises HttpError 400 for more than is asked at once, and for what no database takes."""
    if len(pairs) > MAX_PARAMETERS:
        raise HttpError(400, "too-costly", f"more than {MAX_PARAMETERS} parameters")
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise refused(name.replace("\0", ""), "holds a NUL character")


def criteria_of(kind: Kind, pairs: Sequence[tuple[str, str]], reading: Reading) -> Common:
    """The criteria of search parameters alone; raises HttpError 400 for an unknown one."""
    require_bounds(pairs)
    criteria: Criteria = {}
    for name, value in pairs:
        if not criterion(kind, name, value, reading, criteria):
            raise refused(name, f"is no search parameter of {kind.name}")
    return kind.criteria(**criteria)
