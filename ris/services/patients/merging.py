"""Merge records and part them again.

A merge moves rows and keeps the list of them in its event; the merged record stays, with its own
demographics, and leads to the survivor. Its allergies and alerts are the survivor's as well, and
of weight, height and pregnancy status the one that counts (:mod:`.measures`): a scanner asks for
the survivor. Undoing gives back what is still the survivor's of it, together with
what was done for it since.
"""

from __future__ import annotations

from typing import Any

from ris.domain.errors import InvalidValueError, StateConflictError, UnknownKeyError
from ris.domain.patients import (
    Demographics,
    MergePatients,
    PatientReference,
    PatientsMerged,
    PatientsUnmerged,
    UnmergePatients,
)
from ris.domain.places import Place
from ris.domain.values import PersonName
from ris.models import (
    Appointment,
    DemographicReview,
    Document,
    DomainEvent,
    FhirResource,
    Order,
    Patient,
    PatientIdentifier,
    PerformedProcedureStep,
    ScheduledProcedureStep,
    Visit,
)
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._transition import touch
from ris.services.patients import holdings, measures, reviewing
from ris.services.patients.finding import living, lock_by_id, lock_patients, require_authority
from ris.services.patients.registering import register, resolve, set_primary

_WATCHED = ("allergies", "alerts")


def merge_patients(command: MergePatients, context: Context) -> str:
    if _numbers(command.survivor) == _numbers(command.subsumed) != set():
        raise InvalidValueError("a record cannot be merged into itself", path=Place.PRIOR_PATIENT)
    survivor, subsumed, *_ = lock_patients([command.survivor, command.subsumed, *command.ahead])
    if subsumed is None:
        subsumed = _known_by_exam(command.subsumed, context)
    if survivor is None:
        survivor = resolve(command.survivor, context)
    if survivor.pk == subsumed.pk:
        if _is_repeated(command, survivor):
            context.about(survivor)
            return str(survivor.public_id)
        raise StateConflictError("these are one patient already", path=Place.PRIOR_PATIENT)
    merge(survivor, subsumed, command.reason, context)
    return str(survivor.public_id)


def _numbers(reference: PatientReference) -> set[tuple[str, str]]:
    if reference.public_id:
        return {(reference.public_id, "")}
    return {(each.value, each.issuer) for each in reference.identifiers}


def _is_repeated(command: MergePatients, patient: Patient) -> bool:
    """Whether this merge was made before; one the other way round would be a circle."""
    if command.subsumed.public_id:
        return command.subsumed.public_id != str(patient.public_id)
    survivors = _records(command.survivor, patient)
    subsumed = _records(command.subsumed, patient)
    return bool(subsumed) and all(_became(record, survivors) for record in subsumed)


def _records(reference: PatientReference, patient: Patient) -> set[Patient]:
    """The records that these numbers were of before any merge."""
    named = _numbers(reference)
    rows = patient.identifiers.select_related("former")
    return {row.former or patient for row in rows if (row.value, row.issuer) in named}


def _became(record: Patient, survivors: set[Patient]) -> bool:
    """Whether a record was merged into one of these, be it by way of others."""
    later = record.merged_into
    while later is not None:
        if later in survivors:
            return True
        later = later.merged_into
    return False


def merge(survivor: Patient, subsumed: Patient, reason: str, context: Context) -> None:
    """Let the one take over everything of the other; both are locked."""
    # Whoever starts an exam or books holds the lock of the order: what they write is seen below.
    lock_orders(holdings.keys(Order.objects.filter(patient=subsumed)))
    moved = holdings.everything(subsumed)
    holdings.give(moved, survivor, context.now)
    moved["reviews"] = reviewing.take_over(survivor, subsumed)
    # The old numbers stay findable: they name the survivor from now on.
    rows = list(subsumed.identifiers.order_by("id"))
    moved["identifiers"] = [row.pk for row in rows]
    moved["primary"] = [row.pk for row in rows if row.primary]
    moved["own"] = [row.pk for row in rows if row.former_id is None]
    subsumed.identifiers.filter(former=None).update(former=subsumed)
    subsumed.identifiers.update(primary=False, patient=survivor)
    set_primary(survivor)
    subsumed.merged_into = survivor
    touch(subsumed, "merged_into")
    survivor.removed_at = None  # whom a merge names is not deleted
    learned = _learn(survivor, subsumed)
    had = measures.take(survivor, subsumed)
    touch(survivor, "removed_at", *learned, *had)
    context.emit(
        PatientsMerged(
            patient=str(survivor.public_id),
            subsumed=str(subsumed.public_id),
            moved=moved,
            reason=reason,
            learned=learned,
            had=had,
        ),
        subject=survivor,
    )


def _learn(survivor: Patient, subsumed: Patient) -> dict[str, list[str]]:
    """What is to be watched for with the one is so with the other; what was not known before."""
    learned = {}
    for name in _WATCHED:
        own: list[str] = getattr(survivor, name)
        known = {text.casefold() for text in own}
        added = [text for text in getattr(subsumed, name) if text.casefold() not in known]
        if added:
            setattr(survivor, name, [*own, *added])
            learned[name] = added
    return learned


def _unlearn(event: DomainEvent, first: int, survivor: Patient) -> None:
    """Take that away again, from all it was passed on to; not where it was told of anew since."""
    learned: dict[str, list[str]] = event.payload.get("learned", {})
    record: Patient | None = survivor if first == survivor.pk else Patient.objects.get(pk=first)
    while record is not None and learned:
        told = {
            name
            for payload in DomainEvent.objects.filter(
                name="PatientUpdated", patient=record, id__gt=event.pk
            ).values_list("payload", flat=True)
            for name in payload["changed"]
        }
        changed = [name for name in learned if name not in told]
        for name in changed:
            kept = [text for text in getattr(record, name) if text not in learned[name]]
            setattr(record, name, kept)
        if changed:
            touch(record, *changed)
        if record.merged_into_id is None:
            return
        following = record.merged_into_id
        record = survivor if following == survivor.pk else Patient.objects.get(pk=following)


def _known_by_exam(reference: PatientReference, context: Context) -> Patient:
    """Whom only a modality has named, by a number of its own (IHE RAD TF-1 4.4, unidentified).

    Raises UnknownKeyError if none has.
    """
    require_authority(reference.identifiers, reference, Place.PRIOR_PATIENT)
    for identifier in reference.identifiers:
        exams = PerformedProcedureStep.objects.filter(
            patient=None,
            patient_identifier=identifier.value,
            patient_issuer__in=["", identifier.issuer],
        )
        exam = exams.first() if identifier.value else None
        if exam is not None:
            name = PersonName.as_sent(exam.patient_name) or PersonName.of("Unknown", "patient")
            patient = register([identifier], Demographics(name=name), context)
            exams.update(patient=patient)
            return patient
    raise UnknownKeyError("the patient to be merged is not known", path=Place.PRIOR_PATIENT)


# --- undo -----------------------------------------------------------------------------------------


def unmerge_patients(command: UnmergePatients, context: Context) -> str:
    key = public_key(command.subsumed_id, "patient")
    known = Patient.objects.filter(public_id=key).values_list("pk", flat=True).first()
    if known is None:
        raise UnknownKeyError("no such patient")
    subsumed = lock_by_id([known])[known]
    if subsumed.merged_into_id is None:
        raise StateConflictError("this patient is not merged into another")
    into = subsumed.merged_into_id
    survivor = living(subsumed)
    event = (
        DomainEvent.objects.filter(
            name="PatientsMerged", patient_id=into, payload__subsumed=str(subsumed.public_id)
        )
        .order_by("-id")
        .first()
    )
    if event is None:
        raise StateConflictError("the record of this merge is missing")
    back = _going_back(event.payload["moved"], event, survivor)
    lock_orders(back["orders"])
    holdings.refuse_shared(back["orders"])
    holdings.give(back, subsumed, context.now)
    DemographicReview.objects.filter(
        pk__in=event.payload["moved"].get("reviews", ()), patient=survivor
    ).update(patient=subsumed)
    _give_identifiers_back(event.payload["moved"], subsumed, survivor)
    _unlearn(event, into, survivor)
    subsumed.merged_into = None
    touch(subsumed, "merged_into")
    measures.settle(survivor if into == survivor.pk else Patient.objects.get(pk=into), survivor)
    touch(survivor)
    stayed = Order.objects.filter(patient=survivor, created_at__gt=event.at).count()
    context.emit(
        PatientsUnmerged(
            patient=str(survivor.public_id),
            subsumed=str(subsumed.public_id),
            at=context.now,
            reason=command.reason,
            stayed=stayed,
        ),
        subject=subsumed,
    )
    return str(subsumed.public_id)


def _going_back(moved: dict[str, Any], event: DomainEvent, survivor: Patient) -> holdings.Moved:
    """What was moved and is with the survivor still, and what was done for it since.

    What a person gave to somebody else meanwhile stays there.
    """
    visits = holdings.keys(Visit.objects.filter(pk__in=moved["visits"], patient=survivor))
    orders = set(holdings.keys(Order.objects.filter(pk__in=moved["orders"], patient=survivor)))
    orders |= set(
        holdings.keys(
            Order.objects.filter(visit__in=visits, patient=survivor, created_at__gt=event.at)
        )
    )
    # A visit that was begun since for no other orders than these goes with them.
    later = Visit.objects.filter(orders__in=orders, patient=survivor, created_at__gt=event.at)
    for visit in later.distinct():
        if set(visit.orders.values_list("id", flat=True)) <= orders:
            visits.append(visit.pk)
    back = holdings.with_theirs(sorted(orders))
    back["visits"] = visits
    # Exams without an order and appointments without a step know no order to go with.
    back["performed"] += PerformedProcedureStep.objects.filter(
        pk__in=moved["performed"], patient=survivor, order=None
    ).values_list("id", flat=True)
    taken = ScheduledProcedureStep.objects.exclude(appointment=None).values("appointment")
    back["appointments"] += (
        Appointment.objects.filter(pk__in=moved["appointments"], patient=survivor)
        .exclude(pk__in=taken)
        .values_list("id", flat=True)
    )
    back["documents"] += Document.objects.filter(
        pk__in=moved.get("documents", ()), patient=survivor, order=None
    ).values_list("id", flat=True)
    back["kept"] = list(
        FhirResource.objects.filter(pk__in=moved.get("kept", ()), patient=survivor).values_list(
            "id", flat=True
        )
    )
    return back


def _give_identifiers_back(moved: dict[str, Any], subsumed: Patient, survivor: Patient) -> None:
    rows = PatientIdentifier.objects.filter(pk__in=moved["identifiers"], patient=survivor)
    primary = moved.get("primary", ())
    own = moved.get("own", moved["identifiers"])
    for row in list(rows):
        row.patient = subsumed
        row.primary = False
        if row.pk in own:
            row.former = None
        row.save(update_fields=["patient", "primary", "former"])
    PatientIdentifier.objects.filter(pk__in=primary, patient=subsumed).update(primary=True)
    set_primary(subsumed)
    set_primary(survivor)
