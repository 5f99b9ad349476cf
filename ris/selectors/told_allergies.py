"""Allergies that somebody told and nobody confirmed yet: for people, not for scanners or peers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Aggregate, JSONField, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONArray
from django.db.models.sql.compiler import SQLCompiler

from ris.domain.patients import ReviewState
from ris.models import DemographicReview
from ris.selectors.views import ToldAllergy

_SAID_BY = ("said", "sender")


class _Every(Aggregate):
    """The values of all rows as one JSON list."""

    function = "JSONB_AGG"
    output_field = JSONField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSON_GROUP_ARRAY", **extra)


def told(patient: str) -> Subquery:
    """For ``annotate(told_allergies=…)`` of rows whose field ``patient`` is one.

    Read with the rows themselves: a list takes no query more for it, nor does a page.
    """
    rows = _open().filter(patient=OuterRef(patient)).order_by().values("patient")
    return Subquery(rows.annotate(every=_Every(JSONArray(*_SAID_BY))).values("every"))


def told_of(row: object) -> tuple[ToldAllergy, ...]:
    """What :func:`told` found for ``row``."""
    found: Sequence[Sequence[str]] = getattr(row, "told_allergies", None) or ()
    return tuple(ToldAllergy(words, by) for words, by in found)


def told_for(patient: str) -> tuple[ToldAllergy, ...]:
    """Of one patient, by public id."""
    rows = _open().filter(patient__public_id=patient).order_by("id").values_list(*_SAID_BY)
    return tuple(ToldAllergy(words, by) for words, by in rows)


def _open() -> QuerySet[DemographicReview]:
    return DemographicReview.objects.filter(field="allergies", state=ReviewState.OPEN.value)
