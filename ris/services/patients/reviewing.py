"""What senders without authority say otherwise of a patient: kept for a person, never taken over.

An order's PID is often a copy of a copy. What only says less, or the same in other letters, is no
difference; what was rejected once is not asked again while the patient's data stay as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, replace

from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.domain.patients import (
    REVIEW,
    DecideReview,
    Demographics,
    DemographicsQuestioned,
    PatientUpdated,
    ReviewDecided,
    ReviewState,
    ReviewTrigger,
    Sex,
)
from ris.domain.values import NameGroup, PartialDate, PersonName, fold
from ris.models import DemographicReview, Patient
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import move, touch
from ris.services.patients.demographics import apply
from ris.services.patients.finding import living, lock_by_id

# What says who somebody is and how to reach them; the rest is clinical, and as of now.
FIELDS = (
    "name",
    "birth_date",
    "sex",
    "deceased",
    "phone",
    "email",
    "address",
    "language",
    "mother_birth_name",
    "ethnic_group",
)
_YES, _NO = "yes", "no"


def clinical(said: Demographics, patient: Patient) -> Demographics:
    """Without what is reviewed: weight and its like are newer than what is stored.

    An allergy or a note is added and none is taken away: those of an order are rarely all there
    are.
    """
    said = replace(said, **dict.fromkeys(FIELDS))
    if said.allergies is not None:
        allergies = dict.fromkeys([*patient.allergies, *said.allergies])
        said = replace(said, allergies=tuple(allergies))
    if said.comments is not None:
        lines = dict.fromkeys([*patient.comments.splitlines(), *said.comments.splitlines()])
        said = replace(said, comments="\n".join(lines))
    return said


def question(patient: Patient, said: Demographics, context: Context) -> None:
    """Keep what is said otherwise, once, for a person to decide."""
    differing = _differences(patient, said)
    if not differing:
        return
    known = {
        (row.field, row.said): row
        for row in DemographicReview.objects.filter(
            patient=patient,
            field__in=differing,
            state__in=[ReviewState.OPEN.value, ReviewState.REJECTED.value],
        ).order_by("id")
    }
    raised = []
    for field, (stored, text) in differing.items():
        earlier = known.get((field, text))
        if earlier is not None and (
            earlier.state == ReviewState.OPEN.value or earlier.stored == stored
        ):
            continue
        DemographicReview(
            patient=patient,
            message_id=context.message_id,
            sender=context.actor.name,
            field=field,
            stored=stored,
            said=text,
        ).save()
        raised.append(field)
    if raised:
        context.emit(
            DemographicsQuestioned(patient=str(patient.public_id), fields=tuple(raised)),
            subject=patient,
        )


def propose_allergy(patient: Patient, said: str, context: Context) -> None:
    """An allergy for a person to take over; not twice, and not one that is stored."""
    told = DemographicReview.objects.filter(
        patient=patient, field="allergies", state=ReviewState.OPEN.value
    ).values_list("said", flat=True)
    if said.casefold() in {text.casefold() for text in (*patient.allergies, *told)}:
        return
    DemographicReview(
        patient=patient,
        message_id=context.message_id,
        sender=(context.actor.display or context.actor.name)[:150],
        field="allergies",
        stored=", ".join(patient.allergies)[:500],
        said=said,
    ).save()
    context.emit(
        DemographicsQuestioned(patient=str(patient.public_id), fields=("allergies",)),
        subject=patient,
    )


def _differences(patient: Patient, said: Demographics) -> dict[str, tuple[str, str]]:
    """Field → (stored, said), of what contradicts or adds to what is stored."""
    found = {}
    for field in FIELDS:
        value = getattr(said, field)
        if value is None or (field == "name" and not value):
            continue  # nobody is without a name
        stored, text = _stored(patient, field), _text(value)
        if text != stored and not _agree(field, stored, text):
            found[field] = (stored, text)
    return found


def _stored(patient: Patient, field: str) -> str:
    value = getattr(patient, field)
    return (_YES if value else _NO) if isinstance(value, bool) else str(value)


def _text(value: object) -> str:
    match value:
        case bool():
            return _YES if value else _NO
        case PartialDate():
            return value.text
        case Sex():
            return value.value
    return str(value)[:500]


def _agree(field: str, stored: str, said: str) -> bool:
    """Whether what is said is no more than what is stored, perhaps in other letters."""
    if not said:
        return not stored
    if field in {"name", "mother_birth_name"}:
        return _is_part(PersonName.parse(said), PersonName.parse(stored))
    if field == "birth_date":
        return stored.startswith(said)
    if field == "phone":
        return bool(stored) and _digits(said) == _digits(stored)
    if field in {"address", "email", "language", "ethnic_group"}:
        return _words(said) == _words(stored)
    return False


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", fold(text))


def _is_part(said: PersonName, stored: PersonName) -> bool:
    """Every part that is said is stored so, in any of the writings that are said."""
    pairs = (
        (said.alphabetic, stored.alphabetic),
        (said.ideographic, stored.ideographic),
        (said.phonetic, stored.phonetic),
    )
    return all(_is_part_of_group(one, other) for one, other in pairs if one)


def _is_part_of_group(said: NameGroup, stored: NameGroup) -> bool:
    return all(
        not getattr(said, part.name)
        or fold(getattr(said, part.name)) == fold(getattr(stored, part.name))
        for part in fields(NameGroup)
    )


def outdate(patient: Patient, changed: Iterable[str]) -> None:
    """Close the reviews that say what the patient's data say by now."""
    names = [name for name in changed if name in FIELDS]
    if not names:
        return
    for row in DemographicReview.objects.filter(
        patient=patient, field__in=names, state=ReviewState.OPEN.value
    ):
        if row.said == _stored(patient, row.field) or _agree(
            row.field, _stored(patient, row.field), row.said
        ):
            move(row, REVIEW, ReviewTrigger.OUTDATE)


def take_over(survivor: Patient, subsumed: Patient) -> list[int]:
    """The reviews of a merged record are the survivor's; what it has open itself is not twice."""
    own = set(
        DemographicReview.objects.filter(
            patient=survivor, state=ReviewState.OPEN.value
        ).values_list("field", "said")
    )
    moved = []
    for row in DemographicReview.objects.filter(patient=subsumed).order_by("id"):
        if row.state == ReviewState.OPEN.value and (row.field, row.said) in own:
            continue
        row.patient = survivor
        touch(row, "patient")
        moved.append(row.pk)
    return moved


def decide_review(command: DecideReview, context: Context) -> None:
    key = public_key(command.review, "difference")
    row = DemographicReview.objects.filter(public_id=key).first()
    if row is None:
        raise UnknownKeyError("no such difference")
    patient = living(lock_by_id([row.patient_id])[row.patient_id])
    # Read again under the lock: somebody else may have decided meanwhile.
    row = DemographicReview.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if row.state != ReviewState.OPEN.value:
        raise StateConflictError("somebody else decided this already")
    row.decided_at, row.decided_by, row.note = context.now, context.actor.name, command.note
    trigger = ReviewTrigger.ACCEPT if command.accept else ReviewTrigger.REJECT
    move(row, REVIEW, trigger, "decided_at", "decided_by", "note")
    context.emit(
        ReviewDecided(
            patient=str(patient.public_id),
            field=row.field,
            accepted=command.accept,
            note=command.note,
        ),
        subject=patient,
    )
    if not command.accept:
        return
    changed = apply(patient, _as_said(row.field, row.said, patient))
    if changed:
        touch(patient, *changed)
        outdate(patient, changed)
        context.emit(
            PatientUpdated(patient=str(patient.public_id), changed=tuple(changed)), subject=patient
        )


def _as_said(field: str, text: str, patient: Patient) -> Demographics:
    match field:
        case "allergies":  # one that was proposed: one more, whatever was added meanwhile
            return Demographics(allergies=tuple(dict.fromkeys([*patient.allergies, text])))
        case "name":
            return Demographics(name=PersonName.parse(text))
        case "mother_birth_name":
            return Demographics(mother_birth_name=PersonName.parse(text))
        case "birth_date":
            return Demographics(birth_date=PartialDate(text))
        case "sex":
            return Demographics(sex=Sex(text))
        case "deceased":
            return Demographics(deceased=text == _YES)
    return Demographics(**{field: text})  # type: ignore[arg-type]
