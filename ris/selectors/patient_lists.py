"""Patients for pages: the line that names one in a list, and the search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch, Q, QuerySet

from ris.domain.values import PersonName, fold
from ris.models import (
    Order,
    Patient,
    PatientIdentifier,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.models.name_words import Named, names_are_indexed
from ris.selectors.views import ToldAllergy

_DAY_FIRST = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})$")
_ISO = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})$")
LIMIT = 50

IDENTIFIERS = Prefetch("identifiers", queryset=PatientIdentifier.objects.order_by("-primary", "id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientLine:
    """Enough to tell a person from another in a list."""

    public_id: str
    name: PersonName
    number: str
    issuer: str
    birth_date: str
    sex: str
    deceased: bool = False
    alerts: tuple[str, ...] = ()
    allergies: tuple[str, ...] = ()
    merged_into: str = ""
    told_allergies: tuple[ToldAllergy, ...] = ()


def line(patient: Patient, told: Sequence[ToldAllergy] = ()) -> PatientLine:
    """The line of a patient whose identifiers are prefetched with :data:`IDENTIFIERS`.

    ``told`` where allergies decide what is done: those that wait to be confirmed.
    """
    primary = next(iter(patient.identifiers.all()), None)
    return PatientLine(
        public_id=str(patient.public_id),
        name=PersonName.parse(patient.name),
        number=primary.value if primary else "",
        issuer=primary.issuer if primary else "",
        birth_date=patient.birth_date,
        sex=patient.sex,
        deceased=patient.deceased,
        alerts=tuple(patient.alerts),
        allergies=tuple(patient.allergies),
        merged_into=str(patient.merged_into.public_id) if patient.merged_into else "",
        told_allergies=tuple(told),
    )


def _rows() -> QuerySet[Patient]:
    return Patient.objects.select_related("merged_into").prefetch_related(IDENTIFIERS)


def birth_date_in(text: str) -> str:
    """An ISO date if ``text`` is a whole date: 1970-05-03, 19700503, 3.5.1970 or 3/5/1970."""
    text = text.strip()
    match = _ISO.match(text)
    if match:
        return "-".join(match.groups())
    match = _DAY_FIRST.match(text)
    if match:
        day, month, year = match.groups()
        return f"{year}-{int(month):02d}-{int(day):02d}"
    return ""


def name_condition(text: str, prefix: str = "") -> Q:
    """Every word begins some word of the folded name, in any order and script.

    Where PostgreSQL looks for parts of a name by their trigrams, it may stand within one as well.
    """
    words = fold(text).replace(",", " ").replace("^", " ").split()
    if names_are_indexed():
        wanted = " ".join(_beginning(word) for word in words if any(map(str.isalnum, word)))
        if not wanted:
            return Q(pk=None)
        return Q(**{f"{prefix}pk__in": Named(wanted)})
    condition = Q()
    for word in words:
        condition &= Q(**{f"{prefix}name_key__contains": word})
    return condition


def _beginning(word: str) -> str:
    """What begins so, as FTS5 asks for it."""
    quoted = word.replace('"', '""')
    return f'"{quoted}"*'


def find(text: str, limit: int = LIMIT) -> list[PatientLine]:
    """Patients by number, birth date or name; numbers and dates are meant whole."""
    text = text.strip()
    if not text:
        return []
    by_number = PatientIdentifier.objects.filter(value=text).values("patient")
    born = birth_date_in(text)
    found = list(_rows().filter(pk__in=by_number)[:limit])
    if born:
        found += [
            patient
            for patient in _rows().filter(birth_date=born).order_by("name_key")[:limit]
            if patient not in found
        ]
    elif not found and any(char.isalpha() for char in text):
        named = _rows().filter(name_condition(text), merged_into=None)
        found = list(named.order_by("name_key")[:limit])
    return [line(patient) for patient in found[:limit]]


def recent(limit: int = 12) -> list[PatientLine]:
    """Whose orders came last; what a patient page shows before anybody searched."""
    latest = Order.objects.order_by("-id").values_list("patient_id", flat=True)[: limit * 4]
    keys = list(dict.fromkeys(latest))[:limit]
    by_key = {patient.pk: patient for patient in _rows().filter(pk__in=keys)}
    return [line(by_key[key]) for key in keys if key in by_key]


def lookalikes(name: PersonName, birth_date: str, limit: int = 5) -> list[PatientLine]:
    """Patients who may be the one about to be registered again: same family name and birth date,
    or the same whole name."""
    group = name.alphabetic or name.ideographic or name.phonetic
    if not group.family:
        return []
    same_family = name_condition(group.family)
    condition = same_family & name_condition(group.given) if group.given else Q(pk=None)
    if birth_date:
        condition |= same_family & Q(birth_date=birth_date)
    return [line(patient) for patient in _rows().filter(condition, merged_into=None)[:limit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accession:
    """An order found by one of its numbers."""

    order: str
    accession_number: str
    patient: PatientLine
    ordered_at: datetime


def orders_by_number(text: str, limit: int = 20) -> Sequence[Accession]:
    """Orders by accession, placer or filler number, procedure id or step id, meant whole."""
    text = text.strip()
    if not text:
        return []
    # One condition at a time: each has its index, all together have none.
    ways = (
        Order.objects.filter(accession_number=text).values_list("pk"),
        Order.objects.filter(placer_order_number=text).values_list("pk"),
        Order.objects.filter(filler_order_number=text).values_list("pk"),
        RequestedProcedure.objects.filter(procedure_id=text).values_list("order"),
        RequestedProcedure.objects.filter(study_instance_uid=text).values_list("order"),
        ScheduledProcedureStep.objects.filter(step_id=text).values_list("procedure__order"),
    )
    keys = {key for way in ways for (key,) in way[:limit]}
    rows = (
        Order.objects.filter(pk__in=keys)
        .select_related("patient__merged_into")
        .prefetch_related(Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset))
        .order_by("-id")[:limit]
    )
    return [
        Accession(
            order=str(order.public_id),
            accession_number=order.accession_number,
            patient=line(order.patient),
            ordered_at=order.ordered_at,
        )
        for order in rows
    ]
