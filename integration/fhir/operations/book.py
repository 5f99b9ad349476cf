"""``Appointment/$book``: new, changed and canceled appointments (IHE ITI-117).

What is booked was offered by ``$find``, is held, or is an Appointment resource; what is changed or
canceled is an Appointment resource with the id of one that is there.
"""

from __future__ import annotations

from dataclasses import replace

from integration.fhir import rows
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.operations.hold import named_appointment
from integration.fhir.operations.inputs import PATH, Inputs
from integration.fhir.operations.interface import Call, Input, Operation, Result
from integration.fhir.operations.scheduling import (
    appointment,
    desk_of,
    named_patient,
    patient_described,
    patient_named,
    patient_reference,
    reader_of,
    referral,
    searchset,
)
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import token
from integration.fhir.reading import read
from integration.fhir.resources import KINDS
from integration.fhir.systems import scheme
from integration.fhir.to_domain.appointment import COMMENT_LIMIT, Wanted, wanted
from integration.fhir.to_domain.references import Named, Reader
from integration.fhir.writing.appointments import Change
from integration.fhir.writing.booking import Desk
from ris.domain.errors import StateConflictError
from ris.domain.scheduling import AppointmentStatus, BookAppointment
from ris.domain.values import Code
from ris.selectors import slots
from ris.selectors.search.views import AppointmentHit

INPUTS = (
    Input("appointment-reference", "Reference", "What $find offered or $hold keeps."),
    Input("appointment-resource", "Appointment"),
    Input("patient-reference", "Reference"),
    Input("patient-resource", "Patient"),
    Input("comment", "string"),
    Input("based-on", "Reference", "The order it is for.", many=True),
    Input("referral-identifier", "Identifier", "The number of an order."),
    Input("visit-type", "string", search="token"),
    Input("reason", "string", search="token"),
)
NAMES = frozenset(each.name for each in INPUTS)


def run(call: Call) -> Result:
    inputs = Inputs.of(call)
    inputs.refuse_others(NAMES)
    desk, patient = _who(inputs, desk_of(call))
    resource = inputs.resource("appointment-resource", "Appointment")
    own = str(resource.get("id", "")) if resource else ""
    key = named_appointment(inputs, desk) if inputs.given.get("appointment-reference") else own
    if own and own != key:
        raise HttpError(422, "invalid", "reference and resource mean different things", path=PATH)
    if resource is None and not key:
        raise HttpError(
            422, "required", "appointment-reference or appointment-resource is required", path=PATH
        )
    asked = _asked(inputs, desk, resource, patient)
    present = KINDS["Appointment"].finder.load([key]) if key else []
    if key and not present:
        public_id = _book_offer(desk, key, asked)
    elif not key:
        public_id = desk.create(replace(asked, status="booked"))
    elif resource is not None:
        public_id = _change(call, desk, key, resource)
    else:
        public_id = _book_present(desk, present[0], asked)
    booked = appointment(public_id, call)
    return Result(searchset([booked], call.reading.base), [booked])


def _who(inputs: Inputs, desk: Desk) -> tuple[Desk, Named | None]:
    """The patient, also one who is not known yet; with the order that is named by its number."""
    desk = replace(desk, referral=referral(inputs, desk))
    named = patient_named(inputs, desk)
    described = inputs.resource("patient-resource", "Patient")
    if named is not None or described is None:
        return desk, named
    known = patient_described(described, desk)
    if known is not None:
        return desk, named_patient(known.public_id)
    return replace(desk, patient=patient_reference(described, desk)), None


def _asked(inputs: Inputs, desk: Desk, resource: Resource | None, patient: Named | None) -> Wanted:
    """What the appointment is to be, from the resource and the parameters beside it."""
    message = desk.message
    found = (
        wanted(Reader(resource, message.base, message.systems))
        if resource is not None
        else Wanted(status="booked")
    )
    requests = tuple(
        reader_of(desk).named(element, PATH, frozenset({"ServiceRequest"}), "ServiceRequest")
        for element in inputs.references("based-on")
    )
    visit_type, reason = inputs.text("visit-type"), inputs.text("reason")
    comment = " ".join(inputs.text("comment").split())
    if len(comment) > COMMENT_LIMIT:
        raise HttpError(422, "too-long", f"comment: {COMMENT_LIMIT} characters at most", path=PATH)
    return replace(
        found,
        patient=patient or found.patient,
        requests=requests or found.requests,
        service=_code(visit_type) if visit_type else found.service,
        reason=found.reason or _code(reason).value if reason else found.reason,
        reason_code=_code(reason) if reason else found.reason_code,
        comment=comment or found.comment,
    )


def _code(text: str) -> Code:
    system, code = token(text)
    return Code(code[:64], scheme(system, PATH) if system else "")


def _book_offer(desk: Desk, key: str, asked: Wanted) -> str:
    """A time that ``$find`` offered: for its exam, or for the one that is named now."""
    offer = slots.offer(key)
    if offer is None:
        raise HttpError(404, "not-found", f"there is no Appointment/{key[:64]}", path=PATH)
    if not offer.step:
        work = desk.work(asked, offer)
        return desk.take(replace(asked, status="booked"), work, offer)
    desk.require_step(offer.step, asked)
    return desk.execute(
        BookAppointment(
            step=offer.step,
            device=offer.device,
            start_at=offer.start_at,
            duration_minutes=offer.minutes,
            open_only=True,
            comment=asked.comment,
        )
    )


def _book_present(desk: Desk, hit: AppointmentHit, asked: Wanted) -> str:
    """A hold becomes an appointment."""
    view = hit.appointment
    if view.status is AppointmentStatus.PROPOSED:
        raise StateConflictError("this appointment waits for a scheduler: it has no time yet")
    if view.status is not AppointmentStatus.HELD:
        raise StateConflictError(f"this appointment is {view.status.value.lower()} already")
    step = ""
    if hit.step is not None:
        desk.require_step(hit.step.public_id, asked)
    else:
        offer = slots.offer_of_slot(hit.slot)
        step = desk.work(asked, offer).step.public_id
    return desk.execute(
        BookAppointment(appointment=view.public_id, step=step, comment=asked.comment)
    )


def _change(call: Call, desk: Desk, key: str, resource: Resource) -> str:
    """An appointment that is there, moved or canceled; by who may change it, before and after."""
    kind = KINDS["Appointment"]

    def require_reach() -> None:
        rows.require_write(call.client, kind, key, "u", lambda: call.reading)

    require_reach()
    before = read(kind, key, call.reading.systems)
    Change(desk.message, key, {**resource, "id": key}, before).apply()
    require_reach()
    return key


OPERATION = Operation(
    name="book",
    run=run,
    types=("Appointment",),
    on_type=True,
    letter="c",
    changes=True,
    definition="https://profiles.ihe.net/ITI/Scheduling/OperationDefinition/appointment-book",
    inputs=INPUTS,
    documentation=(
        "Books a time that $find offered or $hold keeps (appointment-reference), or an "
        "appointment-resource; with the id of an appointment that is there, moves or cancels it "
        "(scope u). For the order of based-on or referral-identifier, else the only one of the "
        "patient that waits. A patient-resource is matched by qualified identifiers only. Without "
        "an order one is placed if the endpoint setting self_referral allows it."
    ),
)
