"""Which scheduled steps and which patient a modality means; never guessed."""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.errors import (
    UnknownKeyError,
)
from ris.domain.orders import OPEN, StepStatus
from ris.domain.performing import (
    ScheduledReference,
)
from ris.domain.values import Identifier
from ris.models import (
    Patient,
    PatientIdentifier,
    ScheduledProcedureStep,
)
from ris.services._locks import public_key


def find_steps(references: Sequence[ScheduledReference]) -> list[ScheduledProcedureStep]:
    """The steps named by the Scheduled Step Attributes Sequence, each item on its own (SPS-01).

    By, in this order: Study UID and step id; accession number and step id; accession number and
    procedure id; Study UID alone if that leaves one step.
    """
    found: dict[int, ScheduledProcedureStep] = {}
    for reference in references:
        for step in _find_by(reference):
            found[step.pk] = step
    return list(found.values())


def _find_by(reference: ScheduledReference) -> list[ScheduledProcedureStep]:
    rows = ScheduledProcedureStep.objects.select_related("procedure__order__patient")
    uid, accession = reference.study_instance_uid, reference.accession_number
    if uid and reference.step_id:
        steps = list(rows.filter(procedure__study_instance_uid=uid, step_id=reference.step_id))
        if steps:
            return steps
    if accession and reference.step_id:
        steps = list(
            rows.filter(procedure__order__accession_number=accession, step_id=reference.step_id)
        )
        if steps:
            return _if_one_order(steps)
    if accession and reference.procedure_id:
        steps = list(
            rows.filter(
                procedure__order__accession_number=accession,
                procedure__procedure_id=reference.procedure_id,
            )
        )
        if steps:
            return _only_one(_if_one_order(steps))
    if uid:
        return _only_one(list(rows.filter(procedure__study_instance_uid=uid)))
    return []


def _if_one_order(steps: list[ScheduledProcedureStep]) -> list[ScheduledProcedureStep]:
    """Two issuers may use one accession number; then it names nobody."""
    return steps if len({step.procedure.order_id for step in steps}) == 1 else []


def _only_one(steps: list[ScheduledProcedureStep]) -> list[ScheduledProcedureStep]:
    """The only step, or the only one still to be done; nothing if that leaves a choice."""
    if len(steps) <= 1:
        return steps
    pending = [step for step in steps if StepStatus(step.status) in OPEN]
    return pending if len(pending) == 1 else []


def belongs(identifier: Identifier | None, patient: Patient) -> bool:
    """Whether the modality's patient is the step's; without a number nothing contradicts."""
    if identifier is None or not identifier.value:
        return True
    rows = PatientIdentifier.objects.filter(patient=patient, value=identifier.value)
    if identifier.issuer:
        rows = rows.filter(issuer__in=["", identifier.issuer])
    return rows.exists()


def find_patient(identifier: Identifier | None) -> Patient | None:
    """The patient of an exam without step; only if the number leaves no choice."""
    if identifier is None or not identifier.value:
        return None
    rows = PatientIdentifier.objects.filter(value=identifier.value).select_related("patient")
    if identifier.issuer:
        rows = rows.filter(issuer=identifier.issuer)
    patients = {row.patient_id: row.patient for row in rows[:3]}
    return next(iter(patients.values())) if len(patients) == 1 else None


def steps_named(public_ids: Sequence[str]) -> list[ScheduledProcedureStep]:
    keys = [public_key(public_id, "step") for public_id in public_ids]
    steps = list(
        ScheduledProcedureStep.objects.select_related("procedure__order__patient").filter(
            public_id__in=keys
        )
    )
    if len(steps) != len(set(keys)):
        raise UnknownKeyError("no such step")
    return steps
