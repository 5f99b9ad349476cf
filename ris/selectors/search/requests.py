"""Orders and the procedures of orders that have several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import (
    DateTimeField,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
)
from django.db.models.functions import Coalesce, Greatest

from ris.models import Order, PatientIdentifier, RequestedProcedure, ScheduledProcedureStep
from ris.models.prepared import Select
from ris.selectors.search import bare, beside, terms
from ris.selectors.search.beside import Column
from ris.selectors.search.criteria import OfOrder, OfPatient, RequestCriteria
from ris.selectors.search.engine import Finder, OrLast, SortKey, Source
from ris.selectors.search.terms import PROCEDURE_ID, UID, Chosen, IdentifierTerm
from ris.selectors.search.views import RequestHit

_SIBLINGS = RequestedProcedure.objects.filter(order=OuterRef("order")).exclude(pk=OuterRef("pk"))


# --- conditions other kinds share


def of_patient(criteria: OfPatient, patient: str, visit: str = "") -> Q:
    """By patient and visit; ``patient`` and ``visit`` are the paths to their rows."""
    found = terms.keys(f"{patient}__public_id", criteria.patients)
    found &= terms.every(criteria.patient_identifiers, patient_identifier(patient))
    if visit:
        found &= terms.keys(f"{visit}__public_id", criteria.visits)
    return found


def patient_identifier(patient: str) -> Callable[[IdentifierTerm], Q]:
    """A patient by number; the rows are looked up first so that the index on it is used."""
    condition = terms.identifier("value", "issuer")

    def found(term: IdentifierTerm) -> Q:
        rows = PatientIdentifier.objects.filter(condition(term))
        if term.type:
            rows = rows.filter(type=term.type)
        return Q(**{f"{patient}__in": rows.values("patient_id")})

    return found


def of_order(criteria: OfOrder, order: str, procedure: str) -> Q:
    """By request: the order's, or that of one of its procedures."""
    found = Q()
    for alternatives in criteria.requests:
        found &= Q(**{f"{procedure}__in": procedures_requested(alternatives)})
    return found & terms.every(
        criteria.request_identifiers,
        lambda term: Q(**{f"{order}__in": orders_named(term)}),
    )


def orders_requested(alternatives: Iterable[str | Chosen]) -> QuerySet[Order, Any]:
    """The keys of the orders with one of these public ids."""
    return Order.objects.filter(terms.among(("public_id",), alternatives)).values("pk")


def procedures_requested(
    alternatives: Iterable[str | Chosen],
) -> QuerySet[RequestedProcedure, Any]:
    """The keys of the procedures with one of these public ids, and of those of such orders.

    A union, for neither database looks up by two indexes what is asked of two tables.
    """
    wanted = list(alternatives)
    rows = RequestedProcedure.objects
    own = rows.filter(terms.among(("public_id",), wanted)).values("pk")
    return own.union(rows.filter(order__in=orders_requested(wanted)).values("pk"))


def order_identifier(term: IdentifierTerm) -> Q:
    """Any number of an order: placer, filler, accession, Study Instance UID."""
    by_uid = Q(
        pk__in=RequestedProcedure.objects.filter(study_instance_uid=term.value).values("order_id")
    )
    if term.issuer == UID:
        return by_uid
    found = terms.NOTHING
    for kind, value, issuer in (
        ("PLAC", "placer_order_number", "placer_issuer"),
        ("FILL", "filler_order_number", "filler_issuer"),
        ("ACSN", "accession_number", "accession_issuer"),
    ):
        if term.type in {"", kind}:
            found |= terms.identifier(value, issuer)(term)
    if term.type:
        return found
    return found | by_uid if term.issuer is None and "." in term.value else found


def orders_named(term: IdentifierTerm) -> QuerySet[Order, Any]:
    """The keys of the orders that have this number."""
    return Order.objects.filter(order_identifier(term)).values("pk")


# --- the two tables


def _orders(criteria: RequestCriteria) -> QuerySet[Order] | None:
    if not criteria.possible or criteria.based_on:
        return None
    if criteria.levels is not None and "order" not in criteria.levels:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, "patient", "visit")
    found &= terms.every(criteria.identifiers, order_identifier)
    found &= _common(criteria, "")
    if criteria.order_states is not None:
        found &= terms.product(("status",), criteria.order_states)
    if criteria.codes:
        alone = RequestedProcedure.objects.filter(~Exists(_SIBLINGS))
        found &= terms.every(
            criteria.codes,
            lambda term: Q(
                pk__in=alone.filter(terms.code("code_value", "code_scheme")(term)).values(
                    "order_id"
                )
            ),
        )
    found &= _by_steps(criteria, "procedure__order_id")
    if criteria.lateralities is not None:
        alone = RequestedProcedure.objects.filter(~Exists(_SIBLINGS))
        sides = alone.filter(laterality__in=list(criteria.lateralities))
        found &= Q(pk__in=sides.values("order_id"))
    rows = Order.objects.all()
    if criteria.updated:
        found &= terms.changed(criteria.updated, _orders_changed)
        rows = rows.annotate(last_change=_ORDER_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _procedures(criteria: RequestCriteria) -> QuerySet[RequestedProcedure] | None:
    if not criteria.possible:
        return None
    if criteria.levels is not None and "procedure" not in criteria.levels:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, "order__patient", "order__visit")
    found &= terms.every(criteria.identifiers, _procedure_identifier)
    found &= _common(criteria, "order__")
    found &= terms.keys("order__public_id", criteria.based_on)
    if criteria.procedure_states is not None:
        found &= terms.product(("order__status", "stage"), criteria.procedure_states)
    found &= terms.every(criteria.codes, terms.code("code_value", "code_scheme"))
    found &= _by_steps(criteria, "procedure_id")
    if criteria.lateralities is not None:
        found &= Q(laterality__in=list(criteria.lateralities))
    rows = RequestedProcedure.objects.filter(Exists(_SIBLINGS))
    if criteria.updated:
        found &= terms.changed(criteria.updated, procedures_changed)
        rows = rows.annotate(last_change=_PROCEDURE_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _by_steps(criteria: RequestCriteria, key: str) -> Q:
    """By what is planned: one of the steps has each of these."""
    steps = ScheduledProcedureStep.objects
    found = terms.every(
        criteria.occurrence,
        lambda term: Q(pk__in=steps.filter(terms.instant("start_at")(term)).values(key)),
    )
    for wanted in criteria.modalities:
        found &= Q(pk__in=steps.filter(modality__in=list(wanted)).values(key))
    for alternatives in criteria.stations:
        at = terms.among(("device__public_id",), alternatives)
        found &= Q(pk__in=steps.filter(at).values(key))
    return found


def _common(criteria: RequestCriteria, order: str) -> Q:
    found = terms.every(
        criteria.group_numbers, lambda term: Q(**{f"{order}group_number": term.value})
    )
    found &= terms.every(criteria.authored, terms.instant(f"{order}ordered_at"))
    found &= terms.every(
        criteria.requesters,
        terms.identifier(f"{order}requester_identifier", f"{order}requester_issuer"),
    )
    if criteria.priorities is not None:
        found &= terms.product((f"{order}priority",), criteria.priorities)
    return found


def _procedure_identifier(term: IdentifierTerm) -> Q:
    if term.issuer == UID:
        return Q(study_instance_uid=term.value)
    if term.issuer == PROCEDURE_ID:
        return Q(procedure_id=term.value)
    if term.type not in {"", "ACSN"}:
        return terms.NOTHING
    found = terms.identifier("order__accession_number", "order__accession_issuer")(term)
    if term.issuer is None and not term.type:
        found |= Q(study_instance_uid=term.value) | Q(procedure_id=term.value)
    return found


def _orders_changed(then: terms.Within) -> QuerySet[Any, Any]:
    """The keys of orders that changed, or of which something changed."""
    steps = ScheduledProcedureStep.objects.filter(then("updated_at"))
    procedures = RequestedProcedure.objects.filter(then("updated_at"))
    return (
        Order.objects.filter(then("updated_at"))
        .values("pk")
        .union(steps.values("procedure__order_id"), procedures.values("order_id"))
    )


def procedures_changed(then: terms.Within) -> QuerySet[Any, Any]:
    """The keys of procedures that changed, or whose order or steps did."""
    rows = RequestedProcedure.objects
    steps = ScheduledProcedureStep.objects.filter(then("updated_at"))
    return (
        rows.filter(then("updated_at"))
        .values("pk")
        .union(rows.filter(then("order__updated_at")).values("pk"), steps.values("procedure_id"))
    )


def _latest(rows: QuerySet[Any], by: str) -> Subquery:
    """The newest change among the rows that hang on the outer one."""
    newest = rows.order_by().values(by).annotate(newest=Max("updated_at")).values("newest")
    return Subquery(newest[:1], output_field=DateTimeField())


_ORDER_UPDATED = Greatest(
    F("updated_at"),
    Coalesce(
        _latest(
            ScheduledProcedureStep.objects.filter(procedure__order=OuterRef("pk")),
            "procedure__order",
        ),
        F("updated_at"),
    ),
    Coalesce(
        _latest(RequestedProcedure.objects.filter(order=OuterRef("pk")), "order"), F("updated_at")
    ),
)
_PROCEDURE_UPDATED = Greatest(
    F("updated_at"),
    F("order__updated_at"),
    Coalesce(
        _latest(ScheduledProcedureStep.objects.filter(procedure=OuterRef("pk")), "procedure"),
        F("updated_at"),
    ),
)


def _replaced(keys: Sequence[UUID]) -> dict[str, tuple[str, ...]]:
    """What the orders among ``keys`` stand for, as public ids (ORC-1 RP, RO)."""
    found: dict[str, tuple[str, ...]] = {}
    for length, values in bare.lists(keys):
        for row in _replacing(length).all(**values):
            order, other = str(row.from_order.public_id), str(row.to_order.public_id)
            if other not in found.get(order, ()):
                found[order] = (*found.get(order, ()), other)
    return found


@cache
def _replacing(length: int) -> Select[Any]:
    pairs: Any = Order.replaces.through
    return Select(
        lambda: (
            pairs.objects.select_related("from_order", "to_order")
            .filter(from_order__public_id__in=bare.given(length, UUIDField))
            .order_by("to_order")
        )
    )


def _load(public_ids: Sequence[str]) -> list[RequestHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    found: dict[str, RequestHit] = {}
    replaced = _replaced(keys)
    for order in bare.of_keys(keys):
        found[order.public_id] = RequestHit(order, replaces=replaced.get(order.public_id, ()))
        if len(order.procedures) > 1:
            for procedure in order.procedures:
                found[procedure.public_id] = RequestHit(order, procedure)
    return [found[each] for each in public_ids if each in found]


def _begins(parent: str) -> OrLast:
    """When the first of its steps is planned."""
    first = (
        ScheduledProcedureStep.objects.filter(**{parent: OuterRef("pk")})
        .order_by()
        .values(parent)
        .annotate(first=Min("start_at"))
        .values("first")[:1]
    )
    return OrLast(Subquery(first, output_field=DateTimeField()))


_ORDER_SORTS: dict[str, SortKey | OrLast] = {
    "updated": _ORDER_UPDATED,
    "authored": F("ordered_at"),
    "occurrence": _begins("procedure__order"),
}
_PROCEDURE_SORTS: dict[str, SortKey | OrLast] = {
    "updated": _PROCEDURE_UPDATED,
    "authored": F("order__ordered_at"),
    "occurrence": _begins("procedure"),
}

_SIDES = ["L", "R", "B", "U"]
_ORDER = Source(
    _orders,
    _ORDER_SORTS,
    paths={
        "patients": ("patient__public_id",),
        "visits": ("visit__public_id",),
        "stations": ("procedures__steps__device__public_id",),
    },
    there={
        "identifiers": Q(),
        "group_numbers": ~Q(group_number=""),
        "codes": Q(pk__in=RequestedProcedure.objects.filter(~Exists(_SIBLINGS)).values("order_id")),
        "authored": Q(),
        "requesters": ~Q(requester="") | ~Q(requester_identifier=""),
        "occurrence": Q(procedures__steps__start_at__isnull=False),
        "modalities": Q(procedures__steps__isnull=False),
        "body_site": Q(
            pk__in=RequestedProcedure.objects.filter(
                ~Exists(_SIBLINGS), laterality__in=_SIDES
            ).values("order_id")
        ),
    },
    newest="updated_at",
)
_PROCEDURE = Source(
    _procedures,
    _PROCEDURE_SORTS,
    paths={
        "patients": ("order__patient__public_id",),
        "visits": ("order__visit__public_id",),
        "based_on": ("order__public_id",),
        "stations": ("steps__device__public_id",),
    },
    there={
        "identifiers": Q(),
        "group_numbers": ~Q(order__group_number=""),
        "codes": ~Q(code_value="") | ~Q(description=""),
        "authored": Q(),
        "requesters": ~Q(order__requester="") | ~Q(order__requester_identifier=""),
        "occurrence": Q(steps__start_at__isnull=False),
        "modalities": Q(steps__isnull=False),
        "body_site": Q(laterality__in=_SIDES),
    },
)

# What a message replaced is found like what a client says was.
beside.answer(
    "ServiceRequest",
    (
        Order.objects.all,
        {"replaces": (Column("replaces__public_id"), Q(replaces__isnull=False))},
    ),
)

requests: Finder[RequestCriteria, RequestHit] = Finder(sources=(_ORDER, _PROCEDURE), load=_load)
