"""The institution among the organizations that clients sent, so that one search finds both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F, Q, QuerySet

from ris.models import Site
from ris.selectors.search import index, terms
from ris.selectors.search.beside import ALL, passing, sorts
from ris.selectors.search.criteria import KeptCriteria
from ris.selectors.search.engine import Finder, Source
from ris.selectors.search.index import Test, Token
from ris.selectors.search.kept import kept
from ris.selectors.search.kept import load as load_kept
from ris.selectors.search.people import sites
from ris.selectors.search.terms import TextTerm
from ris.selectors.search.views import InstitutionView, KeptHit

TYPE = "Organization"
Hit = KeptHit | InstitutionView


def _name(test: Test) -> Q:
    if not isinstance(test, TextTerm):
        return terms.NOTHING
    return terms.text("name")(test) | terms.text("institution")(test)


def _address(test: Test) -> Q:
    return terms.part("address")(test) if isinstance(test, TextTerm) else terms.NOTHING


def _active(test: Test) -> Q:
    return ALL if isinstance(test, Token) and test.code in {"", "true"} else terms.NOTHING


# Parameter → what of the institution passes a test of it, and whether it has a value at all.
_CONDITIONS = {
    "name": (_name, ~Q(name="")),
    "address": (_address, ~Q(address="")),
    "active": (_active, ALL),
}


def _beside(parameter: str) -> index.Beside:
    condition, present = _CONDITIONS[parameter]

    def rows(tests: Sequence[Sequence[Test]] | None) -> list[QuerySet[Any, Any]]:
        return [Site.objects.filter(passing(condition, tests, present)).values("public_id")]

    return rows


index.BESIDE.update({(TYPE, parameter): _beside(parameter) for parameter in _CONDITIONS})


def _rows(criteria: KeptCriteria) -> QuerySet[Site] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return Site.objects.filter(found)


def load(public_ids: Sequence[str]) -> list[Hit]:
    found: dict[str, Hit] = {each.public_id: each for each in load_kept(TYPE, public_ids)}
    missing = [each for each in public_ids if each not in found]
    found.update({each.public_id: each for each in (sites.load(missing) if missing else ())})
    return [found[each] for each in public_ids if each in found]


def organizations(columns: Mapping[str, str]) -> Finder[KeptCriteria, Hit]:
    """``columns`` are the parameters of the index that are sorted by, with their column."""
    (sent,) = kept(TYPE, columns).sources
    return Finder(
        sources=(
            sent,
            Source(_rows, sorts(columns, {"updated": F("updated_at"), "name": F("name")})),
        ),
        load=load,
    )
