"""Orderings by names are written as Django writes them, and look at no column."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Lower
from django.db.models.sql.compiler import SQLCompiler

from ris.models import Order, ReportVersion, ScheduledProcedureStep, ordering

pytestmark = pytest.mark.django_db

STEPS = ScheduledProcedureStep.objects
QUERIES: dict[str, QuerySet[Any, Any]] = {
    "by a name": STEPS.order_by("start_at", "-pk"),
    "with what it belongs to": STEPS.select_related("procedure__order__patient").order_by(
        "procedure__order__patient__name_key", "pk"
    ),
    "the other way": STEPS.order_by("start_at", "pk").reverse(),
    "as the table says": ReportVersion.objects.all(),
    "the last as the table says": ReportVersion.objects.reverse(),
    "by nothing": STEPS.order_by(),
    "by chance": STEPS.order_by("?"),
    "by a selected column": STEPS.order_by(F("start_at").desc(nulls_last=True)),
    "by an expression": Order.objects.order_by(Lower("placer_order_number"), "pk"),
    "by an annotation": Order.objects.annotate(many=Count("procedures")).order_by("-many", "pk"),
    "beside an annotation": Order.objects.annotate(low=Lower("placer_order_number")).order_by("pk"),
    "values": Order.objects.values("pk", low=Lower("placer_order_number")).order_by("low"),
    "different values": STEPS.values_list("start_at", flat=True).distinct().order_by("start_at"),
    "both together": STEPS.values("pk").union(STEPS.values("procedure_id")).order_by("pk"),
}


def _written(queryset: QuerySet[Any, Any]) -> tuple[str, tuple[Any, ...]]:
    sql, params = queryset.query.get_compiler("default").as_sql()
    return sql, tuple(params)


def _as_django(queryset: QuerySet[Any, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(SQLCompiler, "_order_by_pairs", ordering._with_selected)
        return _written(queryset)


@pytest.mark.parametrize("name", QUERIES)
def test_statements_are_those_of_django(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _written(QUERIES[name]) == _as_django(QUERIES[name], monkeypatch)


def test_each_table_is_read_as_django_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [model._default_manager.order_by("-pk") for model in apps.get_models()]

    assert len(tables) > 100
    assert [_written(each) for each in tables] == [_as_django(each, monkeypatch) for each in tables]


def test_no_column_is_looked_at_for_an_ordering_by_names() -> None:
    # Django keeps a field's column; another test may have looked at it.
    for column in _columns():
        vars(column).pop("identity", None)

    assert len(_columns()) > 100
    assert [column for column in _columns() if "identity" in vars(column)] == []


def _columns() -> list[Any]:
    compiler = QUERIES["with what it belongs to"].query.get_compiler("default")
    compiler.as_sql()
    return [column for column, *_ in compiler.select]
