"""Doing on our calendar what another scheduler did on its own (HL7 v2.5.1 10.4, IHE RAD-48).

The hospital's scheduler keeps the appointment and tells of it afterwards. What it says is carried
out by the same functions as a click on a page, so a time that is taken here is refused and waits
for a person; it is booked over only where the scheduler says that it booked over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from ris.domain.commands import Event
from ris.domain.errors import (
    DuplicateKeyError,
    MissingValueError,
    RisError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import HERE, StepStatus
from ris.domain.places import Place
from ris.domain.scheduling import (
    APPOINTMENT,
    ENDING,
    OCCUPYING,
    AppointmentBooked,
    AppointmentCanceled,
    AppointmentModified,
    AppointmentMoved,
    AppointmentStatus,
    AppointmentTrigger,
    CancelAppointment,
    FollowSchedule,
    NoShowRecorded,
    NumberKind,
    RecordArrival,
    RecordNoShow,
    ScheduleChange,
    ScheduledService,
)
from ris.models import Appointment, AppointmentNumber, Order, ScheduledProcedureStep
from ris.selectors.linked import Link, links_of
from ris.services import _references  # as a module: orders, which it looks up, need this area
from ris.services._context import Context
from ris.services._locks import lock_appointment, lock_orders, public_key, steps_of_order
from ris.services._transition import move, touch
from ris.services.scheduling.appointments import cancel_appointment
from ris.services.scheduling.arrivals import record_arrival, record_no_show
from ris.services.scheduling.calendar import (
    AS_ORDERED,
    book,
    move_appointment,
    say_modified,
)
from ris.services.scheduling.following_where import device_for, devices_of
from ris.services.scheduling.linked import require_kept
from ris.services.scheduling.resources import give_back

_OF_SERVICE = frozenset({"code", "room", Place.START_AT, Place.STATION, Place.DURATION})
_BOOKABLE = frozenset({StepStatus.PENDING.value, StepStatus.NO_SHOW.value})
_TOLD = (
    AppointmentBooked,
    AppointmentMoved,
    AppointmentModified,
    AppointmentCanceled,
    NoShowRecorded,
)


def follow_schedule(command: FollowSchedule, context: Context) -> tuple[str, ...]:
    order, named = _meant(command)
    _references.require_patient_of(order, command.patient)
    work = _Work(command, order, named, context)
    if command.change in ENDING or command.change is ScheduleChange.ARRIVE:
        done = work.end()
    else:
        done = work.place()
    # Whoever keeps the calendar is not told of its own decision; all others are.
    for emitted in context.emitted:
        if isinstance(emitted.event, _TOLD):
            emitted.event = cast(Event, replace(emitted.event, followed=True))
    if done:
        context.about(done[0], order)
    return tuple(str(appointment.public_id) for appointment in done)


# --- which order, which appointments ------------------------------------------------------------


def _meant(command: FollowSchedule) -> tuple[Order, list[Appointment]]:
    """The order, locked, and the appointments that go by the numbers given, as they are then."""
    if command.order is not None:
        order = _references.require_order(command.order)
    else:
        orders = lock_orders(
            ScheduledProcedureStep.objects.filter(appointment__in=_named(command)).values_list(
                "procedure__order_id", flat=True
            )
        )
        if len(orders) > 1:
            raise MissingValueError("which order is meant is required", path=Place.PLACER)
        if not orders:
            # Its steps may have gone on to other appointments; the number alone says no more.
            raise _unknown(command)
        order = orders[0]
    named = _named(command)
    ours = [appointment for appointment in named if appointment.patient_id == order.patient_id]
    if len(ours) < len(named):
        raise DuplicateKeyError("this appointment belongs to another patient", path="number")
    return order, ours


def _named(command: FollowSchedule) -> list[Appointment]:
    """By the scheduler's own numbers and by ours; they must not contradict each other."""
    found: list[set[int]] = []
    for kind, number in ((NumberKind.PLACER, command.placer), (NumberKind.FILLER, command.filler)):
        if number is not None:
            rows = AppointmentNumber.objects.filter(
                value=number.value, issuer=number.issuer, kind=kind.value
            )
            found.append(set(rows.values_list("appointment_id", flat=True)))
    if command.appointment:
        key = public_key(command.appointment, "appointment")
        found.append(set(Appointment.objects.filter(public_id=key).values_list("pk", flat=True)))
    told = [keys for keys in found if keys]
    if not told:
        return []
    both = set.intersection(*told)
    if not both:
        raise DuplicateKeyError("the numbers belong to different appointments", path="number")
    return list(Appointment.objects.filter(pk__in=both).order_by("pk"))


def _unknown(command: FollowSchedule) -> RisError:
    named = command.placer is not None or command.filler is not None or command.appointment
    if command.change is ScheduleChange.BOOK or not named:
        return MissingValueError("a number of the order is required", path=Place.PLACER)
    return UnknownKeyError("no such appointment", path="number")


# --- what to do ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Work:
    """One command with what was found for it."""

    command: FollowSchedule
    order: Order
    named: list[Appointment]
    context: Context
    number: int = 0  # of the service that is placed
    links: list[Link] = field(default_factory=list)
    moved: dict[int, tuple[Appointment, int]] = field(default_factory=dict)  # with its service

    # --- give back, or arrive

    def end(self) -> list[Appointment]:
        """All that is meant and still stands; once more the same is no fault."""
        change = self.command.change
        meant = self.named or self._of_services()
        if not meant:
            raise UnknownKeyError("this order has no such appointment", path="number")
        standing = [each for each in meant if AppointmentStatus(each.status) in OCCUPYING]
        for appointment in standing:
            self._name(appointment)
            self._end(change, str(appointment.public_id))
        return meant

    def _end(self, change: ScheduleChange, key: str) -> None:
        command, context = self.command, self.context
        if change is ScheduleChange.ARRIVE:
            appointment = lock_appointment(key)
            if appointment.status == AppointmentStatus.BOOKED.value:
                record_arrival(RecordArrival(appointment=key), context)
        elif change is ScheduleChange.MISS:
            record_no_show(RecordNoShow(appointment=key), context)
        else:
            cancel_appointment(CancelAppointment(appointment=key, reason=command.reason), context)
            if change is ScheduleChange.DELETE:
                appointment = lock_appointment(key)
                appointment.voided_at = context.now
                touch(appointment, "voided_at")

    def _of_services(self) -> list[Appointment]:
        """The order's appointments, where the message names none by its number."""
        steps = [step for step in steps_of_order(self.order) if step.appointment is not None]
        codes = {each.code.value.upper() for each in self.command.services if each.code.value}
        several = len({step.procedure_id for step in steps}) > 1
        if several and codes:
            steps = [step for step in steps if _codes(step) & codes]
        elif several and not codes:
            raise MissingValueError(
                "this order has several procedures: which one is required", path="services.1.code"
            )
        return list(
            {step.appointment.pk: step.appointment for step in steps if step.appointment}.values()
        )

    # --- book or move

    def place(self) -> list[Appointment]:
        services = self.command.services or (ScheduledService(),)
        standing = [each for each in self.named if AppointmentStatus(each.status) in OCCUPYING]
        if self.command.change is ScheduleChange.BOOK and standing:
            self._require_repeat(standing, services)
            return standing
        done: list[Appointment] = []
        used: set[int] = set()
        for number, service in enumerate(services, start=1):
            if service.unchanged:
                continue
            self.number = number
            try:
                done += self._place(service, services, standing, used)
            except RisError as error:
                if error.path in _OF_SERVICE:
                    error.path = f"services.{number}.{error.path}"
                raise
        self._require_kept()
        return done or standing

    def _require_kept(self) -> None:
        """Once all services are where they go: the times between them and to other exams."""
        spans = {key: (row.start_at, row.end_at) for key, (row, _service) in self.moved.items()}
        for link in self.links:
            try:
                require_kept([link], spans)
            except RisError as error:
                of = (link.then.appointment_id, link.first.appointment_id)
                number = next(self.moved[key][1] for key in of if key in self.moved)
                error.path = f"services.{number}.{error.path}"
                raise

    def _require_repeat(
        self, standing: Sequence[Appointment], services: Sequence[ScheduledService]
    ) -> None:
        """A new appointment under a number that has one: the same once more, or a fault."""
        told = {service.start_at for service in services} - {None}
        if told <= {appointment.start_at for appointment in standing}:
            return
        raise DuplicateKeyError(
            "an appointment with this number is booked at another time: it has to be moved",
            path="number",
        )

    def _place(
        self,
        service: ScheduledService,
        services: Sequence[ScheduledService],
        standing: Sequence[Appointment],
        used: set[int],
    ) -> list[Appointment]:
        alike = [each for each in services if each.code.value == service.code.value]
        steps = self._steps(service, standing, used)
        if len(alike) > 1:
            steps = steps[:1]  # a service each
        used |= {step.pk for step in steps}
        if service.removed:
            return self._remove(steps)
        start_at = service.start_at
        done: list[Appointment] = []
        for step in steps:
            single = len(steps) == 1
            appointment = self._place_step(step, service, start_at, single=single)
            self._name(appointment)
            done.append(appointment)
            if start_at is not None:
                start_at = appointment.end_at  # the steps of one service follow one another
        return done

    def _remove(self, steps: Iterable[ScheduledProcedureStep]) -> list[Appointment]:
        """Give back what still stands of a service; once more the same is no fault."""
        gone = [
            step.appointment
            for step in steps
            if step.appointment is not None
            and AppointmentStatus(step.appointment.status) in OCCUPYING
        ]
        for appointment in gone:
            self._end(self.command.removal, str(appointment.public_id))
        return gone

    def _steps(
        self, service: ScheduledService, standing: Sequence[Appointment], used: set[int]
    ) -> list[ScheduledProcedureStep]:
        """The steps of the one procedure that is meant, those that wait first."""
        known = list(steps_of_order(self.order))
        wanted = service.code.value.upper()
        # By its code first: a service that is added, or was taken out before, is none of those
        # that go by the appointment's number.
        matching = [step for step in known if wanted and wanted in _codes(step)]
        steps = [
            step
            for step in matching or known
            if step.pk not in used and (step.status in _BOOKABLE or self._is_movable(step))
        ]
        here = {appointment.pk for appointment in standing}
        booked = [step for step in steps if step.appointment_id in here]
        steps = booked or steps
        if wanted and not matching and len({step.procedure_id for step in steps}) > 1:
            raise UnknownKeyError("the order has no such procedure to schedule", path="code")
        if len({step.procedure_id for step in steps}) > 1:
            raise MissingValueError(
                "this order has several procedures: which one is required", path="code"
            )
        if not steps:
            raise StateConflictError("nothing of this order can be scheduled any more", path="code")
        waiting = [step for step in steps if step.status in _BOOKABLE]
        if self.command.change is ScheduleChange.BOOK and waiting:
            steps = waiting
        devices = devices_of(service)
        suited = [
            step for step in steps if any(device.modality == step.modality for device in devices)
        ]
        return suited or steps

    def _is_movable(self, step: ScheduledProcedureStep) -> bool:
        """What is booked; of who is here, what goes to another room."""
        here = self.command.change is ScheduleChange.MOVE and StepStatus(step.status) in HERE
        return here or step.status == StepStatus.SCHEDULED.value

    def _place_step(
        self,
        step: ScheduledProcedureStep,
        service: ScheduledService,
        start_at: datetime | None,
        *,
        single: bool,
    ) -> Appointment:
        gone = service.no_performer and step.performing_physician == str(service.no_performer)
        if service.performer or gone:
            step.performing_physician = str(service.performer)
            touch(step, "performing_physician")
        appointment = step.appointment
        if appointment is None or not self._is_movable(step):
            return self._book(step, service, start_at, single=single)
        appointment = lock_appointment(str(appointment.public_id))
        start = start_at or appointment.start_at
        present = round((appointment.end_at - appointment.start_at).total_seconds() / 60)
        minutes = (service.duration_minutes if single else None) or present
        over = self.command.overbook
        device = device_for(service, step, start, minutes, present=appointment, overbook=over)
        same = (start, device) == (appointment.start_at, appointment.device)
        if self.command.change is ScheduleChange.BOOK and not same:
            self._require_wish(appointment)
        if same and minutes == present:
            if self.command.change is not ScheduleChange.BOOK:
                say_modified(step, appointment, self.context)
            return appointment
        if not over:
            self.links += links_of([appointment])
            self.moved[appointment.pk] = (appointment, self.number)
        move_appointment(
            appointment,
            device,
            start,
            minutes,
            self.context,
            overbook=over,
            reason=self.command.reason[:200],
            linked=False,
        )
        return appointment

    def _book(
        self,
        step: ScheduledProcedureStep,
        service: ScheduledService,
        start_at: datetime | None,
        *,
        single: bool,
    ) -> Appointment:
        if start_at is None:
            raise MissingValueError("a date and time is required", path=Place.START_AT)
        if not step.modality:
            raise StateConflictError("this order lacks its modality: complete it first")
        held = step.appointment
        if held is not None and held.status == AppointmentStatus.HELD.value:
            move(held, APPOINTMENT, AppointmentTrigger.EXPIRE)
            give_back(held)
        minutes = (service.duration_minutes if single else None) or step.duration_minutes
        return book(
            step,
            device_for(service, step, start_at, minutes, overbook=self.command.overbook),
            start_at,
            minutes,
            self.context,
            overbook=self.command.overbook,
            reason=self.command.reason[:200],
        )

    def _require_wish(self, appointment: Appointment) -> None:
        """A time that only the order wished for gives way; one that was agreed does not."""
        if appointment.reason == AS_ORDERED and not appointment.numbers.exists():
            return
        raise StateConflictError(
            "this exam is booked already, at another time: it has to be moved", path=Place.START_AT
        )

    def _name(self, appointment: Appointment) -> None:
        """Remember what the scheduler calls it, for what it says next."""
        numbers = (
            (NumberKind.PLACER, self.command.placer),
            (NumberKind.FILLER, self.command.filler),
        )
        for kind, number in numbers:
            if number is None or not number.value:
                continue
            AppointmentNumber.objects.update_or_create(
                appointment=appointment,
                kind=kind.value,
                defaults={"value": number.value, "issuer": number.issuer},
            )


def _codes(step: ScheduledProcedureStep) -> set[str]:
    """What the step's procedure goes by, folded."""
    codes = {step.procedure.code_value, *(code.get("value", "") for code in step.protocol_codes)}
    return {code.upper() for code in codes if code}
