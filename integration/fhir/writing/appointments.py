"""Appointment: book, move, cancel, arrive; AppointmentResponse (FHIR R4 12.10, 12.11)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from integration.fhir.from_domain.appointmentresponse import ACTORS
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.to_domain import appointment as reading
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.appointment import ANSWERS, PATH, Wanted, wanted
from integration.fhir.to_domain.references import Reader
from integration.fhir.writing.booking import Desk, Work
from integration.fhir.writing.message import Message
from integration.fhir.writing.request import Writer
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    RisError,
    StateConflictError,
)
from ris.domain.places import Place
from ris.domain.scheduling import (
    Answer,
    AnswerAppointment,
    BookAppointment,
    CancelAppointment,
    Participant,
    PrepareStep,
    RecordArrival,
    RecordNoShow,
    RescheduleAppointment,
)
from ris.selectors.search.views import AppointmentHit
from ris.services import execute

_MOVABLE = frozenset({"booked", "arrived", "checked-in"})
_PARTICIPANTS: Mapping[str, Participant] = {kind: who for who, kind in ACTORS.items()}


class Appointments:
    """Writes of Appointment resources."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        reader = Reader(resource, writer.message.base, writer.systems)
        with _placed():
            return Desk(writer.message).create(wanted(reader)), True

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        with _placed():
            Change(writer.message, writer.public_id, resource, before).apply()


# Elsewhere these words of the core mean parts of a request.
_PLACES: Mapping[str, str] = {
    Place.START_AT: f"{PATH}.start",
    Place.DURATION: f"{PATH}.end",
    Place.DEVICE: f"{PATH}.participant",
    Place.MODALITY: "",  # of the step that is booked, which no element of an Appointment says
}


@contextmanager
def _placed() -> Iterator[None]:
    """What is refused inside names the element of the Appointment."""
    try:
        yield
    except RisError as error:
        error.path = _PLACES.get(error.path, error.path)
        raise


class Change:
    """One appointment brought from ``before``, as it was shown, to ``resource``."""

    def __init__(
        self, message: Message, public_id: str, resource: Resource, before: Resource
    ) -> None:
        self.message = message
        self.actor = message.client.actor
        self.public_id = public_id
        self.resource = resource
        self.before = before
        self.wanted = wanted(Reader(resource, message.base, message.systems))
        self.present = wanted(Reader(before, message.base, message.systems))
        self.desk = Desk(message)

    def apply(self) -> None:
        self._require_same_exam()
        old, new = self.present.status, self.wanted.status
        todo: Mapping[str, Callable[[], None]] = {
            "cancelled": self._cancel,
            "noshow": self._no_show,
            "arrived": self._arrive,
            "checked-in": self._check_in,
            "booked": self._book,
        }
        if new != old:
            if new not in todo:
                raise self._impossible(old, new)
            todo[new]()
        elif not reading.same_time(self.wanted, self.present) or self._goes_elsewhere():
            self._move()
        if new != "cancelled":
            for kind, key, answer in reading.answers(self.resource, self.before):
                self._answer(kind, key, answer)

    def _impossible(self, old: str, new: str) -> Exception:
        if new in {"proposed", "pending"}:
            return StateConflictError(f"an appointment that is {old} does not become {new}")
        return reading.refused_status(new)

    def _require_same_exam(self) -> None:
        """An appointment stays with its order and its patient."""
        own = {named.target.id for named in self.present.requests if named.target}
        for named in self.wanted.requests:
            hits = self.desk.requests(named)
            ids = {
                key for hit in hits for key in (hit.order.public_id, *self._procedures(hit)) if key
            }
            if own and not own & ids:
                raise InvalidValueError(
                    "an appointment stays with its order: cancel it and create another",
                    path=named.path,
                )
        patient = self.desk.patient_of(self.wanted.patient)
        present = self.present.patient
        if patient and present and present.target and patient.public_id != present.target.id:
            raise InvalidValueError(
                "an appointment stays with its patient", path=f"{PATH}.participant"
            )

    @staticmethod
    def _procedures(hit: object) -> list[str]:
        procedure = getattr(hit, "procedure", None)
        return [procedure.public_id] if procedure is not None else []

    # --- what becomes of it

    def _cancel(self) -> None:
        reason = self.wanted.cancelation or "cancelled by the requester"
        execute(CancelAppointment(appointment=self.public_id, reason=reason), actor=self.actor)

    def _no_show(self) -> None:
        execute(RecordNoShow(appointment=self.public_id), actor=self.actor)

    def _arrive(self) -> None:
        execute(RecordArrival(appointment=self.public_id), actor=self.actor)

    def _check_in(self) -> None:
        if self.present.status == "booked":
            self._arrive()
        hit = self._hit()
        if hit.step is None:
            raise StateConflictError("this appointment is for no exam any more")
        execute(PrepareStep(step=hit.step.public_id), actor=self.actor)

    def _book(self) -> None:
        """A hold or a wish becomes an appointment."""
        if self.present.status == "pending":
            if not reading.same_time(self.wanted, self.present) or self._goes_elsewhere():
                raise StateConflictError(
                    "another time is held: book that, or cancel it and create another",
                    path=f"{PATH}.start",
                )
            execute(
                BookAppointment(appointment=self.public_id, comment=self.wanted.comment),
                actor=self.actor,
            )
            return
        if self.present.status != "proposed":
            raise StateConflictError(
                f"an appointment that is {self.present.status} is over: create another"
            )
        if not self.wanted.has_time:
            raise MissingValueError("a slot or a start is required", path=f"{PATH}.start")
        hit = self._hit()
        if hit.step is None or hit.order is None or hit.procedure is None:
            raise StateConflictError("this appointment is for no exam any more")
        work = Work(hit.order, hit.procedure, hit.step)
        when = self.desk.offer(self.wanted) or self.desk.place(self.wanted, work)
        self.desk.take(self.wanted, work, when)

    def _move(self) -> None:
        if self.present.status not in _MOVABLE:
            raise StateConflictError(
                f"an appointment that is {self.present.status} cannot be moved",
                path=f"{PATH}.start",
            )
        when = self.desk.offer(self._new_slot())
        devices, _ = self.desk.places(self.wanted)
        start_at = when.start_at if when else self.wanted.start_at
        if start_at is None:
            raise MissingValueError("a slot or a start is required", path=f"{PATH}.start")
        named = [device for device in devices if device != self._hit().device]
        execute(
            RescheduleAppointment(
                appointment=self.public_id,
                start_at=start_at,
                device=when.device if when else named[0] if named else "",
                duration_minutes=when.minutes if when else self.wanted.length,
                open_only=True,
            ),
            actor=self.actor,
        )

    def _new_slot(self) -> Wanted:
        """What is wanted; the slot it had, left in with another start, says nothing any more."""
        if self.wanted.slot != self.present.slot:
            return self.wanted
        return wanted(
            Reader(
                {name: value for name, value in self.resource.items() if name != "slot"},
                self.message.base,
                self.message.systems,
            )
        )

    def _goes_elsewhere(self) -> bool:
        if self.present.status not in {*_MOVABLE, "pending"}:
            return False
        devices, _ = self.desk.places(self.wanted)
        hit = self._hit()
        return bool(devices) and hit.device not in devices

    def _answer(self, kind: str, key: str, answer: Answer) -> None:
        if kind in _PARTICIPANTS:
            execute(
                AnswerAppointment(
                    appointment=self.public_id,
                    participant=_PARTICIPANTS[kind],
                    key=key,
                    answer=answer,
                ),
                actor=self.actor,
            )

    def _hit(self) -> AppointmentHit:
        hits = KINDS["Appointment"].finder.load([self.public_id])
        if not hits:
            raise HttpError(404, "not-found", f"there is no Appointment/{self.public_id}")
        found: AppointmentHit = hits[0]
        return found


RESPONSE = "AppointmentResponse"


class AppointmentResponses:
    """Writes of AppointmentResponse resources: each is one answer, and stays as it is."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        datatypes.refuse_modifiers(resource, RESPONSE)
        reader = Reader(resource, writer.message.base, writer.systems)
        status = datatypes.text(resource, "participantStatus", RESPONSE)
        if status not in ANSWERS:
            raise HttpError(
                422,
                "business-rule",
                f"{status or 'nothing'} is no answer: accepted, tentative or declined",
                path=f"{RESPONSE}.participantStatus",
            )
        meant = self._named(reader, "appointment", frozenset({"Appointment"}))
        kind, key = self._named(reader, "actor", reading.ACTORS)
        if kind not in _PARTICIPANTS:
            raise InvalidValueError(
                "the actor is the patient, device or room of the appointment",
                path=f"{RESPONSE}.actor",
            )
        public_id = writer.execute(
            AnswerAppointment(
                appointment=meant[1],
                participant=_PARTICIPANTS[kind],
                key=key,
                answer=ANSWERS[status],
                comment=datatypes.one_line(resource, "comment", RESPONSE, reading.COMMENT_LIMIT),
            )
        )
        return public_id, True

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        raise HttpError(405, "not-supported", "an answer stays as it is: send another")

    @staticmethod
    def _named(reader: Reader, name: str, allowed: frozenset[str]) -> tuple[str, str]:
        """(type, id) of a reference to something of ours."""
        path = f"{RESPONSE}.{name}"
        element = datatypes.single(reader.resource, name, RESPONSE)
        if element is None:
            raise MissingValueError(f"{name} is required", path=path)
        target = reader.named(element, path, allowed, default=min(allowed)).target
        if target is None or not target.id:
            raise InvalidValueError("is named by its id", path=path)
        return target.type, target.id
