"""What was performed, as steps and as studies, and the reports on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest

from ris.domain.performing import FURTHEST, PerformedStatus
from ris.models import (
    CriticalResult,
    Device,
    PerformedProcedureStep,
    PerformedSeries,
    Report,
    ReportVersion,
    RequestedProcedure,
    ScheduledProcedureStep,
    Site,
)
from ris.selectors.performing import to_view as performed_view
from ris.selectors.report_documents import of_versions
from ris.selectors.reports import to_view as report_view
from ris.selectors.search import changed, leading, planned, signed, terms
from ris.selectors.search.criteria import PerformedCriteria, ReportCriteria, StudyCriteria
from ris.selectors.search.engine import Finder, OrLast, Source
from ris.selectors.search.load import by_number, orders_with
from ris.selectors.search.requests import (
    of_patient,
    orders_named,
    orders_requested,
    procedures_requested,
)
from ris.selectors.search.terms import UID
from ris.selectors.search.views import AwaitedHit, PerformedHit, PlannedHit, ReportHit, StudyHit

# --- performed steps

_IMAGES = Exists(PerformedSeries.objects.filter(performed=OuterRef("pk"), instance_count__gt=0))
# How it ended as people know it, else as the device said.
_KNOWN_STATUS = Case(When(revised_status="", then=F("status")), default=F("revised_status"))


def _performed(criteria: PerformedCriteria) -> QuerySet[PerformedProcedureStep] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids) & Q(patient__isnull=False)
    found &= of_patient(criteria, "patient", "order__visit")
    for alternatives in criteria.requests:
        table = PerformedProcedureStep.objects
        covering = RequestedProcedure.objects.filter(terms.among(("public_id",), alternatives))
        found &= Q(
            pk__in=table.filter(order__in=orders_requested(alternatives))
            .values("pk")
            .union(table.filter(steps__procedure__in=covering.values("pk")).values("pk"))
        )
    found &= terms.every(criteria.request_identifiers, lambda term: Q(order__in=orders_named(term)))
    found &= terms.every(
        criteria.identifiers,
        lambda term: (
            Q(sop_instance_uid=term.value) if term.issuer in {None, UID} else terms.NOTHING
        ),
    )
    found &= terms.every(
        criteria.codes,
        lambda term: Q(
            pk__in=PerformedProcedureStep.objects.filter(
                terms.code("steps__procedure__code_value", "steps__procedure__code_scheme")(term)
            ).values("pk")
        ),
    )
    found &= terms.every(criteria.date, terms.period("started_at", "ended_at"))
    if criteria.stations:
        for alternatives in criteria.stations:
            wanted = Device.objects.filter(terms.among(("public_id",), alternatives))
            found &= Q(station_ae_title__in=wanted.values("ae_title"))
    rows = PerformedProcedureStep.objects.all()
    if criteria.states is not None:
        rows = rows.annotate(has_images=_IMAGES, known_status=_KNOWN_STATUS)
        found &= terms.product(("known_status", "match", "has_images"), criteria.states)
    found &= terms.changed(criteria.updated, terms.touched(PerformedProcedureStep.objects.all()))
    found &= terms.every(criteria.updated, terms.instant("updated_at"))
    return rows.filter(found)


def _load_exams(public_ids: Sequence[str]) -> list[PerformedHit | PlannedHit]:
    found: dict[str, PerformedHit | PlannedHit] = {
        hit.performed.public_id: hit for hit in _load_performed(public_ids)
    }
    missing = [each for each in public_ids if each not in found]
    if missing:
        found.update(planned.load_exams(missing))
    return [found[each] for each in public_ids if each in found]


def _load_performed(public_ids: Sequence[str]) -> list[PerformedHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    rows = {
        str(row.public_id): row
        for row in PerformedProcedureStep.objects.filter(public_id__in=keys)
        .select_related("patient", "order")
        .prefetch_related("series", "steps__procedure")
    }
    wanted = {one.order_id for one in rows.values() if one.order_id}
    for one in rows.values():
        wanted |= {step.procedure.order_id for step in one.steps.all()}
    orders = by_number(sorted(wanted), reports=True)
    found = []
    for public_id in public_ids:
        row = rows.get(public_id)
        if row is None or row.patient is None:
            continue
        view = performed_view(row)
        steps = set(view.steps)
        covers = tuple(
            (order, procedure)
            for order in orders.values()
            for procedure in order.procedures
            if not steps.isdisjoint(step.public_id for step in procedure.steps)
        )
        order = orders.get(str(row.order.public_id)) if row.order else None
        found.append(PerformedHit(view, str(row.patient.public_id), order, covers))
    return found


performed: Finder[PerformedCriteria, PerformedHit | PlannedHit] = Finder(
    sources=(
        Source(
            _performed,
            {"updated": F("updated_at"), "date": F("started_at")},
            paths={
                "patients": ("patient__public_id",),
                "visits": ("order__visit__public_id",),
                "requests": ("order__public_id", "steps__procedure__public_id"),
            },
            leading={"stations": leading.stations},
            there={
                "identifiers": Q(),
                "codes": Q(),
                "date": Q(),
                "stations": ~Q(station_ae_title=""),
            },
        ),
        planned.exams,
    ),
    load=_load_exams,
)

# --- studies

_DONE = PerformedProcedureStep.objects.filter(steps__procedure=OuterRef("pk"))
_STUDY_UPDATED = Greatest(
    F("updated_at"),
    Coalesce(
        Subquery(
            _DONE.order_by()
            .values("steps__procedure")
            .annotate(last=Max("updated_at"))
            .values("last")[:1],
            output_field=DateTimeField(),
        ),
        F("updated_at"),
    ),
)


def _studies_changed(then: terms.Within) -> QuerySet[Any, Any]:
    """The keys of procedures that changed, or of which something performed did."""
    performed_ = PerformedProcedureStep.objects.filter(then("updated_at"), steps__isnull=False)
    changed = RequestedProcedure.objects.filter(then("updated_at")).values("pk")
    return changed.union(performed_.values("steps__procedure_id"))


def _studies(criteria: StudyCriteria) -> QuerySet[RequestedProcedure] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, "order__patient", "order__visit")
    for alternatives in criteria.requests:
        found &= Q(pk__in=procedures_requested(alternatives))
    found &= terms.every(criteria.request_identifiers, lambda term: Q(order__in=orders_named(term)))
    found &= terms.every(criteria.identifiers, _study_identifier)
    found &= terms.every(
        criteria.requesters,
        terms.identifier("order__requester_identifier", "order__requester_issuer"),
    )
    for wanted in criteria.series_uids:
        found &= Q(pk__in=_procedures_with(Q(series__series_instance_uid__in=list(wanted))))
    for wanted in criteria.modalities:
        found &= Q(
            pk__in=_procedures_with(
                Q(series__modality__in=list(wanted)) | Q(modality__in=list(wanted))
            )
        )
    for alternatives in criteria.stations:
        at = Device.objects.filter(terms.among(("public_id",), alternatives)).values("ae_title")
        found &= Q(pk__in=_procedures_with(Q(station_ae_title__in=at) & Q(series__isnull=False)))
    if criteria.states is not None:
        found &= _furthest(criteria.states)
    rows = RequestedProcedure.objects.filter(Exists(_DONE))
    if criteria.started:
        rows = rows.annotate(began=planned.PROCEDURE_BEGAN)
        found &= terms.every(criteria.started, terms.instant("began"))
    if criteria.updated:
        found &= terms.changed(criteria.updated, _studies_changed)
        rows = rows.annotate(last_change=_STUDY_UPDATED)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _furthest(states: Collection[tuple[PerformedStatus, bool]]) -> Q:
    """Studies whose furthest steps are in one of these states, with images of any or of none."""
    either, further = terms.NOTHING, Q()
    for status in FURTHEST:
        ended = _DONE.annotate(known_status=_KNOWN_STATUS).filter(known_status=status.value)
        there, imaged = Q(Exists(ended)), Q(Exists(ended.filter(series__instance_count__gt=0)))
        for images in (True, False):
            if (status, images) in states:
                either |= further & there & (imaged if images else ~imaged)
        further &= ~there
    return either


def _procedures_with(condition: Q) -> QuerySet[PerformedProcedureStep, Any]:
    """Procedures for which something was performed that fulfills ``condition``."""
    return PerformedProcedureStep.objects.filter(condition, steps__isnull=False).values(
        "steps__procedure_id"
    )


def _study_identifier(term: terms.IdentifierTerm) -> Q:
    """By UID, of the study that was planned or that a modality made up, or by accession number.

    As one list of keys, since PostgreSQL reads the whole table for keys or a column.
    """
    rows = RequestedProcedure.objects
    accession = rows.filter(
        terms.identifier("order__accession_number", "order__accession_issuer")(term)
    ).values("pk")
    if term.type:
        return Q(pk__in=accession) if term.type == "ACSN" else terms.NOTHING
    uid = rows.filter(study_instance_uid=term.value).values("pk")
    made_up = _procedures_with(Q(study_instance_uid=term.value))
    if term.issuer == UID:
        return Q(pk__in=uid.union(made_up))
    return Q(pk__in=uid.union(made_up, accession)) if term.issuer is None else Q(pk__in=accession)


def _load_studies(public_ids: Sequence[str]) -> list[StudyHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    found = {
        procedure.public_id: StudyHit(order, procedure)
        for order in orders_with(
            Q(procedures__public_id__in=keys),
            performed=True,
            series=True,
            reports=True,
            versions=True,
        )
        for procedure in order.procedures
        if procedure.performed
    }
    return [found[each] for each in public_ids if each in found]


studies: Finder[StudyCriteria, StudyHit] = Finder(
    sources=(
        Source(
            _studies,
            {"updated": _STUDY_UPDATED, "started": planned.PROCEDURE_BEGAN},
            paths={
                "patients": ("order__patient__public_id",),
                "visits": ("order__visit__public_id",),
                "requests": ("order__public_id", "public_id"),
            },
            leading={"stations": leading.stations_of_studies},
            there={
                "identifiers": Q(),
                "requests": Q(),
                "requesters": ~Q(order__requester="") | ~Q(order__requester_identifier=""),
                "started": Q(),
                "modalities": Q(steps__performed__series__isnull=False),
                "series_uids": Q(steps__performed__series__isnull=False),
                "stations": Q(
                    pk__in=_procedures_with(~Q(station_ae_title="") & Q(series__isnull=False))
                ),
            },
            newest="updated_at",
        ),
    ),
    load=_load_studies,
)

# --- reports

_VERSIONS = ReportVersion.objects.filter(report=OuterRef("pk")).order_by("-number")
_LAST_KIND = Subquery(_VERSIONS.values("kind")[:1], output_field=CharField())
_WRITTEN = Case(When(draft_saved_at=None, then=Value(False)), default=Value(True))
_LAST_SIGNED = Subquery(_VERSIONS.values("signed_at")[:1], output_field=DateTimeField())

# When the first of what it is about was begun.
_EXAM_BEGAN = Subquery(
    PerformedProcedureStep.objects.filter(steps__procedure__reports=OuterRef("pk"))
    .order_by()
    .values("steps__procedure__reports")
    .annotate(first=Min("started_at"))
    .values("first")[:1],
    output_field=DateTimeField(),
)


def _reports(criteria: ReportCriteria) -> QuerySet[Report] | None:
    if not criteria.possible:
        return None
    found = terms.keys("public_id", criteria.public_ids)
    found &= of_patient(criteria, "order__patient", "order__visit")
    for alternatives in criteria.requests:
        covering = procedures_requested(alternatives)
        found &= Q(
            pk__in=Report.objects.filter(order__in=orders_requested(alternatives))
            .values("pk")
            .union(Report.objects.filter(procedures__in=covering).values("pk"))
        )
    found &= terms.every(
        criteria.request_identifiers, lambda term: _covering(Q(order__in=orders_named(term)))
    )
    found &= terms.every(
        criteria.identifiers, lambda term: _covering(Q(order__in=orders_named(term)))
    )
    for alternatives in criteria.performers:
        residents = ReportVersion.objects.filter(
            terms.among(("resident__practitioner__public_id",), alternatives),
            report=OuterRef("pk"),
        ).exclude(signer_id=F("resident_id"))
        found &= Q(Exists(Site.objects.filter(terms.among(("public_id",), alternatives)))) | Q(
            Exists(residents)
        )
    for alternatives in criteria.studies:
        done = RequestedProcedure.objects.filter(
            terms.among(("public_id",), alternatives), Exists(_DONE)
        )
        found &= _covering(Q(pk__in=done.values("pk")))
    found &= terms.every(
        criteria.codes, lambda term: _covering(terms.code("code_value", "code_scheme")(term))
    )
    found &= terms.every(
        criteria.date,
        lambda term: _covering(
            Q(
                pk__in=ScheduledProcedureStep.objects.filter(
                    terms.instant("performed__started_at")(term)
                ).values("procedure_id")
            )
        ),
    )
    rows = Report.objects.all()
    if criteria.states is not None:
        rows = rows.annotate(last_kind=_LAST_KIND, written=_WRITTEN)
        found &= terms.product(("status", "last_kind", "written"), criteria.states)
    if criteria.issued:
        rows = rows.annotate(last_signed=_LAST_SIGNED)
        found &= terms.every(criteria.issued, terms.instant("last_signed"))
    found &= terms.every(criteria.conclusions, signed.concluded)
    if criteria.updated:
        found &= terms.changed(criteria.updated, changed.reports_changed)
        rows = rows.annotate(last_change=changed.REPORT)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _covering(condition: Q) -> Q:
    """Reports on a procedure that fulfills ``condition``."""
    return Q(
        pk__in=Report.objects.filter(
            procedures__in=RequestedProcedure.objects.filter(condition).values("pk")
        ).values("pk")
    )


def _load_results(public_ids: Sequence[str]) -> list[ReportHit | AwaitedHit]:
    found: dict[str, ReportHit | AwaitedHit] = {
        hit.report.public_id: hit for hit in _load_reports(public_ids)
    }
    missing = [each for each in public_ids if each not in found]
    if missing:
        found.update(planned.load_reports(missing))
    return [found[each] for each in public_ids if each in found]


def _load_reports(public_ids: Sequence[str]) -> list[ReportHit]:
    keys = list(terms.as_keys(public_ids))
    if not keys:
        return []
    versions = ReportVersion.objects.select_related(
        "author__practitioner", "signer__practitioner", "resident__practitioner"
    ).order_by("number")
    rows = {
        str(row.public_id): row
        for row in Report.objects.filter(public_id__in=keys).prefetch_related(
            "procedures",
            Prefetch("versions", versions),
            Prefetch("critical_results", CriticalResult.objects.order_by("told_at", "id")),
        )
    }
    orders = by_number(
        (procedure.order_id for row in rows.values() for procedure in row.procedures.all()),
        performed=True,
        identifiers=True,
    )
    procedures = {
        procedure.public_id: (order, procedure)
        for order in orders.values()
        for procedure in order.procedures
    }
    views = [report_view(rows[each]) for each in public_ids if each in rows]
    printed = of_versions((view.public_id, len(view.versions)) for view in views if view.versions)
    found = []
    for view in views:
        covers = tuple(procedures[each] for each in view.procedures if each in procedures)
        if covers:
            results = rows[view.public_id].critical_results.all()
            told = tuple(str(each.public_id) for each in results)
            document = printed.get((view.public_id, len(view.versions)))
            found.append(ReportHit(view, covers, told, document))
    return found


reports: Finder[ReportCriteria, ReportHit | AwaitedHit] = Finder(
    sources=(
        Source(
            _reports,
            {
                "updated": changed.REPORT,
                "issued": OrLast(_LAST_SIGNED),
                "date": OrLast(_EXAM_BEGAN),
            },
            paths={
                "patients": ("order__patient__public_id",),
                "visits": ("order__visit__public_id",),
                "requests": ("procedures__order__public_id", "procedures__public_id"),
                "studies": ("procedures__public_id",),
            },
            leading={"performers": leading.performers},
            there={
                "requests": Q(),
                "identifiers": Q(),
                "codes": Q(),
                "conclusions": signed.CONCLUDED,
                "performers": Q(Exists(Site.objects.all())),
                "studies": Q(procedures__steps__performed__isnull=False),
                "issued": Q(versions__isnull=False),
                "date": Q(procedures__steps__performed__isnull=False),
            },
            newest="updated_at",
        ),
        planned.reports,
    ),
    load=_load_results,
)
