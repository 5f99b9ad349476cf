"""Other identifiers, and records that are linked: what ADT says of records and not of persons."""

from __future__ import annotations

from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.patients import (
    ChangeIdentifiers,
    IdentifiersChanged,
    IdentifiersMoved,
    LinkPatients,
    MoveIdentifiers,
    PatientReference,
    PatientsLinked,
    PatientsUnlinked,
    UnlinkPatients,
)
from ris.domain.places import Place
from ris.domain.values import Identifier, require_text
from ris.models import Patient, PatientIdentifier, PatientLink
from ris.services._context import Context
from ris.services._transition import touch
from ris.services.patients import holdings
from ris.services.patients.finding import find, lock_patients, require_authority
from ris.services.patients.merging import merge
from ris.services.patients.registering import set_primary

Told = tuple[tuple[str, str, str], ...]


def change_identifiers(command: ChangeIdentifiers, context: Context) -> str:
    wanted = [each for each in command.patient.identifiers if each.value and each.issuer]
    if not wanted:
        raise MissingValueError(
            "a patient identifier with its assigning authority is required", path=Place.PATIENT
        )
    patient = find(PatientReference(identifiers=command.prior), lock=True)
    if patient is None:
        require_authority(command.prior, PatientReference(), Place.PRIOR_PATIENT)
        known = find(command.patient)
        if known is None:
            raise UnknownKeyError("no such patient", path=Place.PRIOR_PATIENT)
        context.about(known)  # told before: the prior number is gone
        return str(known.public_id)
    rows = [row for row in patient.identifiers.order_by("id") if _is_one_of(row, command.prior)]
    for position, identifier in enumerate(command.patient.identifiers):
        if identifier in wanted:
            _put(patient, identifier, rows, command.patient.place(position))
    gone: list[tuple[str, str, str]] = []
    for row in rows:
        if not _is_one_of(row, wanted):
            gone.append((row.value, row.issuer, row.type))
            row.delete()
    set_primary(patient)
    previous = tuple(
        (each.value, each.issuer, each.type)
        for each in command.prior
        if not any(each.value == one.value and each.issuer == one.issuer for one in wanted)
    )
    if not previous:
        context.about(patient)
        return str(patient.public_id)
    touch(patient)
    context.emit(
        IdentifiersChanged(patient=str(patient.public_id), previous=previous), subject=patient
    )
    return str(patient.public_id)


def _is_one_of(row: PatientIdentifier, named: tuple[Identifier, ...] | list[Identifier]) -> bool:
    return any(
        (row.value, row.issuer) == (each.value, each.issuer)
        and (not each.type or not row.type or row.type == each.type)
        for each in named
    )


def _put(
    patient: Patient, identifier: Identifier, rows: list[PatientIdentifier], place: str
) -> None:
    """Have the patient known by this identifier, in place of a prior one of its authority."""
    value = require_text(identifier.value, path=place, limit=64, name="patient identifier")
    for row in PatientIdentifier.objects.filter(value=value, issuer=identifier.issuer):
        if row.patient_id != patient.pk:
            raise DuplicateKeyError(
                "this identifier belongs to another patient; that would be a merge", path=place
            )
        return
    for row in rows:
        if row.issuer == identifier.issuer and (
            not row.type or not identifier.type or row.type == identifier.type
        ):
            rows.remove(row)
            row.value, row.type, row.former = value, identifier.type or row.type, None
            row.save(update_fields=["value", "type", "former"])
            return
    PatientIdentifier.objects.create(
        patient=patient, value=value, issuer=identifier.issuer, type=identifier.type
    )


def move_identifiers(command: MoveIdentifiers, context: Context) -> str:
    patient, previous = lock_patients([command.patient, command.previous])
    if previous is None:
        require_authority(command.previous.identifiers, command.previous, Place.PRIOR_PATIENT)
        raise UnknownKeyError("no such patient", path=Place.PRIOR_PATIENT)
    if patient is None:
        require_authority(command.patient.identifiers, command.patient)
        raise UnknownKeyError("no such patient", path=Place.PATIENT)
    if patient.pk == previous.pk:
        context.about(patient)  # told before
        return str(patient.public_id)
    rows = list(previous.identifiers.order_by("id"))
    moving = [row for row in rows if _is_one_of(row, command.previous.identifiers)]
    if not [row for row in rows if row not in moving and row.former_id is None]:
        merge(patient, previous, "all its identifiers were moved", context)
        return str(patient.public_id)
    if any(holdings.everything(previous).values()):
        raise StateConflictError(
            "the record has other identifiers and orders, visits or exams; a person has to say "
            "what moves",
            path=Place.PRIOR_PATIENT,
        )
    for row in moving:
        row.patient, row.primary = patient, False
        row.save(update_fields=["patient", "primary"])
    for one in (previous, patient):
        set_primary(one)
        touch(one)
    context.emit(
        IdentifiersMoved(
            patient=str(patient.public_id),
            previous=str(previous.public_id),
            identifiers=tuple((row.value, row.issuer, row.type) for row in moving),
        ),
        subject=patient,
    )
    return str(patient.public_id)


# --- links ----------------------------------------------------------------------------------------


def link_patients(command: LinkPatients, context: Context) -> None:
    one, other = _pair(command.patient, command.other)
    patient, further = sorted((one, other), key=lambda each: each.pk)
    link = PatientLink(patient=patient, other=further, source=context.actor.name)
    if not link.insert_unless_known():
        context.about(one)
        return
    context.emit(
        PatientsLinked(patient=str(one.public_id), other=str(other.public_id)), subject=one
    )


def unlink_patients(command: UnlinkPatients, context: Context) -> None:
    one, other = _pair(command.patient, command.other)
    keys = [_records(each) for each in (one, other)]
    count, _ = PatientLink.objects.filter(patient__in=keys[0], other__in=keys[1]).delete()
    more, _ = PatientLink.objects.filter(patient__in=keys[1], other__in=keys[0]).delete()
    if not count + more:
        raise UnknownKeyError("these records are not linked", path=Place.OTHER_PATIENT)
    context.emit(
        PatientsUnlinked(patient=str(one.public_id), other=str(other.public_id)), subject=one
    )


def _records(patient: Patient) -> set[int]:
    """The record with those that were merged into it: a link made before a merge stays one."""
    keys = {patient.pk}
    while (
        more := set(Patient.objects.filter(merged_into__in=keys).values_list("pk", flat=True))
        - keys
    ):
        keys |= more
    return keys


def _pair(first: PatientReference, second: PatientReference) -> tuple[Patient, Patient]:
    one, other = lock_patients([first, second])
    for patient, reference, path in (
        (one, first, Place.PATIENT),
        (other, second, Place.OTHER_PATIENT),
    ):
        if patient is None:
            require_authority(reference.identifiers, reference, path)
            raise UnknownKeyError("no such patient", path=path)
    assert one is not None and other is not None  # noqa: S101, PT018 - looked at just now
    if one.pk == other.pk:
        raise InvalidValueError("these are one patient", path=Place.OTHER_PATIENT)
    return one, other
