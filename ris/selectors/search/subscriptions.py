"""Subscriptions of FHIR clients, searched for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet

from ris.domain.subscriptions import SubscriptionStatus
from ris.models import FhirSubscription
from ris.selectors.search import terms
from ris.selectors.search.criteria import Common
from ris.selectors.search.engine import Finder, Source
from ris.selectors.search.terms import Terms, TextTerm
from ris.selectors.subscriptions import SubscriptionView, view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCriteria(Common):
    criteria: Terms[TextTerm] = ()
    statuses: frozenset[SubscriptionStatus] | None = None
    urls: Terms[str] = ()
    payloads: Terms[str] = ()


def _rows(criteria: SubscriptionCriteria) -> QuerySet[FhirSubscription] | None:
    found = terms.keys("public_id", criteria.public_ids)
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    found &= terms.every(criteria.criteria, terms.text("criteria"))
    if criteria.statuses is not None:
        found &= Q(status__in=[status.value for status in criteria.statuses])
    for alternatives in criteria.urls:
        found &= Q(url__in=list(alternatives))
    for alternatives in criteria.payloads:
        found &= Q(payload__in=list(alternatives))
    return FhirSubscription.objects.filter(found, removed_at=None)


def _load(public_ids: Sequence[str]) -> list[SubscriptionView]:
    rows = FhirSubscription.objects.filter(
        public_id__in=list(terms.as_keys(public_ids)), removed_at=None
    )
    found = {str(row.public_id): view_of(row) for row in rows}
    return [found[each] for each in public_ids if each in found]


subscriptions: Finder[SubscriptionCriteria, SubscriptionView] = Finder(
    sources=(Source(_rows, {"updated": F("updated_at")}),), load=_load
)
