"""When a report changed last: what is printed on it is its order's and its patient's as well."""

from __future__ import annotations

from typing import Any

from django.db.models import DateTimeField, F, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Greatest

from ris.models import Order, Patient, Report, RequestedProcedure
from ris.selectors.search import terms


def reports_changed(then: terms.Within) -> QuerySet[Any, Any]:
    """The keys of reports that changed, or whose order or patient did: both are printed on them."""
    patients = Patient.objects.filter(then("updated_at")).values("pk")
    orders = Order.objects.filter(then("updated_at")).values("pk")
    procedures = RequestedProcedure.objects
    covered = (
        procedures.filter(order__in=orders)
        .values("pk")
        .union(procedures.filter(order__patient__in=patients).values("pk"))
    )
    return (
        Report.objects.filter(then("updated_at"))
        .values("pk")
        .union(Report.objects.filter(procedures__in=covered).values("pk"))
    )


def _newest_of_orders(report: str) -> Subquery:
    """When an order or its patient changed last, of the report with the key that ``report`` has."""
    changes = (
        RequestedProcedure.objects.filter(reports=OuterRef(report))
        .order_by()
        .values("reports")
        .annotate(last=Greatest(Max("order__updated_at"), Max("order__patient__updated_at")))
        .values("last")
    )
    return Subquery(changes[:1], output_field=DateTimeField())


REPORT = Greatest(F("updated_at"), Coalesce(_newest_of_orders("pk"), F("updated_at")))
VERSION = Greatest(
    F("report__updated_at"), Coalesce(_newest_of_orders("report_id"), F("report__updated_at"))
)
