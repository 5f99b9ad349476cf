"""Scheduled procedure steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import DateTimeField, F, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Greatest

from ris.models import (
    Order,
    PerformedProcedureStep,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.search import terms
from ris.selectors.search.criteria import StepCriteria
from ris.selectors.search.engine import Finder, OrLast, Source
from ris.selectors.search.load import orders_with
from ris.selectors.search.requests import of_order, of_patient
from ris.selectors.search.views import StepHit

# --- steps

_STEP_UPDATED = Greatest("updated_at", "procedure__order__updated_at")


# When what was performed first for a step was begun; NULL: nothing was.
_BEGAN = Subquery(
    PerformedProcedureStep.objects.filter(steps=OuterRef("pk"))
    .order_by()
    .values("steps")
    .annotate(first=Min("started_at"))
    .values("first")[:1],
    output_field=DateTimeField(),
)


def steps_changed(then: terms.Within) -> QuerySet[Any, Any]:
    """The keys of steps that changed, or whose order did."""
    rows = ScheduledProcedureStep.objects
    orders = Order.objects.filter(then("updated_at")).values("pk")
    procedures = RequestedProcedure.objects.filter(order__in=orders).values("pk")
    theirs = rows.filter(procedure__in=procedures).values("pk")
    return rows.filter(then("updated_at")).values("pk").union(theirs)


def step_numbered(term: terms.IdentifierTerm) -> Q:
    """The step with this Scheduled Procedure Step ID."""
    return Q(step_id=term.value) if term.issuer in {None, terms.STEP_ID} else terms.NOTHING


def _steps(criteria: StepCriteria) -> QuerySet[ScheduledProcedureStep] | None:
    if not criteria.possible:
        return None
    order = "procedure__order"
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, f"{order}__patient", f"{order}__visit")
    found &= of_order(criteria, order, "procedure")
    found &= terms.every(criteria.identifiers, step_numbered)
    found &= terms.every(
        criteria.group_identifiers,
        terms.identifier(f"{order}__accession_number", f"{order}__accession_issuer"),
    )
    if criteria.states is not None:
        found &= terms.product(("status", f"{order}__status"), criteria.states)
    if criteria.statuses is not None:
        found &= terms.product(("status",), criteria.statuses)
    if criteria.priorities is not None:
        found &= terms.product((f"{order}__priority",), criteria.priorities)
    found &= terms.keys("device__public_id", criteria.stations)
    found &= terms.every(criteria.authored, terms.instant(f"{order}__ordered_at"))
    found &= terms.every(
        criteria.requesters,
        terms.identifier(f"{order}__requester_identifier", f"{order}__requester_issuer"),
    )
    found &= terms.every(
        criteria.performed,
        lambda term: Q(
            pk__in=ScheduledProcedureStep.objects.filter(
                terms.period("performed__started_at", "performed__ended_at")(term),
                performed__isnull=False,
            ).values("pk")
        ),
    )
    rows = ScheduledProcedureStep.objects.all()
    if criteria.updated:
        found &= terms.changed(criteria.updated, steps_changed)
        rows = rows.annotate(last_change=_STEP_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _load_steps(public_ids: Sequence[str]) -> list[StepHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    found = {
        step.public_id: StepHit(order, procedure, step)
        for order in orders_with(Q(procedures__steps__public_id__in=keys), performed=True)
        for procedure in order.procedures
        for step in procedure.steps
    }
    return [found[each] for each in public_ids if each in found]


steps: Finder[StepCriteria, StepHit] = Finder(
    sources=(
        Source(
            _steps,
            {
                "updated": _STEP_UPDATED,
                "authored": F("procedure__order__ordered_at"),
                "performed": OrLast(_BEGAN),
                "start": OrLast(F("start_at")),
            },
            paths={
                "patients": ("procedure__order__patient__public_id",),
                "visits": ("procedure__order__visit__public_id",),
                "requests": ("procedure__order__public_id", "procedure__public_id"),
                "stations": ("device__public_id",),
            },
            there={
                "requests": Q(),
                "identifiers": Q(),
                "group_identifiers": ~Q(procedure__order__accession_number=""),
                "authored": Q(),
                "requesters": (
                    ~Q(procedure__order__requester="")
                    | ~Q(procedure__order__requester_identifier="")
                ),
                "updated": Q(),
                "performed": Q(performed__isnull=False),
            },
            newest="updated_at",
        ),
    ),
    load=_load_steps,
)
