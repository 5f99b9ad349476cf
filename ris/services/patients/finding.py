"""Which patient is meant. Matching never guesses: only identifiers with issuer match.

A social security or an account number is typed in, shared and made up (``999-99-9999``): it leads
to a record only where no number that tells patients apart says otherwise (``SHARED_TYPES``).

Records are locked along their merges, from the merged one to the living one, and living ones in the
order of their keys: so no two transactions wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from django.db.models import BigIntegerField, CharField, QuerySet, UUIDField

from ris.domain.errors import (
    BusyError,
    DuplicateKeyError,
    MissingValueError,
    RisError,
    SeveralErrors,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.patients import SHARED_TYPES, Demographics, PatientReference
from ris.domain.places import Place
from ris.domain.values import Identifier, PersonName, is_same_family
from ris.models import Patient, PatientIdentifier
from ris.models.prepared import Given, Select
from ris.services._locks import public_key

_LOCKING_TRIES = 5


def _by_key() -> QuerySet[Patient]:
    return Patient.objects.filter(public_id=Given("key", UUIDField()))


def _by_number() -> QuerySet[Patient]:
    return Patient.objects.filter(
        identifiers__value=Given("value", CharField()),
        identifiers__issuer=Given("issuer", CharField()),
    )


def _by_typed_number() -> QuerySet[Patient]:
    """Many systems leave the type out, so an identifier without one may be of any."""
    return Patient.objects.filter(
        identifiers__value=Given("value", CharField()),
        identifiers__issuer=Given("issuer", CharField()),
        identifiers__type__in=["", Given("type", CharField())],
    )


def _locked(rows: Callable[[], QuerySet[Patient]]) -> Select[Patient]:
    return Select(lambda: rows().select_for_update(of=("self",), no_key=True))


_FOUND, _LOCKED = Select(_by_key), _locked(_by_key)
_FOUND_BY_NUMBER, _LOCKED_BY_NUMBER = Select(_by_number), _locked(_by_number)
_FOUND_BY_TYPED_NUMBER = Select(_by_typed_number)
_LOCKED_BY_TYPED_NUMBER = _locked(_by_typed_number)
_LOCKED_BY_ID = _locked(lambda: Patient.objects.filter(pk=Given("pk", BigIntegerField())))


def find(reference: PatientReference, *, lock: bool = False) -> Patient | None:
    """The living record of the patient meant (merged ones lead to their survivor), or None.

    Raises DuplicateKeyError, with the place of each, if the identifiers are of several patients.
    """
    if reference.public_id:
        key = public_key(reference.public_id, "patient")
        patient = (_LOCKED if lock else _FOUND).first(key=key)
        return living(patient, lock=lock) if patient else None
    told = [each for each in enumerate(reference.identifiers) if each[1].value and each[1].issuer]
    own = [each for each in told if each[1].type not in SHARED_TYPES]
    patient = _named_by(own, reference, lock=lock)
    if patient is not None or len(own) == len(told):
        return patient
    shared = [each for each in told if each not in own]
    if own:
        return _not_contradicted(shared, [each for _, each in own], reference, lock=lock)
    patient = _named_by(shared, reference, lock=lock)
    if patient is not None:
        refuse_somebody_else(patient, reference.demographics)
    return patient


def _not_contradicted(
    shared: Sequence[tuple[int, Identifier]],
    own: Sequence[Identifier],
    reference: PatientReference,
    *,
    lock: bool,
) -> Patient | None:
    """Whom shared numbers name, unless the unknown number beside them tells of somebody new."""
    try:
        patient = _named_by(shared, reference, lock=lock)
    except (DuplicateKeyError, SeveralErrors):
        return None
    if patient is None or is_somebody_else(patient, reference.demographics):
        return None
    return None if _goes_by_others(patient, own) else patient


def _named_by(
    identifiers: Iterable[tuple[int, Identifier]], reference: PatientReference, *, lock: bool
) -> Patient | None:
    found: dict[int, Patient] = {}
    places: list[tuple[int, str]] = []  # whose, where
    for position, identifier in identifiers:
        # Only the first is locked: if another one leads elsewhere, nothing will be changed.
        for patient in _of_identifier(identifier, lock=lock and not found):
            if patient.pk not in found:
                found[patient.pk] = living(patient, lock=lock and not found)
            places.append((found[patient.pk].pk, reference.place(position)))
    if len({patient.pk for patient in found.values()}) > 1:
        raise _several(places)
    return next(iter(found.values()), None)


def _goes_by_others(patient: Patient, identifiers: Sequence[Identifier]) -> bool:
    """Whether who gave out one of these numbers gave the patient another one."""
    rows = patient.identifiers.filter(former=None).exclude(type__in=SHARED_TYPES)
    return any(
        row.issuer == each.issuer and (row.type == each.type or not row.type or not each.type)
        for row in rows
        for each in identifiers
    )


def _of_identifier(identifier: Identifier, *, lock: bool) -> list[Patient]:
    rows = _LOCKED_BY_NUMBER if lock else _FOUND_BY_NUMBER
    if identifier.type:
        rows = _LOCKED_BY_TYPED_NUMBER if lock else _FOUND_BY_TYPED_NUMBER
    return rows.all(value=identifier.value, issuer=identifier.issuer, type=identifier.type)


def _several(places: Iterable[tuple[int, str]]) -> RisError:
    """One refusal for each place that names another patient than the ones before."""
    first: dict[int, str] = {}
    for patient, place in places:
        first.setdefault(patient, place)
    errors: list[RisError] = [
        DuplicateKeyError(
            "the identifiers belong to different patients", path=place, details={"count": 2}
        )
        for place in dict.fromkeys(first.values())
    ]
    return errors[0] if len(errors) == 1 else SeveralErrors(errors)


def living(patient: Patient, *, lock: bool = True) -> Patient:
    """The record that a merged one leads to."""
    while (following := patient.merged_into_id) is not None:
        if lock:
            (patient,) = _LOCKED_BY_ID.all(pk=following)
        else:
            patient = Patient.objects.get(pk=following)
    return patient


def require(reference: PatientReference, path: str = Place.PATIENT) -> Patient:
    """The living record, locked. Raises UnknownKeyError."""
    patient = find(reference, lock=True)
    if patient is None:
        require_authority(reference.identifiers, reference, path)
        raise UnknownKeyError("no such patient", path=path)
    return patient


def require_authority(
    identifiers: Sequence[Identifier], reference: PatientReference, path: str = Place.PATIENT
) -> None:
    """Raises MissingValueError if no identifier says who gave it out."""
    if not reference.public_id and not any(each.issuer for each in identifiers):
        raise MissingValueError(
            "a patient identifier with its assigning authority is required", path=path
        )


def lock_patients(references: Sequence[PatientReference]) -> list[Patient | None]:
    """The living records, locked in the order of their keys; None for who is not known.

    A merge that commits meanwhile changes who is meant, so it is looked up until it agrees.
    """
    for _ in range(_LOCKING_TRIES):
        found = [find(reference) for reference in references]
        locked = lock_by_id(patient.pk for patient in found if patient is not None)
        if all(patient.merged_into_id is None for patient in locked.values()) and [
            patient and patient.pk for patient in map(find, references)
        ] == [patient and patient.pk for patient in found]:
            return [patient and locked[patient.pk] for patient in found]
    raise BusyError("these patients are being changed; try again", path=Place.PATIENT)


def lock_by_id(keys: Iterable[int]) -> dict[int, Patient]:
    """Records by primary key, locked in its order."""
    return {key: patient for key in sorted(set(keys)) for patient in _LOCKED_BY_ID.all(pk=key)}


def are_former(reference: PatientReference, own: Iterable[PatientIdentifier]) -> bool:
    """Whether the sender names only numbers that are of use no more since a merge.

    What it says of the person is then what was known of the record that was given up.
    """
    if reference.public_id:
        return False
    former = {(row.value, row.issuer) for row in own if row.former_id is not None}
    named = {(each.value, each.issuer) for each in reference.identifiers if each.issuer}
    return bool(former) and named <= former


def refuse_somebody_else(patient: Patient, said: Demographics) -> None:
    """Refuse a chart that is too far from what is stored to take the sender's number on trust."""
    if is_somebody_else(patient, said):
        raise StateConflictError(
            "this identifier belongs to a patient with another name and birth date",
            path=Place.PATIENT,
        )


def is_somebody_else(patient: Patient, said: Demographics) -> bool:
    """Whether birth date and family name both contradict what is stored.

    One of the two may be a correction or a marriage; both together are a wrong chart far too often.
    """
    if (
        said.birth_date is None
        or said.name is None
        or not said.birth_date
        or not patient.birth_date
    ):
        return False
    stored = PersonName.parse(patient.name)
    same_date = patient.birth_date.startswith(
        said.birth_date.text
    ) or said.birth_date.text.startswith(patient.birth_date)
    return not same_date and not is_same_family(said.name, stored)
