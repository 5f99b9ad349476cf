"""Register and update patients: what is said of them, and their identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db.models import BigIntegerField, CharField

from ris.domain.errors import (
    DuplicateKeyError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.patients import (
    SHARED_TYPES,
    Demographics,
    PatientReference,
    PatientRegistered,
    PatientRemoved,
    PatientUpdated,
    RegisterPatient,
    RemovePatient,
    UpdatePatient,
)
from ris.domain.places import Place
from ris.domain.values import Identifier, require_text
from ris.models import Order, Patient, PatientIdentifier, Site
from ris.models.prepared import Given, Select
from ris.services import _numbers
from ris.services._context import Context
from ris.services._transition import touch
from ris.services.patients import allergies, reviewing, visits
from ris.services.patients.demographics import apply
from ris.services.patients.finding import (
    are_former,
    find,
    refuse_somebody_else,
    require,
    require_authority,
)

LOCAL_ISSUER = "RIS"


def resolve(reference: PatientReference, context: Context) -> Patient:
    """The patient meant, locked; registered if an identifier with issuer is new.

    Raises DuplicateKeyError if the identifiers belong to different patients,
    StateConflictError if the patient found is plainly somebody else, MissingValueError if nothing
    identifies anybody. What is said of a known patient is taken over from an authority only; else
    a person decides on what differs.
    """
    patient = find(reference, lock=True)
    if patient is None:
        if reference.public_id:
            raise UnknownKeyError("no such patient", path=Place.PATIENT_KEY)
        require_authority(reference.identifiers, reference)
        return register(reference.identifiers, reference.demographics, context, reference)
    if reference.authoritative:
        _change(patient, apply(patient, reference.demographics), context)
    else:
        refuse_somebody_else(patient, reference.demographics)
        reviewing.question(patient, reference.demographics, context)
    if patient.removed_at is not None:
        _restore(patient)
    return patient


def register(
    identifiers: Sequence[Identifier],
    demographics: Demographics,
    context: Context,
    reference: PatientReference | None = None,
) -> Patient:
    """Create a patient and say so."""
    patient = Patient()
    apply(patient, demographics)
    patient.save()
    qualified = [identifier for identifier in identifiers if identifier.value]
    if not qualified:
        site = Site.objects.order_by("id").first()
        issuer = (site.patient_id_issuer if site else "") or LOCAL_ISSUER
        qualified = [Identifier(_numbers.patient_number(), issuer, "MR")]
    add_identifiers(patient, qualified, (), reference)
    context.emit(PatientRegistered(patient=str(patient.public_id)), subject=patient)
    return patient


# --- identifiers ----------------------------------------------------------------------------------

_NUMBERED = Select(
    lambda: PatientIdentifier.objects.filter(
        value=Given("value", CharField()),
        issuer=Given("issuer", CharField()),
        type=Given("type", CharField()),
    )
)


_OWN = Select(lambda: PatientIdentifier.objects.filter(patient=Given("patient", BigIntegerField())))


def has_primary(patient: Patient) -> bool:
    return patient.identifiers.filter(primary=True).exists()


def set_primary(patient: Patient) -> None:
    """Have one of the identifiers be the primary one; those in use come first."""
    if has_primary(patient):
        return
    rows = sorted(patient.identifiers.all(), key=lambda row: (row.former_id is not None, row.pk))
    if rows:
        rows[0].primary = True
        rows[0].save(update_fields=["primary"])


def add_identifiers(
    patient: Patient,
    identifiers: Sequence[Identifier],
    own: Sequence[PatientIdentifier],
    reference: PatientReference | None = None,
) -> list[str]:
    """Add what is not among the patient's own; without any, the first one is the primary one.

    A number that two persons may both be said to have comes last, and stays with whom it was told
    of first.
    """
    added = []
    have_primary = any(row.primary for row in own)
    for position, identifier in sorted(
        enumerate(identifiers), key=lambda each: each[1].type in SHARED_TYPES
    ):
        if not identifier.value:
            continue
        place = reference.place(position) if reference else Place.PATIENT
        value = require_text(identifier.value, path=place, limit=64, name="patient identifier")
        if any(
            (row.value, row.issuer) == (value, identifier.issuer)
            and (row.type == identifier.type or not identifier.type)
            for row in own
        ):
            continue
        known = _NUMBERED.first(value=value, issuer=identifier.issuer, type=identifier.type)
        if known is not None:
            if known.patient_id != patient.pk and identifier.type not in SHARED_TYPES:
                raise DuplicateKeyError(
                    "this patient identifier belongs to another patient", path=place
                )
            continue
        PatientIdentifier.objects.create(
            patient=patient,
            value=value,
            issuer=identifier.issuer,
            type=identifier.type,
            primary=not have_primary,
        )
        have_primary = True
        added.append(value)
    return added


def _replace_identifiers(patient: Patient, identifiers: Sequence[Identifier]) -> list[str]:
    wanted = {(i.issuer, i.type, i.value) for i in identifiers if i.value}
    issuers = {issuer for issuer, _, _ in wanted}
    changed = False
    for row in patient.identifiers.filter(issuer__in=issuers, former=None):
        if (row.issuer, row.type, row.value) not in wanted:
            row.delete()
            changed = True
    if add_identifiers(patient, identifiers, list(patient.identifiers.all())):
        changed = True
    if not patient.identifiers.exists():
        raise MissingValueError("a patient needs an identifier", path=Place.PATIENT)
    set_primary(patient)
    return ["identifiers"] if changed else []


# --- what is said of a person ---------------------------------------------------------------------


def _change(patient: Patient, changed: Sequence[str], context: Context) -> None:
    """Store what changed and say so; reviews that became pointless are closed."""
    if not changed:
        return
    touch(patient, *[name for name in changed if name != "identifiers"])
    reviewing.outdate(patient, changed)
    context.emit(
        PatientUpdated(patient=str(patient.public_id), changed=tuple(changed)), subject=patient
    )


def _restore(patient: Patient) -> None:
    """Who is told of again is not deleted any more."""
    patient.removed_at = None
    touch(patient, "removed_at")


# --- commands -------------------------------------------------------------------------------------


def register_patient(command: RegisterPatient, context: Context) -> str:
    for identifier in command.identifiers:
        if PatientIdentifier.objects.filter(
            value=identifier.value, issuer=identifier.issuer, type=identifier.type
        ).exists():
            raise DuplicateKeyError("this patient identifier is known already", path=Place.PATIENT)
    patient = register(command.identifiers, command.demographics, context)
    visits.record_visit(patient, command.visit)
    return str(patient.public_id)


def update_patient(command: UpdatePatient, context: Context) -> str:
    patient = find(command.patient, lock=True)
    if patient is None:
        if not command.create:
            raise UnknownKeyError("no such patient", path=Place.PATIENT)
        require_authority(command.patient.identifiers, command.patient)
        said = command.demographics
        if command.allergies is not None:
            said = replace(said, allergies=allergies.texts(command.allergies))
        patient = register(command.patient.identifiers, said, context, command.patient)
        if command.allergies is not None:
            allergies.number(patient, command.allergies, is_told=True)
        _record_visit(patient, command, context)
        return str(patient.public_id)
    if command.expected_version is not None and command.expected_version != patient.version:
        raise StateConflictError("somebody else changed this patient meanwhile")
    said = command.demographics
    own = _OWN.all(patient=patient.pk)
    is_told = command.authoritative and not are_former(command.patient, own)
    if not is_told:
        refuse_somebody_else(patient, said)
        reviewing.question(patient, said, context)
        said = reviewing.clinical(said, patient)
    if command.allergies is not None:
        now = allergies.after(patient, command.allergies, is_told=is_told)
        said = replace(said, allergies=now)
        allergies.number(patient, command.allergies, is_told=is_told)
    changed = apply(patient, said)
    if command.replace_identifiers:
        changed += _replace_identifiers(patient, command.patient.identifiers)
    elif add_identifiers(patient, command.patient.identifiers, own, command.patient):
        changed.append("identifiers")
    _record_visit(patient, command, context)
    if patient.removed_at is not None:
        _restore(patient)
    _change(patient, changed, context)
    return str(patient.public_id)


def _record_visit(patient: Patient, command: UpdatePatient, context: Context) -> None:
    if command.visit is None:
        return
    if command.visit_trigger is None:
        visits.record_visit(patient, command.visit)
        return
    visits.follow(patient, command.visit, command.visit_trigger, command.prior_visit, context)


def remove_patient(command: RemovePatient, context: Context) -> str:
    patient = require(command.patient)
    if Order.objects.filter(patient=patient, status__in=visits.OPEN_ORDERS).exists():
        raise StateConflictError(
            "there are open orders for this person; cancel them first", path=Place.PATIENT
        )
    if patient.removed_at is None:
        patient.removed_at = context.now
        touch(patient, "removed_at")
        context.emit(PatientRemoved(patient=str(patient.public_id)), subject=patient)
    else:
        context.about(patient)
    return str(patient.public_id)
