"""Register, update, merge patients. Matching never guesses: only identifiers with issuer match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import CharField, QuerySet, UUIDField

from ris.domain.actors import Role
from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.patients import (
    Demographics,
    MergePatients,
    PatientClass,
    PatientReference,
    PatientRegistered,
    PatientsMerged,
    PatientsUnmerged,
    PatientUpdated,
    RegisterPatient,
    UnmergePatients,
    UpdatePatient,
    VisitDetails,
)
from ris.domain.values import Identifier, PersonName, fold, require_text
from ris.models import (
    Appointment,
    DomainEvent,
    Order,
    Patient,
    PatientIdentifier,
    PerformedProcedureStep,
    Site,
    Visit,
)
from ris.models.prepared import Given, Select
from ris.services import _numbers
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch

LOCAL_ISSUER = "RIS"


def name_key(name: PersonName) -> str:
    """The stored search key: each group folded, without trailing delimiters, joined by ``=``."""
    return fold(str(name))


def resolve(reference: PatientReference, context: Context) -> Patient:
    """The patient meant, locked; registered if an identifier with issuer is new.

    Raises DuplicateKeyError if the identifiers belong to different patients,
    StateConflictError if the patient found is plainly somebody else, MissingValueError if nothing
    identifies anybody.
    """
    patient = find(reference, lock=True)
    if patient is None:
        if reference.public_id:
            raise UnknownKeyError("no such patient", path="subject")
        if not any(identifier.issuer for identifier in reference.identifiers):
            raise MissingValueError(
                "a patient identifier with its assigning authority is required", path="PID-3"
            )
        return register(reference.identifiers, reference.demographics, context)
    refuse_somebody_else(patient, reference.demographics)
    return patient


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
    return Select(lambda: rows().select_for_update(of=("self",)))


_FOUND, _LOCKED = Select(_by_key), _locked(_by_key)
_FOUND_BY_NUMBER, _LOCKED_BY_NUMBER = Select(_by_number), _locked(_by_number)
_FOUND_BY_TYPED_NUMBER = Select(_by_typed_number)
_LOCKED_BY_TYPED_NUMBER = _locked(_by_typed_number)


def find(reference: PatientReference, *, lock: bool = False) -> Patient | None:
    """The living record of the patient meant (merged ones lead to their survivor), or None."""
    if reference.public_id:
        key = public_key(reference.public_id, "patient")
        patient = (_LOCKED if lock else _FOUND).first(key=key)
        found = {patient.pk: patient} if patient else {}
    else:
        found = {}
        for identifier in reference.identifiers:
            if not identifier.issuer or not identifier.value:
                continue
            rows = _LOCKED_BY_NUMBER if lock else _FOUND_BY_NUMBER
            if identifier.type:
                rows = _LOCKED_BY_TYPED_NUMBER if lock else _FOUND_BY_TYPED_NUMBER
            for patient in rows.all(
                value=identifier.value, issuer=identifier.issuer, type=identifier.type
            ):
                found[patient.pk] = patient
    living = {survivor.pk: survivor for survivor in map(_survivor, found.values())}
    if len(living) > 1:
        raise DuplicateKeyError(
            "the identifiers belong to different patients", path="PID-3", details={"count": 2}
        )
    return next(iter(living.values()), None)


def _survivor(patient: Patient) -> Patient:
    while patient.merged_into is not None:
        patient = Patient.objects.select_for_update(of=("self",)).get(pk=patient.merged_into.pk)
    return patient


def refuse_somebody_else(patient: Patient, said: Demographics) -> None:
    """Refuse when birth date and family name both contradict what is stored.

    One of the two may be a correction or a marriage; both together are a wrong chart far too often
    to take the sender's number on trust.
    """
    if (
        said.birth_date is None
        or said.name is None
        or not said.birth_date
        or not patient.birth_date
    ):
        return
    stored = PersonName.parse(patient.name)
    same_date = patient.birth_date.startswith(
        said.birth_date.text
    ) or said.birth_date.text.startswith(patient.birth_date)
    if same_date or _families(said.name) & _families(stored):
        return
    raise StateConflictError(
        "this identifier belongs to a patient with another name and birth date", path="PID-3"
    )


def _families(name: PersonName) -> set[str]:
    """The folded family names of all writings."""
    groups = (name.alphabetic, name.ideographic, name.phonetic)
    return {fold(group.family) for group in groups if group}


def register(
    identifiers: Sequence[Identifier], demographics: Demographics, context: Context
) -> Patient:
    """Create a patient and say so."""
    patient = Patient()
    _apply(patient, demographics)
    patient.save()
    qualified = [identifier for identifier in identifiers if identifier.value]
    if not qualified:
        site = Site.objects.order_by("id").first()
        issuer = (site.patient_id_issuer if site else "") or LOCAL_ISSUER
        qualified = [Identifier(_numbers.patient_number(), issuer, "MR")]
    _add_identifiers(patient, qualified, have_primary=False)
    context.emit(PatientRegistered(patient=str(patient.public_id)), subject=patient)
    return patient


_NUMBERED = Select(
    lambda: PatientIdentifier.objects.filter(
        value=Given("value", CharField()),
        issuer=Given("issuer", CharField()),
        type=Given("type", CharField()),
    )
)


def _has_primary(patient: Patient) -> bool:
    return patient.identifiers.filter(primary=True).exists()


def _add_identifiers(
    patient: Patient, identifiers: Sequence[Identifier], *, have_primary: bool
) -> list[str]:
    """Add what is new; the first one of a patient without any becomes the primary one."""
    added = []
    for identifier in identifiers:
        if not identifier.value:
            continue
        value = require_text(identifier.value, path="PID-3", limit=64, name="patient identifier")
        known = _NUMBERED.first(value=value, issuer=identifier.issuer, type=identifier.type)
        if known is not None:
            if known.patient_id != patient.pk:
                raise DuplicateKeyError(
                    "this patient identifier belongs to another patient", path="PID-3"
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


_LIMITS = {
    "phone": 250,
    "email": 250,
    "address": 500,
    "language": 60,
    "special_needs": 64,
}


def _apply(patient: Patient, said: Demographics) -> list[str]:
    """Set what is said; returns the names of the fields that changed."""
    values: dict[str, object] = {}
    if said.name is not None:
        if not said.name:
            raise MissingValueError("a patient needs a name", path="PID-5")
        for group in (said.name.alphabetic, said.name.ideographic, said.name.phonetic):
            require_text(str(group), path="PID-5", limit=64, name="a group of the patient's name")
        values["name"] = str(said.name)
        values["name_key"] = name_key(said.name)
    elif not patient.name:
        raise MissingValueError("a patient needs a name", path="PID-5")
    if said.birth_date is not None:
        values["birth_date"] = said.birth_date.text
    if said.sex is not None:
        values["sex"] = said.sex.value
    if said.pregnancy_status is not None:
        if said.pregnancy_status not in {"", "1", "2", "3", "4"}:
            raise InvalidValueError("pregnancy status is 1 to 4", path="pregnancy_status")
        values["pregnancy_status"] = said.pregnancy_status
    for name, limit in _LIMITS.items():
        text = getattr(said, name)
        if text is not None:
            values[name] = require_text(text, path=name, limit=limit, name=name)
    for name in ("deceased", "weight_kg", "height_m"):
        value = getattr(said, name)
        if value is not None:
            values[name] = value
    for name in ("allergies", "alerts"):
        items = getattr(said, name)
        if items is not None:
            values[name] = [require_text(item, path=name, limit=64, name=name) for item in items]
    changed = [name for name, value in values.items() if getattr(patient, name) != value]
    for name in changed:
        setattr(patient, name, values[name])
    return changed


def record_visit(patient: Patient, visit: VisitDetails | None) -> Visit | None:
    """Create or update the visit named by its number; None if there is no number."""
    if visit is None or not visit.number.value:
        return None
    issuer = visit.number.issuer
    number = require_text(visit.number.value, path="PV1-19", limit=64, name="visit number")
    # What a sender leaves out is not said: an order's PV1 is often thinner than the admission's.
    said: dict[str, Any] = {}
    if visit.patient_class is not PatientClass.UNKNOWN:
        said["patient_class"] = visit.patient_class.value
    if visit.location:
        said["location"] = require_text(visit.location, path="PV1-3", limit=200, name="location")
    if visit.attending:
        said["attending"] = str(visit.attending)
    if visit.referring:
        said["referring"] = str(visit.referring)
    row = _VISIT.first(issuer=issuer, number=number)
    if row is None:
        row = Visit(issuer=issuer, number=number, patient=patient, **said)
        if not row.insert_unless_known():  # another transaction was quicker
            row = Visit.objects.get(issuer=issuer, number=number)
    if row.patient_id != patient.pk:
        raise DuplicateKeyError("this visit belongs to another patient", path="PV1-19")
    changed = [name for name, value in said.items() if getattr(row, name) != value]
    if changed:
        for name in changed:
            setattr(row, name, said[name])
        touch(row, *changed)
    return row


_VISIT = Select(
    lambda: Visit.objects.filter(
        issuer=Given("issuer", CharField()), number=Given("number", CharField())
    )
)


def register_patient(command: RegisterPatient, context: Context) -> str:
    for identifier in command.identifiers:
        if PatientIdentifier.objects.filter(
            value=identifier.value, issuer=identifier.issuer, type=identifier.type
        ).exists():
            raise DuplicateKeyError("this patient identifier is known already", path="PID-3")
    patient = register(command.identifiers, command.demographics, context)
    record_visit(patient, command.visit)
    return str(patient.public_id)


def update_patient(command: UpdatePatient, context: Context) -> str:
    patient = find(command.patient, lock=True)
    if patient is None:
        if not command.create:
            raise UnknownKeyError("no such patient", path="PID-3")
        if not any(identifier.issuer for identifier in command.patient.identifiers):
            raise MissingValueError(
                "a patient identifier with its assigning authority is required", path="PID-3"
            )
        patient = register(command.patient.identifiers, command.demographics, context)
        record_visit(patient, command.visit)
        return str(patient.public_id)
    if command.expected_version is not None and command.expected_version != patient.version:
        raise StateConflictError("somebody else changed this patient meanwhile")
    changed = _apply(patient, command.demographics)
    if command.replace_identifiers:
        changed += _replace_identifiers(patient, command.patient.identifiers)
    elif _add_identifiers(patient, command.patient.identifiers, have_primary=_has_primary(patient)):
        changed.append("identifiers")
    record_visit(patient, command.visit)
    if changed:
        touch(patient, *[name for name in changed if name != "identifiers"])
        context.emit(
            PatientUpdated(patient=str(patient.public_id), changed=tuple(changed)),
            subject=patient,
        )
    return str(patient.public_id)


def _replace_identifiers(patient: Patient, identifiers: Sequence[Identifier]) -> list[str]:
    wanted = {(i.issuer, i.type, i.value) for i in identifiers if i.value}
    issuers = {issuer for issuer, _, _ in wanted}
    changed = False
    for row in patient.identifiers.filter(issuer__in=issuers):
        if (row.issuer, row.type, row.value) not in wanted:
            row.delete()
            changed = True
    if _add_identifiers(patient, identifiers, have_primary=_has_primary(patient)):
        changed = True
    if not patient.identifiers.exists():
        raise MissingValueError("a patient needs an identifier", path="Patient.identifier")
    if not patient.identifiers.filter(primary=True).exists():
        first = patient.identifiers.order_by("id").first()
        assert first is not None  # noqa: S101 - checked two lines above
        first.primary = True
        first.save(update_fields=["primary"])
    return ["identifiers"] if changed else []


def merge_patients(command: MergePatients, context: Context) -> str:
    survivor = find(command.survivor, lock=True)
    subsumed = find(command.subsumed, lock=True)
    if survivor is None:
        survivor = resolve(command.survivor, context)
    if subsumed is None:
        subsumed = _known_by_exam(command.subsumed, context)
    if survivor.pk == subsumed.pk:
        raise StateConflictError("these are one patient already", path="MRG-1")
    moved = {
        "orders": list(Order.objects.filter(patient=subsumed).values_list("id", flat=True)),
        "visits": list(Visit.objects.filter(patient=subsumed).values_list("id", flat=True)),
        "appointments": list(
            Appointment.objects.filter(patient=subsumed).values_list("id", flat=True)
        ),
        "performed": list(
            PerformedProcedureStep.objects.filter(patient=subsumed).values_list("id", flat=True)
        ),
        "identifiers": list(subsumed.identifiers.values_list("id", flat=True)),
    }
    Order.objects.filter(patient=subsumed).update(patient=survivor)
    Visit.objects.filter(patient=subsumed).update(patient=survivor)
    Appointment.objects.filter(patient=subsumed).update(patient=survivor)
    PerformedProcedureStep.objects.filter(patient=subsumed).update(patient=survivor)
    # The old number stays findable: it now names the survivor.
    subsumed.identifiers.update(primary=False)
    subsumed.identifiers.update(patient=survivor)
    subsumed.merged_into = survivor
    touch(subsumed, "merged_into")
    touch(survivor)
    context.emit(
        PatientsMerged(
            patient=str(survivor.public_id), subsumed=str(subsumed.public_id), moved=moved
        ),
        subject=survivor,
    )
    return str(survivor.public_id)


def _known_by_exam(reference: PatientReference, context: Context) -> Patient:
    """Whom only a modality has named, by a number of its own (IHE RAD TF-1 4.4, unidentified).

    Raises UnknownKeyError if none has.
    """
    for identifier in reference.identifiers:
        exams = PerformedProcedureStep.objects.filter(
            patient=None,
            patient_identifier=identifier.value,
            patient_issuer__in=["", identifier.issuer],
        )
        exam = exams.first() if identifier.value else None
        if exam is not None:
            name = PersonName.parse(exam.patient_name) or PersonName.of("Unknown", "patient")
            patient = register([identifier], Demographics(name=name), context)
            exams.update(patient=patient)
            return patient
    raise UnknownKeyError("the patient to be merged is not known", path="MRG-1")


def unmerge_patients(command: UnmergePatients, context: Context) -> str:
    subsumed = (
        Patient.objects.select_for_update(of=("self",))
        .filter(public_id=public_key(command.subsumed_id, "patient"))
        .first()
    )
    if subsumed is None:
        raise UnknownKeyError("no such patient")
    if subsumed.merged_into is None:
        raise StateConflictError("this patient is not merged into another")
    survivor = Patient.objects.select_for_update(of=("self",)).get(pk=subsumed.merged_into.pk)
    event = (
        DomainEvent.objects.filter(
            name="PatientsMerged", patient=survivor, payload__subsumed=str(subsumed.public_id)
        )
        .order_by("-id")
        .first()
    )
    if event is None:
        raise StateConflictError("the record of this merge is missing")
    moved = event.payload["moved"]
    Order.objects.filter(id__in=moved["orders"]).update(patient=subsumed)
    Visit.objects.filter(id__in=moved["visits"]).update(patient=subsumed)
    Appointment.objects.filter(id__in=moved["appointments"]).update(patient=subsumed)
    PerformedProcedureStep.objects.filter(id__in=moved["performed"]).update(patient=subsumed)
    PatientIdentifier.objects.filter(id__in=moved["identifiers"]).update(patient=subsumed)
    first = subsumed.identifiers.order_by("id").first()
    if first is not None:
        first.primary = True
        first.save(update_fields=["primary"])
    subsumed.merged_into = None
    touch(subsumed, "merged_into")
    touch(survivor)
    context.emit(
        PatientsUnmerged(
            patient=str(survivor.public_id), subsumed=str(subsumed.public_id), at=context.now
        ),
        subject=subsumed,
    )
    return str(subsumed.public_id)


HANDLERS = {
    RegisterPatient: register_patient,
    UpdatePatient: update_patient,
    MergePatients: merge_patients,
    UnmergePatients: unmerge_patients,
}

PERMISSIONS = {
    RegisterPatient: {Role.SCHEDULER, Role.FRONTDESK, Role.INTERFACE, Role.SYSTEM},
    UpdatePatient: {Role.SCHEDULER, Role.FRONTDESK, Role.INTERFACE, Role.SYSTEM},
    MergePatients: {Role.SCHEDULER, Role.INTERFACE, Role.SYSTEM},
    UnmergePatients: {Role.SCHEDULER, Role.SYSTEM},
}
