"""From what an Appointment asks for to the commands of the calendar; for writes and operations.

An appointment is for a scheduled step of an order. The order is the one that is named, else the
only one of the patient that waits; where there is none, one is placed if the client's endpoint may
(setting ``self_referral``). Nothing is guessed: several candidates are refused with their names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from integration.fhir import rows
from integration.fhir.criteria import restrict
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.to_domain.appointment import PATH, Wanted, refused_status
from integration.fhir.to_domain.references import Named
from integration.fhir.writing.message import Message
from ris.domain.commands import Command
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    SlotTakenError,
    StateConflictError,
)
from ris.domain.orders import (
    OrderDetails,
    OrderStatus,
    PlaceOrder,
    ProcedureRequest,
    StepRequest,
    StepStatus,
)
from ris.domain.patients import PatientReference
from ris.domain.scheduling import BookAppointment, HoldSlot, ProposeAppointment
from ris.domain.values import Code, Identifier
from ris.selectors import search, slots
from ris.selectors.search import Page
from ris.selectors.search.criteria import RequestCriteria
from ris.selectors.search.terms import IdentifierTerm
from ris.selectors.search.views import RequestHit, RoomView, StationView
from ris.selectors.slots import Offer
from ris.selectors.views import OrderView, PatientView, ProcedureView, StepView
from ris.services import execute

WAITING = frozenset({StepStatus.PENDING, StepStatus.NO_SHOW})
HOLD_MINUTES = 10
_MOST_ORDERS = 20


@dataclass(frozen=True, slots=True)
class Work:
    """A step that an appointment may be for."""

    order: OrderView
    procedure: ProcedureView
    step: StepView

    @property
    def name(self) -> str:
        """The request it belongs to, as a client would name it in basedOn."""
        several = len(self.order.procedures) > 1
        return f"ServiceRequest/{(self.procedure if several else self.order).public_id}"


@dataclass(frozen=True)
class Desk:
    """Books for one client; within the transaction of its message."""

    message: Message
    patient: PatientReference | None = None  # one who came along and is not known yet
    referral: Identifier | None = None

    def execute(self, command: Command[str]) -> str:
        return execute(command, actor=self.message.client.actor)

    # --- create

    def create(self, wanted: Wanted) -> str:
        """The appointment's id; booked, held or waiting, as its status and time say."""
        if wanted.status not in {"proposed", "pending", "booked"}:
            raise refused_status(wanted.status)
        when = self.offer(wanted)
        work = self.work(wanted, when)
        if when is None and not wanted.has_time:
            if wanted.status != "proposed":
                raise MissingValueError("a slot or a start is required", path=f"{PATH}.start")
            return self.execute(
                ProposeAppointment(
                    step=work.step.public_id, start_at=wanted.wished_at, comment=wanted.comment
                )
            )
        return self.take(wanted, work, when or self.place(wanted, work))

    def take(self, wanted: Wanted, work: Work, when: Offer) -> str:
        """Book the time for the step, or hold it."""
        if wanted.status == "pending":
            return self.execute(
                HoldSlot(
                    step=work.step.public_id,
                    device=when.device,
                    start_at=when.start_at,
                    duration_minutes=when.minutes,
                    minutes=HOLD_MINUTES,
                    open_only=True,
                )
            )
        return self.execute(
            BookAppointment(
                step=work.step.public_id,
                device=when.device,
                start_at=when.start_at,
                duration_minutes=when.minutes,
                open_only=True,
                comment=wanted.comment,
            )
        )

    # --- when and where

    def offer(self, wanted: Wanted) -> Offer | None:
        """The time of the slot that is named, with what else is said of it; None without one."""
        if not wanted.slot:
            return None
        found = slots.offer_of_slot(wanted.slot)
        if found is None:
            raise InvalidValueError(
                "there is no such slot", path=f"{PATH}.slot[0]", details={"issue": "not-found"}
            )
        if wanted.start_at is not None and wanted.start_at != found.start_at:
            raise InvalidValueError("this is not when the slot starts", path=f"{PATH}.start")
        return Offer(
            device=found.device,
            start_at=found.start_at,
            minutes=wanted.length or found.minutes,
            step=found.step,
        )

    def place(self, wanted: Wanted, work: Work) -> Offer:
        """Where the time that is said can be had: the device named, or one that is free then."""
        start_at = wanted.start_at
        if start_at is None:
            raise MissingValueError("a slot or a start is required", path=f"{PATH}.start")
        minutes = wanted.length or work.step.duration_minutes
        devices, rooms = self.places(wanted)
        modality = work.step.modality
        device = devices[0] if devices else None
        if device is None:
            device = slots.free_device(modality, start_at, minutes, rooms=rooms)
        if device is None:
            raise SlotTakenError("no suitable device is free at that time", path="start_at")
        return Offer(device=device, start_at=start_at, minutes=minutes)

    def places(self, wanted: Wanted) -> tuple[list[str], list[str]]:
        """Public ids of the devices and the rooms that take part."""
        known = self.message.find(
            frozenset(named.target for named in wanted.places if named.target)
        )
        devices, rooms = [], []
        for named in wanted.places:
            station = known.find(named.target, StationView)
            room = known.find(named.target, RoomView)
            if station is not None:
                devices.append(station.public_id)
            elif room is not None:
                rooms.append(room.public_id)
            else:
                raise InvalidValueError(
                    "no such device or room here", path=named.path, details={"issue": "not-found"}
                )
        return devices, rooms

    # --- what for

    def work(self, wanted: Wanted, when: Offer | None = None) -> Work:
        """The step the appointment is for; an order is placed for it if need be."""
        patient = self.patient_of(wanted.patient)
        modality = self._modality(when) if when else ""
        if wanted.requests:
            return self._of_requests(wanted, patient, modality)
        if self.referral is not None:
            return self._one(self.referred(self.referral), wanted, patient, modality)
        if patient is None and self.patient is None:
            raise MissingValueError(
                "the order (basedOn) or the patient is required", path=f"{PATH}.basedOn"
            )
        waiting = self.waiting(patient.public_id) if patient else []
        fitting = [work for work in waiting if _fits(work, wanted.service, modality)]
        if fitting:
            return self._one(fitting, wanted, patient, modality)
        return self._self_referred(wanted, patient, modality)

    def _of_requests(self, wanted: Wanted, patient: PatientView | None, modality: str) -> Work:
        works: list[Work] = []
        for named in wanted.requests:
            works += self._works(self.requests(named))
        return self._one(works, wanted, patient, modality)

    def requests(self, named: Named) -> list[RequestHit]:
        """The orders or procedures that a reference means; none of them is a fault."""
        kind = KINDS["ServiceRequest"]
        target = named.target
        hits: list[RequestHit] = []
        if target is not None and target.id:
            # Whoever has no scope for orders at all was told the id, which nobody guesses.
            found = list(kind.finder.load([target.id]))
            hits = rows.without_foreign(kind, found, _request_id, self.message.reading)
        elif target is not None and target.identifier is not None:
            hits = self._referred(target.identifier)
        if not hits:
            raise InvalidValueError(
                "there is no such order here", path=named.path, details={"issue": "not-found"}
            )
        return hits

    def referred(self, number: Identifier) -> list[Work]:
        """The steps of the orders that have this number."""
        return self._works(self._referred(number))

    def require_step(self, step: str, wanted: Wanted) -> None:
        """What a time was offered or held for is what is to be booked."""
        if wanted.patient is None and not wanted.requests and self.referral is None:
            return
        hits = KINDS["Task"].finder.load([step])
        patient = self.patient_of(wanted.patient)
        order = hits[0].order if hits else None
        if patient and order and order.patient.public_id != patient.public_id:
            raise InvalidValueError("this time is for another patient", path=f"{PATH}.participant")
        meant = [work for named in wanted.requests for work in self._works(self.requests(named))]
        if self.referral is not None:
            meant += self.referred(self.referral)
            if not meant:
                raise no_such_order()
        if meant and step not in {work.step.public_id for work in meant}:
            raise InvalidValueError("this time is for another exam", path=f"{PATH}.basedOn")

    def _referred(self, number: Identifier) -> list[RequestHit]:
        """The orders of this number that the client's scopes reach: nobody learns of others."""
        term = IdentifierTerm(number.value, number.issuer or None)
        limited = restrict(
            KINDS["ServiceRequest"],
            RequestCriteria(identifiers=((term,),), levels=frozenset({"order"})),
            self.message.client.filters("ServiceRequest", "crus"),
            self.message.reading(),
        )
        return list(KINDS["ServiceRequest"].finder.search(limited, Page(_MOST_ORDERS)).hits)

    def waiting(self, patient: str) -> list[Work]:
        """The steps of a patient's open orders that wait to be scheduled."""
        criteria = RequestCriteria(
            patients=((patient,),),
            order_states=frozenset({OrderStatus.ACTIVE}),
            levels=frozenset({"order"}),
        )
        hits = search.requests.search(criteria, Page(_MOST_ORDERS)).hits
        return [work for work in self._works(hits) if work.step.status in WAITING]

    @staticmethod
    def _works(hits: Iterable[RequestHit]) -> list[Work]:
        return [
            Work(hit.order, procedure, step)
            for hit in hits
            for procedure in hit.order.procedures
            for step in procedure.steps
            if hit.procedure is None or hit.procedure.public_id == procedure.public_id
        ]

    def _one(
        self, works: list[Work], wanted: Wanted, patient: PatientView | None, modality: str
    ) -> Work:
        if not works:
            raise no_such_order()
        if patient and any(w.order.patient.public_id != patient.public_id for w in works):
            raise InvalidValueError("the order is another patient's", path=f"{PATH}.participant")
        waiting = [work for work in works if work.step.status in WAITING]
        if not waiting:
            raise StateConflictError("nothing of this order waits to be scheduled")
        fitting = [work for work in waiting if _fits(work, None, modality)]
        if not fitting:
            raise InvalidValueError(f"the exam is not done on {modality}", path=f"{PATH}.slot")
        narrowed = [work for work in fitting if _fits(work, wanted.service, "")]
        fitting = narrowed or fitting
        names = list(dict.fromkeys(work.name for work in fitting))
        if len(names) > 1:
            raise HttpError(
                422,
                "multiple-matches",
                f"several exams wait; say which one in basedOn: {', '.join(names)}",
                path=f"{PATH}.basedOn",
            )
        if wanted.has_time or wanted.status != "proposed":
            return fitting[0]
        # A wish is for a step that nobody asked a time for yet, if there is one.
        return next((work for work in fitting if work.step.appointment is None), fitting[0])

    def _self_referred(self, wanted: Wanted, patient: PatientView | None, modality: str) -> Work:
        endpoint = self.message.client.endpoint
        may = bool(endpoint and endpoint.settings.get("self_referral"))
        if not may:
            raise HttpError(
                422,
                "business-rule",
                "no order of this patient waits to be scheduled: create a ServiceRequest first",
                path=f"{PATH}.basedOn",
            )
        code = wanted.service or (Code("", "", wanted.reason) if wanted.reason else None)
        if code is None:
            raise MissingValueError("what is to be done is required", path=f"{PATH}.serviceType")
        steps = (StepRequest(modality=modality),) if modality else ()
        placed = execute(
            PlaceOrder(
                patient=(
                    PatientReference(public_id=patient.public_id)
                    if patient
                    else self.patient or PatientReference()
                ),
                procedures=(ProcedureRequest(code=code, description=code.meaning, steps=steps),),
                details=OrderDetails(
                    reason=wanted.reason or None,
                    reason_code=wanted.reason_code if wanted.reason_code.value else None,
                    comments=wanted.comment or None,
                ),
                wait_for_scheduler=True,
            ),
            actor=self.message.client.actor,
        )
        self.message.forget("Patient")
        hits = list(KINDS["ServiceRequest"].finder.load([placed.public_id]))
        return self._works(hits)[0]

    @staticmethod
    def _modality(when: Offer) -> str:
        found = KINDS["Device"].finder.load([when.device])
        return found[0].modality if found else ""

    # --- who

    def patient_of(self, named: Named | None) -> PatientView | None:
        """The patient who takes part; None where nobody is named."""
        if named is None:
            return None
        if named.target is None:
            raise InvalidValueError("a patient is named by a reference", path=named.path)
        found = self.message.find(frozenset({named.target})).find(named.target, PatientView)
        if found is None:
            raise InvalidValueError(
                "this patient is not known here", path=named.path, details={"issue": "not-found"}
            )
        return found


def no_such_order() -> InvalidValueError:
    return InvalidValueError(
        "there is no such order here", path=f"{PATH}.basedOn", details={"issue": "not-found"}
    )


def _request_id(hit: RequestHit) -> str:
    return (hit.procedure or hit.order).public_id


def _fits(work: Work, service: Code | None, modality: str) -> bool:
    if modality and work.step.modality and work.step.modality != modality:
        return False
    if service is None or not service.value:
        return True
    own = work.procedure.code
    schemes_agree = not service.scheme or not own.scheme or service.scheme == own.scheme
    return (own.value == service.value and schemes_agree) or work.step.modality == service.value
