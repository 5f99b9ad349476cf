"""Which scheduled steps and which patient a modality means; never guessed.

Reads only as much as it takes to decide: the steps themselves are read once, when their orders are
locked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import CharField
from django.utils.translation import gettext_noop as noop

from ris.domain.errors import UnknownKeyError
from ris.domain.identifiers import same_issuer
from ris.domain.orders import OPEN, StepStatus
from ris.domain.performing import EVIDENCE_MODALITIES, ScheduledReference
from ris.domain.values import Identifier, PartialDate, fold
from ris.models import Patient, PatientIdentifier, ScheduledProcedureStep, StudyAlias
from ris.models.prepared import Given, Select
from ris.services._locks import public_key


@dataclass(frozen=True, slots=True)
class Found:
    """A step with what tells whether it is meant."""

    pk: int
    status: str
    modality: str
    study_uid: str
    procedure: str
    order: int
    patient: int
    accession: str
    accession_issuer: str
    placer: str
    placer_issuer: str
    filler: str
    filler_issuer: str


def find_steps(
    references: Sequence[ScheduledReference], identifiers: Sequence[Identifier] = ()
) -> list[Found]:
    """The steps named by the Scheduled Step Attributes Sequence, each item on its own (SPS-01).

    By, in this order: the step id together with the Study UID, the accession number or another
    number of ours; the procedure id likewise; the Study UID alone; the accession number, the placer
    or the filler order number alone. Where several steps are left, by the only one still to be
    done. A step or procedure id without any other number is believed if the patient is right.
    """
    found: dict[int, Found] = {}
    for reference in references:
        for step in _find_by(reference, identifiers):
            found[step.pk] = step
    return list(found.values())


_STEPS = (
    ScheduledProcedureStep.objects.select_related("procedure__order")
    .only(
        *("status", "modality", "procedure__study_instance_uid", "procedure__procedure_id"),
        *("procedure__order__patient", "procedure__order__accession_number"),
        *("procedure__order__accession_issuer", "procedure__order__placer_order_number"),
        *("procedure__order__placer_issuer", "procedure__order__filler_order_number"),
        *("procedure__order__filler_issuer",),
    )
    .order_by("pk")
)
_BY_STEP_ID = Select(lambda: _STEPS.filter(step_id=Given("step_id", CharField())))


def _rows(**condition: object) -> list[Found]:
    return [_found(step) for step in _STEPS.filter(**condition)[:50]]


def _found(step: ScheduledProcedureStep) -> Found:
    order = step.procedure.order
    return Found(
        pk=step.pk,
        status=step.status,
        modality=step.modality,
        study_uid=step.procedure.study_instance_uid,
        procedure=step.procedure.procedure_id,
        order=order.pk,
        patient=order.patient_id,
        accession=order.accession_number,
        accession_issuer=order.accession_issuer,
        placer=order.placer_order_number,
        placer_issuer=order.placer_issuer,
        filler=order.filler_order_number,
        filler_issuer=order.filler_issuer,
    )


def _find_by(reference: ScheduledReference, identifiers: Sequence[Identifier]) -> list[Found]:
    if reference.step_id:
        # Ours are unique, so there is at most one; another system's may look the same.
        named = [_found(step) for step in _BY_STEP_ID.all(step_id=reference.step_id)]
        steps = [step for step in named if _agrees(step, reference, identifiers)]
        if steps:
            return steps
    if reference.procedure_id:
        steps = [
            step
            for step in _rows(procedure__procedure_id=reference.procedure_id)
            if _agrees(step, reference, identifiers)
        ]
        if steps:
            return _only_one(steps)
    for uid in _uids(reference):
        steps = _rows(procedure__study_instance_uid=uid) or _by_alias(uid)
        if steps:
            return _only_one(steps)
    return _only_one(_by_number(reference))


def _by_alias(uid: str) -> list[Found]:
    """Steps that were performed before under this UID, which is not the one of their order."""
    procedures = list(
        StudyAlias.objects.filter(study_instance_uid=uid).values_list("procedure_id", flat=True)
    )
    return _rows(procedure__in=procedures) if procedures else []


def _by_number(reference: ScheduledReference) -> list[Found]:
    """The steps of the one order that has a number; two issuers may use the same."""
    for field, number, issuer in (
        ("accession", reference.accession_number, reference.accession_issuer),
        ("placer_order", reference.placer_order_number, reference.placer_issuer),
        ("filler_order", reference.filler_order_number, reference.filler_issuer),
    ):
        if not number:
            continue
        name = field.partition("_")[0]
        steps = [
            step
            for step in _rows(**{f"procedure__order__{field}_number": number})
            if same_issuer(getattr(step, f"{name}_issuer"), issuer)
        ]
        exact = [step for step in steps if issuer and getattr(step, f"{name}_issuer")]
        steps = exact or steps
        if steps:
            return steps if len({step.order for step in steps}) == 1 else []
    return []


def _uids(reference: ScheduledReference) -> tuple[str, ...]:
    named = (reference.study_instance_uid, *reference.referenced_study_uids)
    return tuple(dict.fromkeys(uid for uid in named if uid))


def _agrees(step: Found, reference: ScheduledReference, identifiers: Sequence[Identifier]) -> bool:
    """Whether something else said of the step is true of it, so that its id is no coincidence."""
    if step.study_uid in _uids(reference):
        return True
    for number, issuer, said, said_issuer in (
        (step.accession, step.accession_issuer, reference.accession_number,
         reference.accession_issuer),
        (step.placer, step.placer_issuer, reference.placer_order_number, reference.placer_issuer),
        (step.filler, step.filler_issuer, reference.filler_order_number, reference.filler_issuer),
    ):  # fmt: skip
        if said:
            # What was said of the order decides, whichever way.
            return said == number and same_issuer(issuer, said_issuer)
    if reference.step_id and step.procedure == reference.procedure_id:
        return True
    return bool(identifiers) and step.patient not in strangers(identifiers, [step.patient])


def _only_one(steps: list[Found]) -> list[Found]:
    """The only step, or the only one still to be done; nothing if that leaves a choice."""
    if len(steps) <= 1:
        return steps
    pending = [step for step in steps if StepStatus(step.status) in OPEN]
    return pending if len(pending) == 1 else []


def is_evidence(modality: str, steps: Sequence[Found]) -> bool:
    """Whether this was made from the images of these steps, and is none of them (IHE RAD-20)."""
    return modality in EVIDENCE_MODALITIES and all(step.modality != modality for step in steps)


def named_by_people(public_ids: Sequence[str]) -> list[Found]:
    """The steps with these public ids; raises UnknownKeyError."""
    keys = {public_key(public_id, "step") for public_id in public_ids}
    steps = _rows(public_id__in=keys) if keys else []
    if len(steps) != len(keys):
        raise UnknownKeyError("no such step")
    return steps


# --- patients

_NUMBERS = Select(
    lambda: PatientIdentifier.objects.only("patient", "issuer").filter(
        value=Given("value", CharField())
    )
)


def _known(identifiers: Iterable[Identifier]) -> list[Identifier]:
    return [identifier for identifier in identifiers if identifier.value]


def strangers(identifiers: Sequence[Identifier], patients: Iterable[int]) -> set[int]:
    """Which of the patients have none of these numbers; nobody is one if no number was said."""
    wanted = set(patients)
    said = _known(identifiers)
    if not said or not wanted:
        return set()
    owners = {
        row.patient_id
        for identifier in said
        for row in _NUMBERS.all(value=identifier.value)
        if same_issuer(row.issuer, identifier.issuer)
    }
    return wanted - owners


def is_named_otherwise(name: str, birth_date: str, patient: Patient) -> bool:
    """Whether what was said of a patient besides numbers is true of somebody else only.

    A married name, a nickname, family and given name in each other's place leave a word or the
    birth date (DICOM DA) as it was. Letters that one side does not have, initials, and signs in
    place of letters say nothing.
    """
    if birth_date and PartialDate(patient.birth_date).dicom == birth_date:
        return False
    said, known = _words(name), _words(patient.name)
    return bool(said and known) and not said & known


def _words(name: str) -> set[str]:
    """The words of a name in plain letters; ä, ae and a are one, as devices write them."""
    parts = re.split(r"[\^=\s,.\-']+", fold(name))
    return {
        re.sub("([aou])e", r"\1", word)
        for word in parts
        if len(word) > 1 and word.isascii() and word.isalpha()
    }


def differences(references: Sequence[ScheduledReference], found: Sequence[Found]) -> Iterator[str]:
    """What was said of the steps besides what found them; by that number no archive finds them."""
    missed = [] if len(references) < 2 else _missed(references, found)
    if missed:
        yield noop("another scheduled step that it names was not found")
    said = {one.accession_number for one in references if one not in missed} - {""}
    if not said <= {step.accession for step in found}:
        yield noop("an accession number sent is not the one of the scheduled step")


def _missed(
    references: Sequence[ScheduledReference], found: Sequence[Found]
) -> list[ScheduledReference]:
    """Those that name a step which is none of these."""
    return [
        reference
        for reference in references
        if reference.names_a_step and not any(_agrees(step, reference, ()) for step in found)
    ]


def find_patient(identifiers: Sequence[Identifier]) -> Patient | None:
    """The patient of an exam without step; only if the numbers leave no choice.

    An issuer that was said finds its own number before one whose issuer nobody told.
    """
    said = _known(identifiers)
    if not said:
        return None
    rows = PatientIdentifier.objects.filter(
        value__in=[identifier.value for identifier in said]
    ).select_related("patient")[:50]
    patients: dict[int, Patient] = {}
    for identifier in said:
        found = [
            row
            for row in rows
            if row.value == identifier.value and same_issuer(row.issuer, identifier.issuer)
        ]
        exact = [row for row in found if identifier.issuer and row.issuer]
        patients |= {row.patient_id: row.patient for row in exact or found}
    return next(iter(patients.values())) if len(patients) == 1 else None
