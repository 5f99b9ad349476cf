"""Patients as read models."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db.models import QuerySet

from ris.domain.errors import UnknownKeyError
from ris.domain.patients import PatientClass, Sex, VisitStatus
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import Patient, PatientIdentifier, Visit
from ris.selectors.told_allergies import told, told_of
from ris.selectors.views import PatientView, ToldAllergy, VisitView


def _in_use_first(row: PatientIdentifier) -> tuple[bool, bool, int]:
    """The primary one, then those in use, then those that came by a merge."""
    return (not row.primary, row.former_id is not None, row.pk)


def to_view(
    patient: Patient,
    identifiers: Iterable[PatientIdentifier] | None = None,
    told_allergies: tuple[ToldAllergy, ...] | None = None,
) -> PatientView:
    """``patient`` with its identifiers, which are prefetched or given."""
    if identifiers is None:
        identifiers = patient.identifiers.all()
    numbers = sorted(identifiers, key=_in_use_first)
    return PatientView(
        public_id=str(patient.public_id),
        name=PersonName.parse(patient.name),
        identifiers=tuple(Identifier(row.value, row.issuer, row.type) for row in numbers),
        birth_date=PartialDate(patient.birth_date),
        sex=Sex(patient.sex),
        deceased=patient.deceased,
        phone=patient.phone,
        email=patient.email,
        address=patient.address,
        language=patient.language,
        weight_kg=patient.weight_kg,
        height_m=patient.height_m,
        allergies=tuple(patient.allergies),
        alerts=tuple(patient.alerts),
        pregnancy_status=patient.pregnancy_status,
        special_needs=patient.special_needs,
        mother_birth_name=PersonName.parse(patient.mother_birth_name),
        ethnic_group=patient.ethnic_group,
        comments=patient.comments,
        merged_into=str(patient.merged_into.public_id) if patient.merged_into else "",
        told_allergies=told_allergies,
        removed_at=patient.removed_at,
        version=patient.version,
        updated_at=patient.updated_at,
    )


def visit_view(visit: Visit | None) -> VisitView | None:
    if visit is None:
        return None
    return VisitView(
        public_id=str(visit.public_id),
        number=Identifier(visit.number, visit.issuer, "VN"),
        patient_class=PatientClass(visit.patient_class),
        location=visit.location,
        attending=PersonName.parse(visit.attending),
        referring=PersonName.parse(visit.referring),
        status=VisitStatus(visit.status),
        account=Identifier(visit.account, visit.account_issuer, "AN") if visit.account else None,
        started_at=visit.started_at,
        ended_at=visit.ended_at,
    )


def _rows() -> QuerySet[Patient]:
    return Patient.objects.select_related("merged_into").prefetch_related("identifiers")


def patient_view(public_id: str) -> PatientView:
    """The patient; raises UnknownKeyError."""
    try:
        row = _rows().annotate(told_allergies=told("pk")).get(public_id=uuid.UUID(public_id))
    except (Patient.DoesNotExist, ValueError):
        raise UnknownKeyError("no such patient") from None
    return to_view(row, told_allergies=told_of(row))


def patient_views(public_ids: Iterable[str]) -> list[PatientView]:
    """Several patients, in the order asked for; unknown ones are left out."""
    wanted = list(public_ids)
    found = {str(row.public_id): to_view(row) for row in _rows().filter(public_id__in=wanted)}
    return [found[public_id] for public_id in wanted if public_id in found]


def find_patient(identifiers: Iterable[Identifier]) -> PatientView | None:
    """The patient one of whose identifiers (with issuer) is named; None if none or several."""
    found: dict[int, Patient] = {}
    for identifier in identifiers:
        if not identifier.issuer:
            continue
        rows = PatientIdentifier.objects.filter(value=identifier.value, issuer=identifier.issuer)
        for row in rows.values_list("patient_id", flat=True):
            found[row] = _rows().get(pk=row)
    return to_view(next(iter(found.values()))) if len(found) == 1 else None
