"""Forms about times and rooms."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ris.domain.errors import InvalidValueError
from ris.models import Device, ScheduledProcedureStep
from ris.selectors.schedule import suitable_devices
from ris.web.forms import DateInput, PageForm, TimeInput


def device_words(device: Device) -> str:
    room = device.room.name if device.room else ""
    return f"{room} ({device.ae_title})" if room and room != device.ae_title else device.ae_title


class TimeForm(PageForm):
    """Any time, on any device of the right modality; over another booking if need be."""

    day = forms.DateField(widget=DateInput())
    at = forms.TimeField(label="Time", widget=TimeInput())
    device = forms.ChoiceField(label="Room and device")
    minutes = forms.IntegerField(min_value=1, max_value=1440)
    overbook = forms.BooleanField(
        label="Book over what is there, or while the room is closed", required=False
    )
    reason = forms.CharField(
        label="Why book over", max_length=200, required=False, help_text="Kept with the appointment"
    )

    def __init__(self, *args: Any, step: ScheduledProcedureStep, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["device"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
        field.choices = [
            (str(device.public_id), device_words(device))
            for device in suitable_devices(step.modality)
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("overbook") and not cleaned.get("reason", "").strip():
            self.add_error("reason", "Booking over needs a reason.")
        return cleaned

    @property
    def start_at(self) -> datetime:
        naive = datetime.combine(self.cleaned_data["day"], self.cleaned_data["at"])
        return timezone.make_aware(naive)


def day_in(text: str) -> date:
    """The day of ``?day=``; today for anything else, and for days no calendar reaches."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return timezone.localdate()
    return day if 1900 <= day.year <= 2200 else timezone.localdate()


def slot_in(text: str) -> tuple[str, datetime]:
    """The device and time of a slot button: ``<device> <ISO time>``."""
    device, _, at = text.partition(" ")
    start = parse_datetime(at)
    if start is None or start.tzinfo is None:
        raise InvalidValueError("that is no slot", path="slot")
    return device, start
