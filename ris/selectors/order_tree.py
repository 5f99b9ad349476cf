"""One order with everything below it, by statements whose text is worked out once.

Every change of an order is told to several receivers, and each message is written from the order as
it is. Django's prefetching builds the same eleven statements anew each time, which takes several
times as long as the database takes to answer them.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import BigIntegerField, Model, QuerySet, UUIDField

from ris.models import (
    Order,
    PatientIdentifier,
    PerformedProcedureStep,
    PerformedSeries,
    Report,
    ReportVersion,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.models.prepared import Given, Select
from ris.selectors.told_allergies import told

_PerformedStep: Any = PerformedProcedureStep.steps.through
_ReportProcedure: Any = Report.procedures.through


def _given() -> Given:
    return Given("order", BigIntegerField())


def _performed() -> Any:
    """The ids of what was performed for the order, as part of a statement."""
    tied = _PerformedStep.objects.filter(scheduledprocedurestep__procedure__order=_given())
    return tied.values("performedprocedurestep_id")


def _reports() -> Any:
    """The ids of the reports about the order, as part of a statement."""
    return _ReportProcedure.objects.filter(requestedprocedure__order=_given()).values("report_id")


def _orders() -> QuerySet[Order]:
    rows = Order.objects.select_related("patient__merged_into", "visit", "source")
    return rows.filter(public_id=Given("key", UUIDField()))


_ORDER = Select(_orders)
_ORDER_FOR_PEOPLE = Select(lambda: _orders().annotate(told_allergies=told("patient")))
_IDENTIFIERS = Select(
    lambda: PatientIdentifier.objects.filter(patient=Given("patient", BigIntegerField())).order_by(
        "id"
    )
)
_PROCEDURES = Select(
    lambda: (
        RequestedProcedure.objects.select_related("definition")
        .filter(order=_given())
        .order_by("id")
    )
)
_STEPS = Select(
    lambda: (
        ScheduledProcedureStep.objects.select_related(
            "appointment__device__room", "device__room__site"
        )
        .filter(procedure__order=_given())
        .order_by("id")
    )
)
# What was performed may belong to several orders: it is found by its steps.
_PERFORMED: Select[Any] = Select(
    lambda: (
        _PerformedStep.objects.select_related("performedprocedurestep")
        .filter(scheduledprocedurestep__procedure__order=_given())
        .order_by("performedprocedurestep_id", "id")
    )
)
_PERFORMED_STEPS: Select[Any] = Select(
    lambda: (
        _PerformedStep.objects.select_related("scheduledprocedurestep")
        .filter(performedprocedurestep__in=_performed())
        .order_by("scheduledprocedurestep_id")
    )
)
_SERIES = Select(lambda: PerformedSeries.objects.filter(performed__in=_performed()).order_by("id"))
_REPORTS: Select[Any] = Select(
    lambda: (
        _ReportProcedure.objects.select_related("report")
        .filter(requestedprocedure__order=_given())
        .exclude(report__status="DISCARDED")
        .order_by("report_id")
    )
)
_REPORT_PROCEDURES: Select[Any] = Select(
    lambda: (
        _ReportProcedure.objects.select_related("requestedprocedure")
        .filter(report__in=_reports())
        .order_by("requestedprocedure_id")
    )
)
_VERSIONS = Select(
    lambda: (
        ReportVersion.objects.select_related(
            "author__practitioner", "signer__practitioner", "resident__practitioner"
        )
        .filter(report__in=_reports())
        .order_by("number")
    )
)


def order_tree(key: uuid.UUID) -> Order | None:
    """The order with all that :func:`ris.selectors.orders.to_view` looks at.

    Six statements, two more for what was performed, and as many for reports.
    """
    order = _ORDER.first(key=key)
    if order is not None:
        procedures, steps = _hold_planned(order)
        _hold_performed(order, steps, _PERFORMED.all(order=order.pk), others=True)
        _hold_reports(order, procedures, _REPORTS.all(order=order.pk), others=True)
    return order


def order_tree_alone(key: uuid.UUID, *, reports: bool, performed: bool) -> Order | None:
    """The same without what else was performed and reported with it, and with allergies told."""
    order = _ORDER_FOR_PEOPLE.first(key=key)
    if order is not None:
        procedures, steps = _hold_planned(order)
        done = _PERFORMED.all(order=order.pk) if performed else []
        _hold_performed(order, steps, done, others=False)
        written = _REPORTS.all(order=order.pk) if reports else []
        _hold_reports(order, procedures, written, others=False)
    return order


def _hold_planned(
    order: Order,
) -> tuple[list[RequestedProcedure], list[ScheduledProcedureStep]]:
    patient = order.patient
    _hold(patient, "identifiers", _IDENTIFIERS.all(patient=patient.pk))
    procedures = _PROCEDURES.all(order=order.pk)
    _hold(order, "procedures", procedures)
    steps = _STEPS.all(order=order.pk)
    _hold_each(procedures, "steps", steps, lambda step: step.procedure_id)
    return procedures, steps


def _hold_performed(
    order: Order, steps: list[ScheduledProcedureStep], tied: list[Any], *, others: bool
) -> None:
    """``tied`` rows say what was performed; ``others``: with all steps it is about."""
    performed = _hold_tied(
        steps, "performed", tied, "scheduledprocedurestep_id", "performedprocedurestep"
    )
    if not performed:
        return
    if others:
        about = _PERFORMED_STEPS.all(order=order.pk)
        _hold_tied(performed, "steps", about, "performedprocedurestep_id", "scheduledprocedurestep")
    series = _SERIES.all(order=order.pk)
    _hold_each(performed, "series", series, lambda each: each.performed_id)


def _hold_reports(
    order: Order, procedures: list[RequestedProcedure], tied: list[Any], *, others: bool
) -> None:
    """``tied`` rows name the reports; ``others``: with all procedures they are about."""
    reports = _hold_tied(procedures, "reports", tied, "requestedprocedure_id", "report")
    if not reports:
        return
    if others:
        about = _REPORT_PROCEDURES.all(order=order.pk)
        _hold_tied(reports, "procedures", about, "report_id", "requestedprocedure")
    versions = _VERSIONS.all(order=order.pk)
    _hold_each(reports, "versions", versions, lambda each: each.report_id)


def _hold_tied(
    owners: Iterable[Model], name: str, tied: list[Any], owner: str, one: str
) -> list[Any]:
    """Give each owner what the rows of a table of two keys tie to it; each of them once."""
    known: dict[int, Any] = {}
    by_owner: dict[int, list[Any]] = defaultdict(list)
    for row in tied:
        other = getattr(row, one)
        by_owner[getattr(row, owner)].append(known.setdefault(other.pk, other))
    for each in owners:
        _hold(each, name, by_owner[each.pk])
    return list(known.values())


def _hold_each(
    owners: Iterable[Model], name: str, rows: list[Any], owner_of: Callable[[Any], int]
) -> None:
    """Give each owner its own of the rows, as prefetching does."""
    by_owner: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_owner[owner_of(row)].append(row)
    for owner in owners:
        _hold(owner, name, by_owner[owner.pk])


def _hold(owner: Any, name: str, rows: list[Any]) -> None:
    """``owner.name.all()`` is these rows from now on, without a statement."""
    found: Any = QuerySet(type(owner)._meta.get_field(name).related_model)
    found._result_cache = rows
    found._prefetch_done = True
    owner.__dict__.setdefault("_prefetched_objects_cache", {})[name] = found
