"""Labels of appointments and of what is booked."""

from __future__ import annotations

from collections.abc import Mapping

from ris.domain.facility import ResourceKind
from ris.domain.scheduling import AppointmentStatus, ClosureKind
from ris.selectors.resource_lists import Now
from ris.web.labels._label import Label, Tables, Tone

APPOINTMENT: Mapping[AppointmentStatus, Label] = {
    AppointmentStatus.PROPOSED: Label("Asked for", "calendar"),
    AppointmentStatus.HELD: Label("Held", "clock", Tone.WARN),
    AppointmentStatus.BOOKED: Label("Booked", "calendar", Tone.INFO),
    AppointmentStatus.ARRIVED: Label("Arrived", "person-check", Tone.BUSY),
    AppointmentStatus.FULFILLED: Label("Took place", "check", Tone.OK),
    AppointmentStatus.EXPIRED: Label("Hold expired", "cross"),
    AppointmentStatus.CANCELED: Label("Canceled", "cross"),
    AppointmentStatus.NO_SHOW: Label("Did not come", "person-cross", Tone.WARN),
}

RESOURCE: Mapping[Now, Label] = {
    Now.OPEN: Label("Open", "check", Tone.OK),
    Now.HERE: Label("Available", "check", Tone.OK),
    Now.SHUT: Label("Not open now", "moon"),
    Now.CLOSED: Label("Closed", "minus", Tone.WARN),
    Now.HOLIDAY: Label("Holiday", "calendar", Tone.WARN),
    Now.DOWN: Label("Down", "ban", Tone.BAD),
    Now.RETIRED: Label("Out of use", "cross"),
}

RESOURCE_KIND: Mapping[ResourceKind, Label] = {
    ResourceKind.ROOM: Label("Room", "door"),
    ResourceKind.DEVICE: Label("Device", "device"),
    ResourceKind.STAFF: Label("Staff", "person"),
}

CLOSURE: Mapping[ClosureKind, Label] = {
    ClosureKind.CLOSURE: Label("Closed", "minus", Tone.WARN),
    ClosureKind.DOWNTIME: Label("Down", "ban", Tone.BAD),
}

TABLES: Tables = {
    "appointment": (AppointmentStatus, APPOINTMENT),
    "resource": (Now, RESOURCE),
    "resource_kind": (ResourceKind, RESOURCE_KIND),
    "closure": (ClosureKind, CLOSURE),
}
