"""Labels of orders and their steps."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.domain.referring import Progress
from ris.web.labels._label import Label, Tables, Tone

ORDER: Mapping[OrderStatus, Label] = {
    OrderStatus.ACTIVE: Label("Active", "dot", Tone.INFO),
    OrderStatus.ON_HOLD: Label("On hold", "pause", Tone.WARN),
    OrderStatus.CANCELED: Label("Canceled", "cross"),
    OrderStatus.DISCONTINUED: Label("Discontinued", "stop"),
    OrderStatus.COMPLETED: Label("Completed", "check", Tone.OK),
    OrderStatus.ENTERED_IN_ERROR: Label("Entered in error", "ban", Tone.BAD),
}

STEP: Mapping[StepStatus, Label] = {
    StepStatus.PENDING: Label("To schedule", "clock", Tone.WARN),
    StepStatus.SCHEDULED: Label("Scheduled", "calendar", Tone.INFO),
    StepStatus.ARRIVED: Label("Arrived", "person-check", Tone.BUSY),
    StepStatus.READY: Label("Ready", "door", Tone.BUSY),
    StepStatus.STARTED: Label("In progress", "play", Tone.BUSY),
    StepStatus.COMPLETED: Label("Completed", "check", Tone.OK),
    StepStatus.DISCONTINUED: Label("Discontinued", "stop", Tone.BAD),
    StepStatus.CANCELED: Label("Canceled", "cross"),
    StepStatus.NO_SHOW: Label("Did not come", "person-cross", Tone.WARN),
}

STAGE: Mapping[Stage, Label] = {
    Stage.REQUESTED: Label("Requested", "clock", Tone.WARN),
    Stage.SCHEDULED: Label("Scheduled", "calendar", Tone.INFO),
    Stage.ARRIVED: Label("Arrived", "person-check", Tone.BUSY),
    Stage.IN_PROGRESS: Label("In progress", "play", Tone.BUSY),
    Stage.PERFORMED: Label("To be read", "eye", Tone.WARN),
    Stage.PRELIMINARY: Label("Preliminary report", "half", Tone.INFO),
    Stage.REPORTED: Label("Reported", "seal", Tone.OK),
    Stage.CANCELED: Label("Canceled", "cross"),
}

PRIORITY: Mapping[Priority, Label] = {
    Priority.STAT: Label("STAT", "bolt", Tone.BAD),
    Priority.ASAP: Label("ASAP", "up", Tone.WARN),
    Priority.URGENT: Label("Urgent", "up", Tone.WARN),
    Priority.ROUTINE: Label("Routine", "minus"),
}

PROGRESS: Mapping[Progress, Label] = {
    Progress.REQUESTED: Label("Requested", "clock"),
    Progress.ON_HOLD: Label("On hold", "pause", Tone.WARN),
    Progress.BOOKED: Label("Booked", "calendar", Tone.INFO),
    Progress.ARRIVED: Label("Arrived", "person-check", Tone.BUSY),
    Progress.IN_PROGRESS: Label("Being done", "play", Tone.BUSY),
    Progress.DONE: Label("Done, waits to be read", "check", Tone.INFO),
    Progress.BEING_READ: Label("Being read", "book", Tone.BUSY),
    Progress.PRELIMINARY: Label("Preliminary result", "pencil", Tone.WARN),
    Progress.FINAL: Label("Final result", "seal", Tone.OK),
    Progress.CHANGED: Label("Final, changed since", "pencil", Tone.WARN),
    Progress.WITHDRAWN: Label("Result withdrawn", "ban", Tone.BAD),
    Progress.CANCELED: Label("Canceled", "cross"),
}

LATERALITY: Mapping[str, Promise] = {"L": _("left"), "R": _("right"), "B": _("both sides")}

TABLES: Tables = {
    "order": (OrderStatus, ORDER),
    "step": (StepStatus, STEP),
    "stage": (Stage, STAGE),
    "priority": (Priority, PRIORITY),
    "progress": (Progress, PROGRESS),
}
