"""Events + order → SIU^S12, S13, S14, S15, S26 (HL7 v2.5.1 10.4, IHE RAD-48).

Time and station are those of the event. The appointment is named by our own id (SCH-2), which
stays over every move; SCH-1 is what its scheduler calls it, else the placer's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integration.hl7 import acks, datatypes
from integration.hl7.bindings import Progress
from integration.hl7.er7_writer import SegmentRow, Value
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.segments import PID, PV1, Column, ToldOrder, row
from integration.hl7.profiles import Profile
from ris.domain.protocol import StoredEvent
from ris.domain.values import PersonName
from ris.selectors.appointments import AppointmentNumbers
from ris.selectors.views import OrderView


@dataclass(frozen=True, slots=True)
class Trigger:
    """``status`` is SCH-25 and AIS-10 (table 0278), ``action`` RGS-2 and AIS-2 (table 0206)."""

    code: str
    meaning: str
    status: str
    action: str


APPOINTMENTS: Mapping[str, Trigger] = {
    "AppointmentBooked": Trigger("S12", "new appointment booking", "Booked", "A"),
    "AppointmentMoved": Trigger("S13", "appointment rescheduling", "Booked", "U"),
    "AppointmentModified": Trigger("S14", "appointment modification", "Booked", "U"),
    "AppointmentCanceled": Trigger("S15", "appointment cancellation", "Cancelled", "D"),
    "NoShowRecorded": Trigger("S26", "patient did not show up", "Noshow", "U"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAppointment(ToldOrder):
    """What SCH and the resources are written from."""

    trigger: Trigger
    appointment: str
    start_at: datetime
    end_at: datetime
    station: str
    numbers: AppointmentNumbers

    @property
    def minutes(self) -> int:
        return round((self.end_at - self.start_at).total_seconds() / 60)

    @property
    def filler_status(self) -> Value:
        return (self.trigger.status, None, "HL70278")


def _timing(told: ToldAppointment) -> Value:
    start, end = told.time(told.start_at), told.time(told.end_at)
    return (None, None, f"M{told.minutes}", start, end)


def _contact(told: ToldAppointment) -> Value:
    """SCH-16 and SCH-20 are required; the department answers for the appointment."""
    return (None, told.profile.facility or told.profile.settings.application)


_MINUTES: Value = ("min", "minute", "UCUM")

SCH: tuple[Column[Any], ...] = (
    Column(
        1,
        "placer appointment id, else the placer's order",
        lambda t: t.entity(t.numbers.placer if t.numbers.placer.value else t.order.placer),
    ),
    Column(2, "filler appointment id", lambda t: (t.appointment, t.profile.settings.application)),
    Column(4, "placer group number", lambda t: t.order.group_number),
    Column(6, "event", lambda t: (t.trigger.code, t.trigger.meaning, acks.OWN_CODES)),
    Column(7, "reason of the exam, or of the cancellation", lambda t: _appointment_reason(t)),
    Column(9, "duration", lambda t: t.minutes),
    Column(10, "unit of the duration", lambda t: _MINUTES),
    Column(11, "start and end", _timing),
    Column(16, "whom to ask", _contact),
    Column(20, "entered by", _contact),
    Column(25, "status", lambda t: t.filler_status),
    Column(26, "placer order number", lambda t: t.entity(t.order.placer), since="2.4"),
    Column(27, "filler order number", lambda t: t.filler, since="2.4"),
)


def _appointment_reason(told: ToldAppointment) -> Value:
    text = told.reason or told.order.reason
    return (None, text) if text else None


RGS: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda t: 1),
    Column(2, "action", lambda t: t.trigger.action),
)


def _service(told: ToldAppointment) -> Value:
    code = told.procedure.code
    return (code.value, code.meaning or told.procedure.description, code.scheme)


AIS: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda t: 1),
    Column(2, "action", lambda t: t.trigger.action),
    Column(3, "procedure", _service),
    Column(4, "start", lambda t: t.time(t.start_at)),
    Column(7, "duration", lambda t: t.minutes),
    Column(8, "unit of the duration", lambda t: _MINUTES),
    Column(9, "substitution is not allowed", lambda t: "NO"),
    Column(10, "status", lambda t: t.filler_status),
)

AIG: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda t: 1),
    Column(2, "action", lambda t: t.trigger.action),
    Column(3, "station AE title", lambda t: (t.station,)),
    Column(4, "kind of resource", lambda t: (t.step.modality if t.step else None, None, "DCM")),
    Column(8, "start", lambda t: t.time(t.start_at)),
    Column(11, "duration", lambda t: t.minutes),
    Column(12, "unit of the duration", lambda t: _MINUTES),
    Column(13, "substitution is not allowed", lambda t: "NO"),
    Column(14, "status", lambda t: t.filler_status),
)

AIL: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda t: 1),
    Column(2, "action", lambda t: t.trigger.action),
    Column(3, "room", lambda t: datatypes.write_pl(_room(t))),
    Column(4, "kind of place", lambda t: ("D", "Department", "HL70305")),
    Column(6, "start", lambda t: t.time(t.start_at)),
    Column(9, "duration", lambda t: t.minutes),
    Column(10, "unit of the duration", lambda t: _MINUTES),
    Column(11, "substitution is not allowed", lambda t: "NO"),
    Column(12, "status", lambda t: t.filler_status),
)

AIP: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda t: 1),
    Column(2, "action", lambda t: t.trigger.action),
    Column(3, "performing physician", lambda t: datatypes.write_xcn(_performer(t))),
    Column(4, "kind of staff", lambda t: ("PP", "performing physician", acks.OWN_CODES)),
    Column(6, "start", lambda t: t.time(t.start_at)),
    Column(9, "duration", lambda t: t.minutes),
    Column(10, "unit of the duration", lambda t: _MINUTES),
    Column(11, "substitution is not allowed", lambda t: "NO"),
    Column(12, "status", lambda t: t.filler_status),
)

TABLES: dict[str, tuple[Column[Any], ...]] = {
    "SCH": SCH,
    "RGS": RGS,
    "AIS": AIS,
    "AIG": AIG,
    "AIL": AIL,
    "AIP": AIP,
}


def _performer(told: ToldAppointment) -> PersonName:
    return told.step.performing_physician if told.step is not None else PersonName()


def _room(told: ToldAppointment) -> str:
    """The room of the station, as long as the step is there."""
    step = told.step
    if step is None or step.station_ae_title != told.station:
        return ""
    return (step.appointment.room if step.appointment else "") or step.location


def siu(
    event: StoredEvent,
    order: OrderView,
    profile: Profile,
    numbers: AppointmentNumbers = AppointmentNumbers(),  # noqa: B008 - frozen
) -> Draft | None:
    """The message for an appointment; None if its step is not this order's."""
    payload = event.payload
    try:
        procedure, step = order.step(payload["step"])
    except KeyError:
        return None
    trigger = APPOINTMENTS[event.name]
    told = ToldAppointment(
        profile=profile,
        at=event.at,
        patient=order.patient,
        visit=order.visit,
        order=order,
        procedure=procedure,
        step=step,
        control="",
        progress=Progress("", ""),
        reason=str(payload.get("reason", "")),
        trigger=trigger,
        appointment=payload["appointment"],
        start_at=datetime.fromisoformat(payload["start_at"]),
        end_at=datetime.fromisoformat(payload["end_at"]),
        station=payload["station"],
        numbers=numbers,
    )
    rows: list[SegmentRow] = [row("SCH", SCH, told), row("PID", PID, told), row("PV1", PV1, told)]
    rows += [row("RGS", RGS, told), row("AIS", AIS, told)]
    if told.station:
        rows.append(row("AIG", AIG, told))
    if _room(told):
        rows.append(row("AIL", AIL, told))
    if _performer(told):
        rows.append(row("AIP", AIP, told))
    return Draft("SIU", trigger.code, "SIU_S12", rows)
