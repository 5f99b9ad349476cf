"""By when exams are to be final, as rows and as an expression to sort by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
    Value,
    When,
)
from django.db.models.expressions import CombinedExpression

from ris.domain.reading import TARGETS, Target
from ris.models import ReadingTarget

_NEVER = timedelta(days=3650)  # what has no time of its own comes after what has


def targets() -> tuple[Target, ...]:
    """The times in force, the shortest first; those proposed if nobody set any."""
    rows = ReadingTarget.objects.order_by("minutes", "priority", "patient_class")
    found = tuple(
        Target(priority=row.priority, patient_class=row.patient_class, minutes=row.minutes)
        for row in rows
    )
    return found or TARGETS


def due_at(times: Sequence[Target]) -> ExpressionWrapper[CombinedExpression]:
    """When a performed procedure is due: the shortest of the times that hold for it.

    The same rule as :func:`ris.domain.reading.target_minutes`: the first case that holds wins, and
    the shortest is asked first. A database has few exams that wait to be read, found by the index
    of their stage; these it sorts.
    """
    cases = []
    for each in sorted(times, key=lambda one: one.minutes):
        condition = Q()
        if each.priority:
            condition &= Q(order__priority=each.priority)
        if each.patient_class:
            condition &= Q(order__visit__patient_class=each.patient_class)
        minutes = Value(timedelta(minutes=each.minutes), DurationField())
        cases.append(When(condition or Q(pk__isnull=False), then=minutes))
    allowed = Case(*cases, default=Value(_NEVER, DurationField()), output_field=DurationField())
    return ExpressionWrapper(F("performed_at") + allowed, output_field=DateTimeField())
