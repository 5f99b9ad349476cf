"""Observations of the core beside those that clients sent: the dose of exams, critical findings.

What clients sent is found by the index. The same conditions are asked of the core's rows here, so
that one search finds both; what the core has no word for, its rows do not fulfill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest

from ris.domain.dose import DoseMatch, DoseSource
from ris.domain.reporting import ReportStatus
from ris.models import CriticalResult, Device, DoseRecord, ExamDose
from ris.selectors.dose import document_line, with_lines
from ris.selectors.search import beside, terms
from ris.selectors.search.beside import (
    AE_TITLE,
    ALL,
    LOINC,
    Column,
    Reference,
    constant,
    number,
    state,
    time,
    unnamed,
    words,
)
from ris.selectors.search.criteria import KeptCriteria
from ris.selectors.search.engine import Finder, Source
from ris.selectors.search.index import Pair, Target, Test, Token
from ris.selectors.search.kept import kept
from ris.selectors.search.load import by_number
from ris.selectors.search.views import DoseHit, FindingHit, KeptHit

TYPE = "Observation"
Hit = KeptHit | DoseHit | FindingHit

# What every row of a kind is: (system, code).
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
DOSE_CODE = (LOINC, "73569-6")  # Radiation exposure and protection information
DOSE_WORDS = "Radiation dose summary"
FINDING_CODE = (LOINC, "18782-3")  # Radiology Study observation
FINDING_WORDS = ("Critical finding", "Radiology Study observation (narrative)")

_EFFECTIVE = Coalesce("started_at", "content_at", "created_at")


def _doses() -> QuerySet[DoseRecord]:
    """Dose documents that found their exam."""
    return DoseRecord.objects.filter(match=DoseMatch.MATCHED.value, order__isnull=False)


def _dated_doses() -> QuerySet[DoseRecord]:
    return _doses().annotate(effective_at=_EFFECTIVE)


def _findings() -> QuerySet[CriticalResult]:
    return CriticalResult.objects.all()


# --- one test of a parameter as a condition on the core's rows


_OF_DOCUMENT = Q(source=DoseSource.RDSR.value)


def _document(test: Test) -> Q:
    """The SOP Instance UID of a structured report."""
    if not isinstance(test, Token) or test.system not in {None, terms.UID}:
        return terms.NOTHING
    uid = test.code.removeprefix("urn:oid:")
    return _OF_DOCUMENT & Q(source_uid=uid) if uid else _OF_DOCUMENT


def _sender(test: Target) -> Q:
    """The device that told it, which documents know by its AE title."""
    return Q(ae_title__in=Device.objects.filter(test.among("public_id")).values("ae_title"))


def _senders(rows: QuerySet[Any]) -> list[QuerySet[Any, Any]]:
    return [Device.objects.filter(ae_title__in=rows.values("ae_title")).values("public_id")]


def _says(test: Test) -> Q:
    """What was found, in words."""
    return terms.text("finding")(test) if isinstance(test, terms.TextTerm) else terms.NOTHING


def _code_says(test: Test) -> Q:
    """Both parts of a composite: the code, and the words from their beginning."""
    if isinstance(test, Pair):
        known = test.code == FINDING_CODE[1] and test.system in {None, FINDING_CODE[0]}
        return ALL if known else terms.NOTHING
    return Q(finding__istartswith=test.code) if isinstance(test, Token) else terms.NOTHING


_IMAGING = (CATEGORY, "imaging")
_DOSE: beside.Conditions = {
    "patient": (Column("order__patient__public_id"), ALL),
    "subject": (Column("order__patient__public_id"), ALL),
    "encounter": (Column("order__visit__public_id"), Q(order__visit__isnull=False)),
    "based-on": (Column("order__public_id"), ALL),
    "focus": (Column("procedure__public_id"), ALL),
    "part-of": (Column("procedure__public_id"), ALL),
    "code": (constant(DOSE_CODE), ALL),
    "combo-code": (constant(DOSE_CODE), ALL),
    "code:text": (words(DOSE_WORDS), ALL),
    "combo-code:text": (words(DOSE_WORDS), ALL),
    "category": (constant(_IMAGING), ALL),
    "category:text": (words("Imaging"), ALL),
    # Its words are put together when it is shown: no column has them.
    "value-string": (unnamed, ALL),
    "code-value-string": (unnamed, ALL),
    "status": (
        state(final=Q(withdrawn_at=None), entered_in_error=Q(withdrawn_at__isnull=False)),
        ALL,
    ),
    "date": (time("effective_at"), ALL),
    "identifier": (_document, _OF_DOCUMENT),
    "device:identifier": (number("ae_title", AE_TITLE), ~Q(ae_title="")),
    "device": (Reference(_sender, _senders), Q(ae_title__in=Device.objects.values("ae_title"))),
}
_RETRACTED = Q(report__status=ReportStatus.RETRACTED.value)
_FINDING: beside.Conditions = {
    "patient": (Column("report__order__patient__public_id"), ALL),
    "subject": (Column("report__order__patient__public_id"), ALL),
    "encounter": (Column("report__order__visit__public_id"), Q(report__order__visit__isnull=False)),
    "based-on": (Column("report__order__public_id"), ALL),
    "derived-from": (Column("report__procedures__public_id"), ALL),
    "code": (constant(FINDING_CODE), ALL),
    "combo-code": (constant(FINDING_CODE), ALL),
    "code:text": (words(*FINDING_WORDS), ALL),
    "combo-code:text": (words(*FINDING_WORDS), ALL),
    "category": (constant(_IMAGING), ALL),
    "category:text": (words("Imaging"), ALL),
    "value-string": (_says, ALL),
    "code-value-string": (_code_says, ALL),
    "status": (state(final=~_RETRACTED, entered_in_error=_RETRACTED), ALL),
    "date": (time("told_at"), ALL),
}

beside.answer(TYPE, (_dated_doses, _DOSE), (_findings, _FINDING))


# --- the two tables beside the kept ones


# A dose says whose it is and whether it counts, a finding whether its report still stands.
_DOSE_UPDATED = Greatest(
    F("updated_at"),
    F("order__updated_at"),
    Coalesce(F("order__dose__updated_at"), F("updated_at")),
)
_FINDING_UPDATED = Greatest(F("updated_at"), F("report__updated_at"))


def _dose_rows(criteria: KeptCriteria) -> QuerySet[Any]:
    return beside.rows(_doses(), _DOSE_UPDATED, criteria, _doses_changed)


def _doses_changed(then: terms.Within) -> QuerySet[Any, Any]:
    """The keys of documents that changed, or whose order or its dose did."""
    orders = _doses().filter(then("order__updated_at")).values("pk")
    sums = _doses().filter(then("order__dose__updated_at")).values("pk")
    return _doses().filter(then("updated_at")).values("pk").union(orders, sums)


def _finding_rows(criteria: KeptCriteria) -> QuerySet[Any]:
    return beside.rows(_findings(), _FINDING_UPDATED, criteria, _findings_changed)


def _findings_changed(then: terms.Within) -> QuerySet[Any, Any]:
    """The keys of findings that changed, or whose report did."""
    own = _findings().filter(then("updated_at"))
    return own.values("pk").union(_findings().filter(then("report__updated_at")).values("pk"))


def _load(public_ids: Sequence[str]) -> list[Hit]:
    return beside.load(TYPE, public_ids, _load_doses, _load_findings)


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
    doses = beside.sorts(columns, {"updated": _DOSE_UPDATED, "date": _EFFECTIVE})
    findings = beside.sorts(columns, {"updated": _FINDING_UPDATED, "date": F("told_at")})
    return Finder(
        sources=(sent, Source(_dose_rows, doses), Source(_finding_rows, findings)),
        load=_load,
    )
