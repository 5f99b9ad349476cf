"""Dose in templates."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils import timezone

from ris.selectors.dose import ExamLine
from ris.selectors.dose_history import SumLine
from ris.selectors.dose_history import sums as sums_of

register = template.Library()


@register.simple_tag
def dose_sums(exams: Iterable[ExamLine]) -> list[SumLine]:
    """What the listed exams of a patient come to together; asks nothing."""
    return sums_of(exams, timezone.now())
