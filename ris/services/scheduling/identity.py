"""Two identifiers compared before anything is done to somebody (Joint Commission NPSG.01.01.01)."""

from __future__ import annotations

from ris.domain.actors import ActorKind
from ris.domain.arrivals import (
    REQUIRED,
    IdentifierKind,
    IdentityChecked,
    Known,
    Said,
    compare,
)
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.values import PersonName, fold
from ris.models import Appointment, IdentityCheck, Order, Patient
from ris.services._context import Context

_WORDS = {
    IdentifierKind.NAME: "name",
    IdentifierKind.BIRTH_DATE: "birth date",
    IdentifierKind.NUMBER: "number",
}


def known_of(patient: Patient) -> Known:
    """What is stored of somebody, to be compared with."""
    return Known(
        name=PersonName.parse(patient.name),
        birth_date=patient.birth_date,
        numbers=frozenset(
            fold(value) for value in patient.identifiers.values_list("value", flat=True)
        ),
    )


def check_identity(
    appointment: Appointment,
    order: Order | None,
    said: tuple[Said, ...],
    reason: str,
    context: Context,
) -> None:
    """Compare and keep what agreed; a system that only tells of an arrival is not asked.

    Raises InvalidValueError for the first that does not agree, MissingValueError for too few.
    """
    if not said and not reason.strip():
        if context.actor.kind is ActorKind.USER:
            raise MissingValueError("ask for two identifiers", path="name")
        return
    patient = appointment.patient
    found = compare(said, known_of(patient)) if patient is not None else {}
    for kind, fits in found.items():
        if not fits:
            raise InvalidValueError(
                f"the {_WORDS[kind]} is not the one of this appointment's patient",
                path=kind.value.lower(),
            )
    if len(found) < REQUIRED and not reason.strip():
        if IdentifierKind.BIRTH_DATE in {each.kind for each in said if each.value.strip()} - {
            *found
        }:
            raise MissingValueError(
                "the birth date is needed to the day; without it take the number as well,"
                " or say why not",
                path="birth_date",
            )
        raise MissingValueError("two identifiers, or the reason why not", path="reason")
    checked = tuple(found)
    IdentityCheck.objects.create(
        appointment=appointment,
        checked=[kind.value for kind in checked],
        reason=reason.strip()[:200],
        checked_by=(context.actor.display or context.actor.name)[:200],
        checked_at=context.now,
    )
    context.emit(
        IdentityChecked(
            appointment=str(appointment.public_id),
            order=str(order.public_id) if order else "",
            checked=checked,
            reason=reason.strip()[:200],
        ),
        subject=appointment,
        order=order,
        patient=patient,
    )
