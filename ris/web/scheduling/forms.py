"""Forms about times and rooms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ris.domain.errors import InvalidValueError
from ris.domain.openings import WORDS, Against
from ris.domain.waiting import DayPart
from ris.models import Device, ScheduledProcedureStep
from ris.selectors.resources import zone_at
from ris.selectors.schedule import suitable_devices
from ris.web.asking import as_day, as_moment
from ris.web.forms import DateInput, PageForm, TimeInput
from ris.web.wall_clock import moment


def device_words(device: Device) -> str:
    room = device.room.name if device.room else ""
    return f"{room} ({device.ae_title})" if room and room != device.ae_title else device.ae_title


class PlacedForm(PageForm):
    """A time at a place: it is read and shown by the clock of the device that is chosen.

    ``start_at`` is what is shown first.
    """

    def __init__(
        self,
        *args: Any,
        step: ScheduledProcedureStep,
        devices: Sequence[Device] | None = None,
        start_at: datetime | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        known = suitable_devices(step.modality) if devices is None else devices
        self.offer("device", ((str(device.public_id), device_words(device)) for device in known))
        self._zones = {str(device.public_id): zone_at(device) for device in known}
        if not self.is_bound:
            self._show(start_at)

    def _show(self, start_at: datetime | None) -> None:
        first = next(iter(self._zones), "")  # what a browser shows where nothing is chosen
        self.initial["device"] = self.initial.get("device") or first
        wall = (start_at or timezone.now()).astimezone(self.zone)
        self.initial["day"] = wall.date()
        if start_at is not None:
            self.initial["at"] = wall.time()
            self._recall(wall)

    def _recall(self, wall: datetime) -> None:
        """Which one a time is that comes twice, where it is known already."""

    @property
    def zone(self) -> tzinfo:
        """Where the time is meant."""
        return self._zones.get(str(self["device"].value()), timezone.get_current_timezone())


class TimeForm(PlacedForm):
    """Any time, on any device of the right modality; over another booking if need be."""

    day = forms.DateField(label=_("Day"), widget=DateInput())
    at = forms.TimeField(label=_("Time"), widget=TimeInput())
    device = forms.ChoiceField(label=_("Room and device"))
    minutes = forms.IntegerField(label=_("Minutes"), min_value=1, max_value=1440)
    overbook = forms.BooleanField(
        label=_("Book over what is there, or against the rules"), required=False
    )
    reason = forms.CharField(
        label=_("Why book over"),
        max_length=200,
        required=False,
        help_text=_("Kept with the appointment"),
    )

    def _recall(self, wall: datetime) -> None:
        self.recall_clock("at", wall, self.zone)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("overbook") and not cleaned.get("reason", "").strip():
            self.add_error("reason", _("Booking over needs a reason."))
        if cleaned.get("day") and cleaned.get("at"):
            self.read_clock("at", [(cleaned["day"], cleaned["at"])], self.zone)
        return cleaned

    @property
    def start_at(self) -> datetime:
        data = self.cleaned_data
        return moment(data["day"], data["at"], self.zone, turn=self.turn("at"))


class SeriesForm(PlacedForm):
    """The same exam on several days at one time."""

    day = forms.DateField(label=_("First day"), widget=DateInput())
    at = forms.TimeField(label=_("Time"), widget=TimeInput())
    device = forms.ChoiceField(label=_("Room and device"))
    visits = forms.IntegerField(label=_("How many times"), min_value=2, max_value=60)
    every = forms.IntegerField(label=_("Days from one to the next"), min_value=1, max_value=366)
    those_that_fit = forms.BooleanField(
        label=_("Book those that fit and name the others"), required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "series_%s")
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            self.read_clock("at", self._walls(), self.zone)
        return cleaned

    def _walls(self) -> list[tuple[date, time]]:
        """By the wall clock, so a visit after the clock is changed is at the same hour."""
        data = self.cleaned_data
        return [
            (data["day"] + timedelta(days=visit * data["every"]), data["at"])
            for visit in range(data["visits"])
        ]

    @property
    def starts(self) -> tuple[datetime, ...]:
        return tuple(moment(*wall, self.zone, turn=self.turn("at")) for wall in self._walls())


class WaitForm(PageForm):
    """When somebody would come if a time becomes free."""

    earliest = forms.DateField(label=_("Not before"), required=False, widget=DateInput())
    latest = forms.DateField(label=_("Not after"), required=False, widget=DateInput())
    day_parts = forms.MultipleChoiceField(
        label=_("Parts of the day"),
        required=False,
        choices=[
            (DayPart.MORNING.value, _("Morning")),
            (DayPart.AFTERNOON.value, _("Afternoon")),
            (DayPart.EVENING.value, _("Evening")),
        ],
        widget=forms.CheckboxSelectMultiple(),
    )
    notice_hours = forms.IntegerField(
        label=_("Hours of notice"),
        min_value=0,
        max_value=720,
        help_text=_("How long before the exam the patient has to know"),
    )
    comment = forms.CharField(label=_("Note"), max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "wait_%s")
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        earliest, latest = cleaned.get("earliest"), cleaned.get("latest")
        if earliest and latest and latest < earliest:
            self.add_error("latest", _("The last day is before the first."))
        return cleaned


def day_in(text: str) -> date:
    """The day of ``?day=``; today for anything else, and for days no calendar reaches."""
    return as_day(text) or timezone.localdate()


# A page that stood open over night offers times of yesterday; one that is read aloud to a patient
# those of a few minutes ago.
_JUST_BEGUN = timedelta(minutes=15)


def slot_in(text: str) -> tuple[str, datetime]:
    """The device and time of a slot button: ``<device> <ISO time>``. Raises InvalidValueError."""
    device, _, at = text.partition(" ")
    start = as_moment(at)
    if start is None or start.tzinfo is None:
        raise InvalidValueError("that is no slot", path="slot")
    if start < timezone.now() - _JUST_BEGUN:
        raise InvalidValueError(WORDS[Against.PAST], path="slot")
    return device, start
