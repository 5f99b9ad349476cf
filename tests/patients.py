"""Patients with numbers that tell them apart: known, merged, parted; and their visits."""

from __future__ import annotations

from typing import Any

from ris.domain.actors import Actor
from ris.domain.patients import (
    MergePatients,
    PatientClass,
    PatientReference,
    RegisterPatient,
    UnmergePatients,
    UpdatePatient,
    VisitDetails,
    VisitTrigger,
)
from ris.domain.values import Identifier
from ris.models import Order, Patient, Visit
from ris.services import execute
from tests import make, people


def number(value: str) -> Identifier:
    return Identifier(value, "HOSP", "MR")


def reference(value: str, **said: Any) -> PatientReference:
    """By number alone, unless something is said."""
    demographics = make.demographics(**said)
    return PatientReference(identifiers=(number(value),), demographics=demographics)


def known(value: str, **said: Any) -> Patient:
    """A registered patient."""
    key = execute(
        RegisterPatient(identifiers=(number(value),), demographics=make.demographics(**said)),
        actor=people.frontdesk,
    )
    return Patient.objects.get(public_id=key)


def merge(survivor: str, subsumed: str, actor: Actor = people.ehr) -> None:
    execute(MergePatients(survivor=reference(survivor), subsumed=reference(subsumed)), actor=actor)


def unmerge(subsumed: Patient) -> None:
    execute(
        UnmergePatients(subsumed_id=str(subsumed.public_id), reason="two persons"),
        actor=people.scheduler,
    )


def visit(value: str, **said: Any) -> VisitDetails:
    fields: dict[str, Any] = {"patient_class": PatientClass.INPATIENT}
    return VisitDetails(number=Identifier(value, "HOSP"), **{**fields, **said})


def order_in(patient: str, visit_number: str) -> Order:
    return make.order(patient=reference(patient), visit=visit(visit_number))


def tell(patient: str, details: VisitDetails, trigger: VisitTrigger | None = None) -> Visit:
    """What an ADT message tells of a visit."""
    execute(
        UpdatePatient(
            patient=reference(patient),
            demographics=make.demographics(),
            visit=details,
            visit_trigger=trigger,
            create=True,
        ),
        actor=people.ehr,
    )
    return Visit.objects.get(number=details.number.value)
