"""Numbers that are given out once."""

from __future__ import annotations

from django.db.models import F

from ris.domain import identifiers
from ris.models import Counter
from ris.services._context import Context


def take(name: str) -> int:
    """The next number of a series. A gap after a rollback is fine; a repeat never happens."""
    if not Counter.objects.filter(name=name).update(value=F("value") + 1):
        Counter.objects.get_or_create(name=name)
        Counter.objects.filter(name=name).update(value=F("value") + 1)
    return Counter.objects.values_list("value", flat=True).get(name=name)


def accession_number(context: Context) -> str:
    return identifiers.accession_number(take("accession"), context.now.year)


def filler_order_number() -> str:
    return identifiers.filler_order_number(take("filler"))


def procedure_id() -> str:
    return identifiers.procedure_id(take("procedure"))


def step_id() -> str:
    return identifiers.step_id(take("step"))


def patient_number() -> str:
    return identifiers.patient_number(take("patient"))
