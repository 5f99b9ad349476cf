"""The institution among the organizations that clients sent, so that one search finds both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower

from ris.models import Site
from ris.selectors.search import beside, terms
from ris.selectors.search.beside import ALL
from ris.selectors.search.criteria import KeptCriteria
from ris.selectors.search.engine import TEXTS, Finder, OrLast, Source
from ris.selectors.search.index import Test
from ris.selectors.search.kept import kept
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


beside.answer(
    TYPE,
    (
        Site.objects.all,
        {
            "name": (_name, ~Q(name="")),
            "address": (_address, ~Q(address="")),
            "active": (beside.plain("true"), ALL),
        },
    ),
)

_UPDATED = F("updated_at")


def _rows(criteria: KeptCriteria) -> QuerySet[Site]:
    return beside.rows(Site.objects.all(), _UPDATED, criteria)


def _load(public_ids: Sequence[str]) -> list[Hit]:
    return beside.load(TYPE, public_ids, _load_sites)


def _load_sites(public_ids: Sequence[str]) -> dict[str, InstitutionView]:
    return {each.public_id: each for each in sites.load(public_ids)}


def organizations(columns: Mapping[str, str]) -> Finder[KeptCriteria, Hit]:
    """``columns`` are the parameters of the index that are sorted by, with their column."""
    (sent,) = kept(TYPE, columns).sources
    own = beside.sorts(columns, {"updated": _UPDATED, "name": OrLast(Lower("name"), TEXTS)})
    return Finder(sources=(sent, Source(_rows, own)), load=_load)
