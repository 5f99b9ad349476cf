"""What hangs on an order, a merge or a document, by public id: what a change of it may show in."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Q

from ris.models import (
    Appointment,
    FhirResource,
    Order,
    PerformedProcedureStep,
    Report,
    ReportVersion,
    RequestedProcedure,
    ScheduledProcedureStep,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Public ids, each once; ``requests`` are orders and the procedures of those with several."""

    requests: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    appointments: tuple[str, ...] = ()
    performed: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()  # the signed ones of the reports


def parts_of(orders: Collection[str]) -> Parts:
    """All that hangs on these orders, in seven queries however many they are."""
    keys = _keys(orders)
    if not keys:
        return Parts()
    rows = list(Order.objects.filter(public_id__in=keys).values_list("pk", "public_id"))
    own = [pk for pk, _ in rows]
    procedures = list(
        RequestedProcedure.objects.filter(order__in=own).values_list("pk", "public_id", "order_id")
    )
    siblings: dict[int, list[str]] = {}
    for _, public_id, order in procedures:
        siblings.setdefault(order, []).append(str(public_id))
    steps = list(
        ScheduledProcedureStep.objects.filter(procedure__order__in=own).values_list(
            "pk", "public_id", "appointment_id"
        )
    )
    taken = [appointment for _, _, appointment in steps if appointment]
    reports = Report.objects.filter(
        Q(order__in=own) | Q(procedures__in=[pk for pk, _, _ in procedures])
    )
    return Parts(
        requests=(
            *_texts(public_id for _, public_id in rows),
            *(each for several in siblings.values() if len(several) > 1 for each in several),
        ),
        procedures=_texts(public_id for _, public_id, _ in procedures),
        steps=_texts(public_id for _, public_id, _ in steps),
        appointments=_texts(
            Appointment.objects.filter(Q(pk__in=taken) | Q(order__in=own)).values_list(
                "public_id", flat=True
            )
        ),
        performed=_texts(
            PerformedProcedureStep.objects.filter(
                Q(order__in=own) | Q(steps__in=[pk for pk, _, _ in steps])
            ).values_list("public_id", flat=True)
        ),
        reports=_texts(reports.values_list("public_id", flat=True)),
        versions=_texts(
            ReportVersion.objects.filter(report__in=reports.values("pk"))
            .order_by("report", "number")
            .values_list("public_id", flat=True)
        ),
    )


def orders_numbered(ids: Iterable[int], limit: int) -> tuple[str, ...]:
    """Orders by primary key, as the event of a merge has them."""
    rows = Order.objects.filter(pk__in=list(ids)[:limit]).order_by("pk")
    return _texts(rows.values_list("public_id", flat=True))


def kept_numbered(ids: Iterable[int], limit: int) -> tuple[tuple[str, str], ...]:
    """Kept resources by primary key: type and public id."""
    rows = FhirResource.objects.filter(pk__in=list(ids)[:limit]).order_by("pk")
    return tuple((kind, str(key)) for kind, key in rows.values_list("type", "public_id"))


def _keys(texts: Iterable[str]) -> list[uuid.UUID]:
    return [uuid.UUID(text) for text in dict.fromkeys(texts)]


def _texts(keys: Iterable[object]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(key) for key in keys))
