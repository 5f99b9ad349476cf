"""What is not there yet: exams that are prepared or were not done, reports that are awaited.

FHIR shows them as Procedure and DiagnosticReport before a device or a radiologist made a row of
their own (spec/fhir.md 1.5 rows 7, 8, 13, 16, 17, 20). Their ids are those of the scheduled step
and of the requested procedure, and what is then made of them keeps the id where it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import (
    DateTimeField,
    Exists,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Greatest

from ris.domain.orders import OrderStatus, Stage, StepStatus
from ris.domain.reporting import ReportStatus
from ris.models import (
    Device,
    PerformedProcedureStep,
    Report,
    RequestedProcedure,
    Room,
    ScheduledProcedureStep,
    Site,
)
from ris.selectors.search import beside, terms
from ris.selectors.search.beside import Reference
from ris.selectors.search.criteria import PerformedCriteria, ReportCriteria
from ris.selectors.search.engine import NO_TIME, OrLast, Source
from ris.selectors.search.index import Target
from ris.selectors.search.load import orders_with
from ris.selectors.search.requests import (
    of_order,
    of_patient,
    orders_named,
    procedures_changed,
    procedures_requested,
)
from ris.selectors.search.steps import step_numbered, steps_changed
from ris.selectors.search.views import AwaitedHit, PlannedHit

# When what was performed first for a procedure was begun; NULL: nothing was.
PROCEDURE_BEGAN = Subquery(
    PerformedProcedureStep.objects.filter(steps__procedure=OuterRef("pk"))
    .order_by()
    .values("steps__procedure")
    .annotate(first=Min("started_at"))
    .values("first")[:1],
    output_field=DateTimeField(),
)

# Steps whose exam is shown before, or without, anything that was performed.
PLANNED_STEPS = (
    StepStatus.ARRIVED,
    StepStatus.READY,
    StepStatus.NO_SHOW,
    StepStatus.CANCELED,
)
# Procedures for which somebody waits, or would have waited, for a report.
AWAITED_STAGES = (
    Stage.REQUESTED,
    Stage.SCHEDULED,
    Stage.ARRIVED,
    Stage.IN_PROGRESS,
    Stage.PERFORMED,
    Stage.CANCELED,
)
_BEGUN = (
    StepStatus.ARRIVED,
    StepStatus.READY,
    StepStatus.STARTED,
    StepStatus.COMPLETED,
    StepStatus.DISCONTINUED,
)

# --- exams

# Two questions of an index each: one with an "or" in it would read the table for every step.
_NOT_DONE = ~Exists(PerformedProcedureStep.objects.filter(steps=OuterRef("pk"))) & ~Exists(
    PerformedProcedureStep.objects.filter(public_id=OuterRef("public_id"))
)
_STEP_UPDATED = Greatest(F("updated_at"), F("procedure__order__updated_at"))


def _to_be_done() -> QuerySet[ScheduledProcedureStep]:
    # One that was canceled before it had a time was never planned to be done.
    return ScheduledProcedureStep.objects.filter(
        _NOT_DONE, status__in=[each.value for each in PLANNED_STEPS], start_at__isnull=False
    )


def _exams(criteria: PerformedCriteria) -> QuerySet[ScheduledProcedureStep] | None:
    if not criteria.possible or criteria.date:
        return None  # nothing was performed: there is no time
    order = "procedure__order"
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, f"{order}__patient", f"{order}__visit")
    found &= of_order(criteria, order, "procedure")
    found &= terms.every(criteria.identifiers, step_numbered)
    found &= terms.every(
        criteria.codes, terms.code("procedure__code_value", "procedure__code_scheme")
    )
    for alternatives in criteria.stations:
        wanted = Device.objects.filter(terms.among(("public_id",), alternatives))
        found &= Q(station_ae_title__in=wanted.values("ae_title"))
    if criteria.planned is not None:
        found &= terms.product(("status", f"{order}__status"), criteria.planned)
    rows = _to_be_done()
    if criteria.updated:
        found &= terms.changed(criteria.updated, steps_changed)
        rows = rows.annotate(last_change=_STEP_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


exams: Source[PerformedCriteria] = Source(
    _exams,
    {"updated": _STEP_UPDATED, "date": NO_TIME},
    paths={
        "patients": ("procedure__order__patient__public_id",),
        "visits": ("procedure__order__visit__public_id",),
        "requests": ("procedure__order__public_id", "procedure__public_id"),
    },
    there={"identifiers": Q(), "codes": Q(), "stations": ~Q(station_ae_title="")},
)


def _in_room(test: Target) -> Q:
    return Q(location__in=Room.objects.filter(test.among("public_id")).values("name"))


def _rooms(rows: QuerySet[Any, Any]) -> list[QuerySet[Any, Any]]:
    return [Room.objects.filter(name__in=rows.order_by().values("location")).values("public_id")]


beside.answer(
    "Procedure",
    (_to_be_done, {"location": (Reference(_in_room, _rooms), ~Q(location=""))}),
)


def load_exams(public_ids: Sequence[str]) -> dict[str, PlannedHit]:
    """The planned exams with these ids; empty without a query if there are none."""
    keys = list(terms.as_keys(public_ids))
    shown = _to_be_done().filter(public_id__in=keys)
    wanted = {str(key) for key in shown.values_list("public_id", flat=True)} if keys else set()
    if not wanted:
        return {}
    return {
        step.public_id: PlannedHit(order, procedure, step)
        for order in orders_with(Q(procedures__steps__public_id__in=wanted), reports=True)
        for procedure in order.procedures
        for step in procedure.steps
        if step.public_id in wanted
    }


# --- reports

_NOT_WRITTEN = ~Exists(
    Report.objects.filter(procedures=OuterRef("pk")).exclude(status=ReportStatus.DISCARDED.value)
) & ~Exists(Report.objects.filter(public_id=OuterRef("public_id")))
_STEPS_BEGUN = ScheduledProcedureStep.objects.filter(
    procedure=OuterRef("pk"), status__in=[each.value for each in _BEGUN]
)
_STEPS_PLANNED = ScheduledProcedureStep.objects.filter(
    procedure=OuterRef("pk"), start_at__isnull=False
)
_PROCEDURE_UPDATED = Greatest(F("updated_at"), F("order__updated_at"))
_VOID = Q(order__status=OrderStatus.ENTERED_IN_ERROR.value)


def _awaited() -> QuerySet[RequestedProcedure]:
    return RequestedProcedure.objects.filter(
        Exists(_STEPS_BEGUN)
        | Q(Exists(_STEPS_PLANNED)) & Q(stage=Stage.CANCELED.value)
        | Q(Exists(_STEPS_PLANNED)) & _VOID,
        _NOT_WRITTEN,
        stage__in=[each.value for each in AWAITED_STAGES],
    )


def _reports(criteria: ReportCriteria) -> QuerySet[RequestedProcedure] | None:
    if not criteria.possible or criteria.issued or criteria.conclusions:
        return None  # nothing was issued
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, "order__patient", "order__visit")
    for alternatives in criteria.requests:
        found &= Q(pk__in=procedures_requested(alternatives))
    for alternatives in criteria.performers:
        found &= Q(Exists(Site.objects.filter(terms.among(("public_id",), alternatives))))
    for alternatives in criteria.studies:
        found &= terms.among(("public_id",), alternatives)
        found &= Q(
            pk__in=ScheduledProcedureStep.objects.filter(performed__isnull=False).values(
                "procedure_id"
            )
        )
    for numbers in (criteria.request_identifiers, criteria.identifiers):
        found &= terms.every(numbers, lambda term: Q(order__in=orders_named(term)))
    found &= terms.every(criteria.codes, terms.code("code_value", "code_scheme"))
    found &= terms.every(
        criteria.date,
        lambda term: Q(
            pk__in=ScheduledProcedureStep.objects.filter(
                terms.instant("performed__started_at")(term)
            ).values("procedure_id")
        ),
    )
    if criteria.awaited is not None:
        found &= terms.product(("stage", "order__status"), criteria.awaited)
    rows = _awaited()
    if criteria.updated:
        found &= terms.changed(criteria.updated, procedures_changed)
        rows = rows.annotate(last_change=_PROCEDURE_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


reports: Source[ReportCriteria] = Source(
    _reports,
    {
        "updated": _PROCEDURE_UPDATED,
        "issued": NO_TIME,
        "date": OrLast(PROCEDURE_BEGAN),
    },
    paths={
        "patients": ("order__patient__public_id",),
        "visits": ("order__visit__public_id",),
        "requests": ("order__public_id", "public_id"),
        "studies": ("public_id",),
    },
    there={
        "requests": Q(),
        "identifiers": Q(),
        "codes": Q(),
        "performers": Q(Exists(Site.objects.all())),
        "studies": Q(steps__performed__isnull=False),
        "date": Q(steps__performed__isnull=False),
    },
)


def load_reports(public_ids: Sequence[str]) -> dict[str, AwaitedHit]:
    """The awaited reports with these ids."""
    keys = list(terms.as_keys(public_ids))
    shown = _awaited().filter(public_id__in=keys)
    wanted = {str(key) for key in shown.values_list("public_id", flat=True)} if keys else set()
    if not wanted:
        return {}
    return {
        procedure.public_id: AwaitedHit(order, procedure)
        for order in orders_with(
            Q(procedures__public_id__in=wanted), performed=True, identifiers=True
        )
        for procedure in order.procedures
        if procedure.public_id in wanted
    }
