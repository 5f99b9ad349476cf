"""The day's appointments, free times, booking; devices and what can be ordered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from integration.rest.base import RestView
from integration.rest.shapes import shown
from integration.rest.shown import Reason, does, gives, lists, parameter, reason_in
from ris.domain.arrivals import IdentifierKind, Said
from ris.domain.errors import InvalidValueError
from ris.domain.scheduling import (
    BookAppointment,
    CancelAppointment,
    PrepareStep,
    RecordArrival,
    RecordNoShow,
    RescheduleAppointment,
    Slot,
)
from ris.selectors import catalog, facility, linked, schedule
from ris.selectors.catalog import ProcedureLine
from ris.selectors.schedule import AppointmentLine

MAX_DAYS = 31
YEARS = range(1990, 2101)  # what a calendar is asked about


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A modality, without its network settings."""

    public_id: str
    ae_title: str
    station_name: str
    modality: str
    room: str
    active: bool


class Arrival(serializers.Serializer[Any]):
    """What the patient said or showed; a person names two of them, or the reason why not."""

    name = serializers.CharField(max_length=200, allow_blank=True, default="")
    birth_date = serializers.CharField(max_length=30, allow_blank=True, default="")
    number = serializers.CharField(max_length=200, allow_blank=True, default="")
    reason = serializers.CharField(max_length=200, allow_blank=True, default="")


class Booking(serializers.Serializer[Any]):
    """When and where. ``overbook`` books over what is there, and needs a reason and the right."""

    device = serializers.UUIDField()
    start_at = serializers.DateTimeField()
    duration_minutes = serializers.IntegerField(min_value=1, max_value=1440, required=False)
    overbook = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=200, allow_blank=True, default="")
    expected_version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Of what was read before; another one is a conflict.",
    )

    def validate_start_at(self, value: datetime) -> datetime:
        if value.year not in YEARS:
            raise serializers.ValidationError("is too far away")
        return value


def _read(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    said = kind(data=request.data)
    said.is_valid(raise_exception=True)
    return dict(said.validated_data)


class RestDay(RestView):
    """A view that is asked about a day."""

    def day(self) -> date:
        text = self.asked("date")
        if not text:
            return timezone.localdate()
        try:
            found = date.fromisoformat(text)
        except ValueError:
            raise InvalidValueError("write a date as 2026-03-02", path="date") from None
        if found.year not in YEARS:
            raise InvalidValueError("is too far away", path="date")
        return found


class AppointmentsView(RestDay):
    @lists(
        "appointments",
        AppointmentLine,
        "Who is expected, here or did not come on a day",
        parameter("date", "As 2026-03-02; today if empty."),
        paged=False,
    )
    def get(self, request: Request) -> Response:
        lines = schedule.expected(self.day())
        self.saw("appointments", (line.patient.public_id for line in lines))
        return Response([shown(AppointmentLine, line) for line in lines])


class AppointmentView(RestView):
    @gives("appointment", AppointmentLine, "An appointment")
    def get(self, request: Request, key: UUID) -> Response:
        line = schedule.appointment(str(key))
        self.saw("appointment", [line.patient.public_id], order=line.order)
        return Response(shown(AppointmentLine, line))


class SlotsView(RestDay):
    @lists(
        "slots",
        Slot,
        "Free times for a step, in order",
        parameter("date", "The first day; today if empty."),
        parameter("days", f"How many days, up to {MAX_DAYS}; 7 if empty."),
        paged=False,
    )
    def get(self, request: Request, key: UUID) -> Response:
        text = self.asked("days", "7")
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_DAYS):
            raise InvalidValueError(f"is a number from 1 to {MAX_DAYS}", path="days")
        step = schedule.find_step(str(key))
        found = [
            slot
            for day in linked.free_slots(step, self.day(), int(text))
            for device in day.devices
            for slot in device.slots
        ]
        found.sort(key=lambda slot: (slot.start_at, slot.ae_title))
        return Response([shown(Slot, slot) for slot in found])


class BookView(RestView):
    @does("step_book", "Book a step", Booking, status=201)
    def post(self, request: Request, key: UUID) -> Response:
        said = _read(Booking, request)
        made = self.do(BookAppointment(step=str(key), **{**said, "device": str(said["device"])}))
        return Response({"id": made}, status=201)


class MoveView(RestView):
    @does("appointment_move", "Move an appointment; identifiers and UIDs stay", Booking)
    def post(self, request: Request, key: UUID) -> Response:
        said = _read(Booking, request)
        command = RescheduleAppointment(
            appointment=str(key), **{**said, "device": str(said["device"])}
        )
        return Response({"id": self.do(command)})


class CancelView(RestView):
    @does("appointment_cancel", "Give a time back; the step waits to be booked again", Reason)
    def post(self, request: Request, key: UUID) -> Response:
        self.do(CancelAppointment(appointment=str(key), reason=reason_in(request)))
        return Response({"id": str(key)})


class ArriveView(RestView):
    @does("appointment_arrive", "The patient is here", Arrival)
    def post(self, request: Request, key: UUID) -> Response:
        said = _read(Arrival, request)
        identifiers = {kind: said[kind.value.lower()].strip() for kind in IdentifierKind}
        command = RecordArrival(
            appointment=str(key),
            identifiers_checked=tuple(
                Said(kind, value) for kind, value in identifiers.items() if value
            ),
            unchecked_reason=said["reason"],
        )
        self.do(command)
        return Response({"id": str(key)})


class MissView(RestView):
    @does("appointment_no_show", "The patient did not come; the time is given back")
    def post(self, request: Request, key: UUID) -> Response:
        self.do(RecordNoShow(appointment=str(key)))
        return Response({"id": str(key)})


class PrepareView(RestView):
    @does("step_prepare", "The patient is prepared and in the room")
    def post(self, request: Request, key: UUID) -> Response:
        self.do(PrepareStep(step=str(key)))
        return Response({"id": str(key)})


class DevicesView(RestView):
    @lists("devices", Station, "The modalities", paged=False)
    def get(self, request: Request) -> Response:
        found = [
            Station(
                public_id=each.public_id,
                ae_title=each.ae_title,
                station_name=each.station_name,
                modality=each.modality,
                room=each.room,
                active=each.active,
            )
            for each in facility.devices()
        ]
        return Response([shown(Station, each) for each in found])


class ProceduresView(RestView):
    @lists("procedures", ProcedureLine, "What can be ordered", paged=False)
    def get(self, request: Request) -> Response:
        return Response([shown(ProcedureLine, each) for each in catalog.lines()])
