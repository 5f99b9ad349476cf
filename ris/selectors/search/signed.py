"""Who signed reports and studies, and what reports found: beside the index of what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import (
    BooleanField,
    Count,
    Exists,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)

from ris.domain.mammography_codes import CATEGORIES, OVERALL
from ris.domain.reporting import ReportStatus
from ris.domain.values import Code, fold
from ris.models import Report, ReportVersion, RequestedProcedure, Site
from ris.selectors.search import beside, terms
from ris.selectors.search.beside import ALL, Column, Reference
from ris.selectors.search.index import Target, Test

_SIGNER = "signer__practitioner__public_id"
_LATER = ReportVersion.objects.filter(report=OuterRef("report"), number__gt=OuterRef("number"))
_NEWEST = ReportVersion.objects.filter(~Exists(_LATER))
_FOUND = Q(critical_results__isnull=False)


# By a login here, or elsewhere by whom the sender named (ris.domain.results.Particulars).
_NAMED = Q(signer__isnull=False) | (Q(particulars__isnull=False) & ~Q(particulars__interpreter=""))
_SIGNED = Q(pk__in=_NEWEST.filter(_NAMED).values("report"))


def _shown() -> QuerySet[Report]:
    """Reports whose content is given: not of one that was withdrawn, or that nobody signed."""
    return Report.objects.filter(versions__isnull=False).exclude(
        status__in=[
            ReportStatus.DRAFT.value,
            ReportStatus.DISCARDED.value,
            ReportStatus.RETRACTED.value,
        ]
    )


def _interpreted(test: Target) -> Q:
    """Reports whose newest version one of these signed."""
    return Q(pk__in=_NEWEST.filter(test.among(_SIGNER)).values("report"))


def _studied(reports: Q) -> Q:
    """Studies with such a report."""
    return Q(pk__in=_shown().filter(reports).values("procedures"))


def _signers(reports: QuerySet[Any, Any]) -> list[QuerySet[Any, Any]]:
    keys = reports.order_by().values("pk")
    return [_NEWEST.filter(report__in=keys, signer__practitioner__isnull=False).values(_SIGNER)]


def _signers_of_studies(rows: QuerySet[Any, Any]) -> list[QuerySet[Any, Any]]:
    return _signers(_shown().filter(procedures__in=rows.order_by().values("pk")))


def login(field: str) -> beside.Condition:
    """Versions whose ``field`` is the person with this login."""
    return beside.number(f"{field}__username", beside.LOGIN)


def _interpreter_called(test: Test) -> Q:
    return Q(pk__in=_NEWEST.filter(login("signer")(test)).values("report"))


# --- what a report comes to: the overall assessment of a breast exam


class _Says(Func):
    """Whether the answers of a version have this overall assessment."""

    output_field = BooleanField()
    _parts = ("code", "scheme", "value_code", "value_scheme")

    def __init__(self, field: Any, value: Code) -> None:
        super().__init__(field)
        self.said = (OVERALL.value, OVERALL.scheme, value.value, value.scheme)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        field, params = compiler.compile(self.source_expressions[0])
        answer = json.dumps([dict(zip(self._parts, self.said, strict=True))])
        return f"({field} @> %s::jsonb)", [*params, answer]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        field, params = compiler.compile(self.source_expressions[0])
        same = " AND ".join(f"json_extract(a.value, '$.{part}') = %s" for part in self._parts)
        sql = f"EXISTS (SELECT 1 FROM json_each({field}) a WHERE {same})"  # noqa: S608 - a column
        return sql, [*params, *self.said]


def _concluded(values: Iterable[Code]) -> Q:
    found = terms.NOTHING
    for value in values:
        found |= Q(_Says(F("coded"), value))
    return Q(pk__in=_NEWEST.filter(found).values("report")) & Q(pk__in=_shown().values("pk"))


def concluded(term: terms.CodeTerm) -> Q:
    """Reports whose newest version says one of these categories."""
    key = fold(term.meaning.strip())
    return _concluded(
        each
        for each in CATEGORIES.values()
        if (
            fold(each.meaning).startswith(key)
            if term.meaning
            else term.value in {"", each.value}
            and (term.schemes is None or each.scheme in term.schemes)
        )
    )


CONCLUDED = _concluded(CATEGORIES.values())

# --- reports that say they follow a profile

# IHE RAD IMR 1.1.0 (RAD-141); the profile has one study.
IMR = "https://profiles.ihe.net/RAD/IMR/StructureDefinition/imr-diagnosticreport"


def _complete() -> QuerySet[Report]:
    studies = RequestedProcedure.objects.filter(
        reports=OuterRef("pk"), steps__performed__isnull=False
    )
    counted = (
        studies.order_by().values("reports").annotate(n=Count("pk", distinct=True)).values("n")[:1]
    )
    return (
        _shown()
        .annotate(studies=Subquery(counted, output_field=IntegerField()))
        .filter(
            Exists(Site.objects.all()),
            _SIGNED,
            studies=1,
        )
    )


beside.answer(
    "DiagnosticReport",
    (
        Report.objects.all,
        {
            "results-interpreter": (Reference(_interpreted, _signers), _SIGNED),
            "results-interpreter:identifier": (_interpreter_called, _SIGNED),
        },
    ),
    (_shown, {"result": (Column("critical_results__public_id"), _FOUND)}),
    (_complete, {"_profile": (beside.plain(IMR), ALL)}),
)
beside.answer(
    "ImagingStudy",
    (
        RequestedProcedure.objects.all,
        {
            "interpreter": (
                Reference(lambda test: _studied(_interpreted(test)), _signers_of_studies),
                _studied(_SIGNED),
            ),
            "interpreter:identifier": (
                lambda test: _studied(_interpreter_called(test)),
                _studied(_SIGNED),
            ),
        },
    ),
)
