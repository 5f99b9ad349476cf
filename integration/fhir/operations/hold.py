"""``Appointment/$hold``: a time that was offered is kept for some minutes (IHE ITI-116)."""

from __future__ import annotations

from integration.fhir.operations.inputs import PATH, Inputs
from integration.fhir.operations.interface import Call, Input, Operation, Result
from integration.fhir.operations.scheduling import appointment, desk_of, reader_of
from integration.fhir.outcome import HttpError
from integration.fhir.writing.booking import HOLD_MINUTES, Desk
from ris.domain.errors import InvalidValueError, StateConflictError
from ris.domain.scheduling import HoldSlot
from ris.selectors import slots

INPUTS = (Input("appointment-reference", "Reference", "What $find offered.", required=True),)


def run(call: Call) -> Result:
    inputs = Inputs.of(call)
    inputs.refuse_others(frozenset(each.name for each in INPUTS))
    desk = desk_of(call)
    offer = slots.offer(named_appointment(inputs, desk))
    if offer is None:
        raise gone(404, "no such time was offered")
    try:
        public_id = desk.execute(
            HoldSlot(
                step=offer.step,
                device=offer.device,
                start_at=offer.start_at,
                duration_minutes=offer.minutes,
                minutes=HOLD_MINUTES,
                open_only=True,
            )
        )
    except (StateConflictError, InvalidValueError) as error:
        raise gone(409, error.message) from None
    held = appointment(public_id, call)
    return Result(held, [held])


def named_appointment(inputs: Inputs, desk: Desk) -> str:
    """The id in ``appointment-reference``."""
    elements = inputs.references("appointment-reference")
    if len(elements) != 1:
        raise HttpError(422, "required", "one appointment-reference is required", path=PATH)
    named = reader_of(desk).named(elements[0], PATH, frozenset({"Appointment"}), "Appointment")
    if named.target is None or not named.target.id:
        raise HttpError(422, "invalid", "an appointment is named by its id", path=PATH)
    return named.target.id


def gone(status: int, message: str) -> HttpError:
    """What ITI-116 wants to be said of a time that cannot be had: fatal, not-found."""
    error = HttpError(status, "not-found", message, path=PATH)
    error.details["severity"] = "fatal"
    return error


OPERATION = Operation(
    name="hold",
    run=run,
    types=("Appointment",),
    on_type=True,
    letter="c",
    changes=True,
    definition="https://profiles.ihe.net/ITI/Scheduling/OperationDefinition/appointment-hold",
    inputs=INPUTS,
    returns="Appointment",
    documentation=(
        f"Keeps a time that $find offered for {HOLD_MINUTES} minutes: an Appointment, pending. "
        "Only who holds it can book it. A time that is gone: fatal, not-found."
    ),
)
