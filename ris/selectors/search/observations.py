"""Observations of the core beside those that clients sent: the dose of exams, critical findings.

What clients sent is found by the index. The same conditions are asked of the core's rows here, so
that one search finds both; what the core has no word for, its rows do not fulfill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest

from ris.domain.dose import DoseMatch, DoseSource
from ris.domain.reporting import ReportStatus
from ris.models import CriticalResult, DoseRecord, ExamDose
from ris.selectors.dose import document_line, with_lines
from ris.selectors.search import index, terms
from ris.selectors.search.beside import (
    LOINC,
    Condition,
    column,
    constant,
    passing,
    sorts,
    state,
    time,
)
from ris.selectors.search.criteria import KeptCriteria
from ris.selectors.search.engine import Finder, SortKey, Source
from ris.selectors.search.index import Test, Token
from ris.selectors.search.kept import kept
from ris.selectors.search.kept import load as load_kept
from ris.selectors.search.load import by_number
from ris.selectors.search.views import DoseHit, FindingHit, KeptHit

TYPE = "Observation"
Hit = KeptHit | DoseHit | FindingHit

# What every row of a kind is: (system, code).
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
DOSE_CODE = (LOINC, "73569-6")  # Radiation exposure and protection information
FINDING_CODE = (LOINC, "18782-3")  # Radiology Study observation

_EFFECTIVE = Coalesce("started_at", "content_at", "created_at")


def _doses() -> QuerySet[DoseRecord]:
    """Dose documents that found their exam."""
    return DoseRecord.objects.filter(match=DoseMatch.MATCHED.value, order__isnull=False)


def _findings() -> QuerySet[CriticalResult]:
    return CriticalResult.objects.all()


# --- one test of a parameter as a condition on the core's rows


def _document(test: Test) -> Q:
    """The SOP Instance UID of a structured report."""
    if not isinstance(test, Token) or test.system not in {None, terms.UID}:
        return terms.NOTHING
    uid = test.code.removeprefix("urn:oid:")
    told = Q(source=DoseSource.RDSR.value)
    return told & Q(source_uid=uid) if uid else told


_IMAGING = (CATEGORY, "imaging")
_DOSE: Mapping[str, Condition] = {
    "patient": column("order__patient__public_id"),
    "subject": column("order__patient__public_id"),
    "encounter": column("order__visit__public_id"),
    "based-on": column("order__public_id"),
    "focus": column("procedure__public_id"),
    "part-of": column("procedure__public_id"),
    "code": constant(DOSE_CODE),
    "combo-code": constant(DOSE_CODE),
    "category": constant(_IMAGING),
    "status": state(final=Q(withdrawn_at=None), entered_in_error=Q(withdrawn_at__isnull=False)),
    "date": time("effective_at"),
    "identifier": _document,
}
_RETRACTED = Q(report__status=ReportStatus.RETRACTED.value)
_FINDING: Mapping[str, Condition] = {
    "patient": column("report__order__patient__public_id"),
    "subject": column("report__order__patient__public_id"),
    "encounter": column("report__order__visit__public_id"),
    "based-on": column("report__order__public_id"),
    "derived-from": column("report__procedures__public_id"),
    "code": constant(FINDING_CODE),
    "combo-code": constant(FINDING_CODE),
    "category": constant(_IMAGING),
    "status": state(final=~_RETRACTED, entered_in_error=_RETRACTED),
    "date": time("told_at"),
}


def _beside(parameter: str) -> index.Beside:
    """The public ids of the core's rows that pass one of the tests; None asks for any value."""

    def rows(tests: Sequence[Sequence[Test]] | None) -> list[QuerySet[Any, Any]]:
        tables: tuple[tuple[QuerySet[Any, Any], Mapping[str, Condition]], ...] = (
            (_doses().annotate(effective_at=_EFFECTIVE), _DOSE),
            (_findings(), _FINDING),
        )
        return [
            source.filter(passing(table[parameter], tests)).values("public_id")
            for source, table in tables
            if parameter in table
        ]

    return rows


for _name in {*_DOSE, *_FINDING}:
    index.BESIDE[TYPE, _name] = _beside(_name)


# --- the two tables beside the kept ones


# A dose says whose it is and whether it counts, a finding whether its report still stands.
_DOSE_UPDATED = Greatest(
    F("updated_at"),
    F("order__updated_at"),
    Coalesce(F("order__dose__updated_at"), F("updated_at")),
)
_FINDING_UPDATED = Greatest(F("updated_at"), F("report__updated_at"))


def _rows(
    rows: QuerySet[Any, Any],
    updated: SortKey,
    criteria: KeptCriteria,
    changed: Callable[[datetime], QuerySet[Any, Any]] | None = None,
) -> QuerySet[Any, Any]:
    found = terms.keys("public_id", criteria.public_ids)
    if criteria.updated:
        if changed is not None:
            found &= terms.lately(criteria.updated, changed)
        rows = rows.annotate(last_change=updated)
        found &= terms.every(criteria.updated, terms.instant("last_change"))
    return rows.filter(found)


def _dose_rows(criteria: KeptCriteria) -> QuerySet[Any] | None:
    return _rows(_doses(), _DOSE_UPDATED, criteria)


def _finding_rows(criteria: KeptCriteria) -> QuerySet[Any] | None:
    return _rows(_findings(), _FINDING_UPDATED, criteria, _findings_since)


def _findings_since(at: datetime) -> QuerySet[Any, Any]:
    """The keys of findings that changed, or whose report did."""
    own = _findings().filter(updated_at__gte=at)
    return own.values("pk").union(_findings().filter(report__updated_at__gte=at).values("pk"))


def load(public_ids: Sequence[str]) -> list[Hit]:
    found: dict[str, Hit] = {each.public_id: each for each in load_kept(TYPE, public_ids)}
    missing = [each for each in public_ids if each not in found]
    if missing:
        found.update(_load_doses(missing))
        missing = [each for each in missing if each not in found]
    if missing:
        found.update(_load_findings(missing))
    return [found[each] for each in public_ids if each in found]


def _load_doses(public_ids: Sequence[str]) -> dict[str, DoseHit]:
    keys = list(terms.as_keys(public_ids))
    rows = list(
        with_lines(_doses().filter(public_id__in=keys)).select_related("procedure", "order__dose")
    )
    orders = by_number([row.order_id for row in rows if row.order_id], performed=True)
    found = {}
    for row in rows:
        if row.order is None:
            continue  # never: such a document has not found its exam
        dose: ExamDose | None = getattr(row.order, "dose", None)
        line = document_line(row, dose.left_out.get(row.source_uid, "") if dose else "")
        procedure = str(row.procedure.public_id) if row.procedure else ""
        order = orders[str(row.order.public_id)]
        times = [row.updated_at, row.order.updated_at, *([dose.updated_at] if dose else [])]
        found[line.public_id] = DoseHit(order, line, procedure, max(times))
    return found


def _load_findings(public_ids: Sequence[str]) -> dict[str, FindingHit]:
    keys = list(terms.as_keys(public_ids))
    rows = list(
        _findings()
        .filter(public_id__in=keys)
        .select_related("report__order__patient", "report__order__visit")
        .prefetch_related("report__procedures__order")
    )
    return {
        str(row.public_id): FindingHit(
            public_id=str(row.public_id),
            report=str(row.report.public_id),
            report_status=ReportStatus(row.report.status),
            patient=str(row.report.order.patient.public_id),
            visit=str(row.report.order.visit.public_id) if row.report.order.visit else "",
            requests=tuple(
                dict.fromkeys(str(each.order.public_id) for each in row.report.procedures.all())
            ),
            studies=tuple(str(each.public_id) for each in row.report.procedures.all()),
            finding=row.finding,
            told=row.told,
            by=row.by,
            read_back=row.read_back,
            told_at=row.told_at,
            acknowledged_at=row.acknowledged_at,
            acknowledged_by=row.acknowledged_by,
            updated_at=max(row.updated_at, row.report.updated_at),
        )
        for row in rows
    }


def observations(columns: Mapping[str, str]) -> Finder[KeptCriteria, Hit]:
    """``columns`` are the parameters of the index that are sorted by, with their column."""
    (sent,) = kept(TYPE, columns).sources
    return Finder(
        sources=(
            sent,
            Source(_dose_rows, sorts(columns, {"updated": _DOSE_UPDATED, "date": _EFFECTIVE})),
            Source(
                _finding_rows, sorts(columns, {"updated": _FINDING_UPDATED, "date": F("told_at")})
            ),
        ),
        load=load,
    )
