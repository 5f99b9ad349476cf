"""The parts of an order's read model that a kind of hit shows, in few queries."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Prefetch, Q, QuerySet

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
from ris.selectors import orders
from ris.selectors.search import bare
from ris.selectors.views import OrderView


def order_rows(
    *,
    performed: bool = False,
    series: bool = False,
    reports: bool = False,
    versions: bool = False,
    identifiers: bool = False,
) -> QuerySet[Order]:
    """Orders with procedures and steps; the other parts only if asked for, else left empty.

    The patient's identifiers are left out mostly, and the institution always: a hit names its
    patient by public id, and the institution is found by itself.
    """
    done = PerformedProcedureStep.objects.prefetch_related(
        "series" if series else Prefetch("series", PerformedSeries.objects.none()), "steps"
    ).order_by("id")
    steps = (
        # The site of the room, or of the device without one, has the clock of its times.
        ScheduledProcedureStep.objects.select_related(
            "appointment__device__room", "device__room__site", "device__resource__site"
        )
        .prefetch_related(
            Prefetch("performed", done if performed else PerformedProcedureStep.objects.none())
        )
        .order_by("id")
    )
    signed = ReportVersion.objects.select_related(
        "author__practitioner", "signer__practitioner", "resident__practitioner"
    ).order_by("number")
    written = (
        Report.objects.exclude(status="DISCARDED")
        .prefetch_related(
            Prefetch("procedures", RequestedProcedure.objects.none()),
            Prefetch("versions", signed if versions else ReportVersion.objects.none()),
        )
        .order_by("id")
    )
    procedures = (
        RequestedProcedure.objects.select_related("definition")
        .prefetch_related(
            Prefetch("steps", steps),
            Prefetch("reports", written if reports else Report.objects.none()),
        )
        .order_by("id")
    )
    return Order.objects.select_related("patient__merged_into", "visit", "source").prefetch_related(
        "patient__identifiers"
        if identifiers
        else Prefetch("patient__identifiers", PatientIdentifier.objects.none()),
        Prefetch("procedures", procedures),
    )


def orders_with(condition: Q, **parts: bool) -> list[OrderView]:
    """The orders that fulfill ``condition``, each once."""
    rows = order_rows(**parts)
    found = rows.filter(pk__in=Order.objects.filter(condition).values("pk"))
    return [orders.to_view(row, institution="") for row in found]


def by_number(ids: Iterable[int], **parts: bool) -> dict[str, OrderView]:
    """Orders by public id, for primary keys that are at hand."""
    wanted = {each for each in ids if each}
    if not wanted:
        return {}
    if not any(parts.values()):
        return {view.public_id: view for view in bare.of_numbers(sorted(wanted))}
    return {view.public_id: view for view in orders_with(Q(pk__in=wanted), **parts)}
