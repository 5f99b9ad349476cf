"""The forms about resources. Times are typed as the clock on the wall of the site shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from ris.domain.errors import InvalidValueError
from ris.domain.facility import ResourceKind
from ris.domain.opening_hours import DAYS, Hours, read_day, write_day
from ris.domain.orders import Priority
from ris.domain.resources import KeptFor, ReserveBlock
from ris.selectors.resource_lists import BlockLine, ResourcePage
from ris.web.forms import DateInput, PageForm, TimeInput
from ris.web.sheets import split
from ris.web.wall_clock import moment

DAY_NAMES: Sequence[Any] = (
    _("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"),
    _("Sunday"),
)  # fmt: skip
_ABOVE = "="
_CLOSED = _("closed")
# What counts where a resource has no hours at all.
_WITHOUT: Mapping[ResourceKind, Any] = {
    ResourceKind.ROOM: "08:00-18:00",
    ResourceKind.DEVICE: _("as its room"),
    ResourceKind.STAFF: _("always"),
}


CHECK = {"class": "form-check-input"}


class MomentInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M", **kwargs)


class MomentField(forms.Field):
    """Date and time on the wall, as naive time; the site's zone makes it an instant."""

    widget = MomentInput

    def to_python(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text.replace(" ", "T"))
        except ValueError:
            raise ValidationError(_("Write it as 2026-05-31 14:30.")) from None
        if found.tzinfo is not None or not 1990 <= found.year <= 2100:
            raise ValidationError(_("Write it as 2026-05-31 14:30."))
        return found.replace(second=0, microsecond=0)


def on_the_wall(at: datetime | None, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M}" if at else ""


class HoursForm(PageForm):
    """A week, a line a day: made for typing it down without the mouse."""

    def __init__(self, *args: Any, empty: Any = _CLOSED, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add(
            {
                day: forms.CharField(
                    label=DAY_NAMES[index],
                    max_length=100,
                    required=False,
                    widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": empty}),
                )
                for index, day in enumerate(DAYS)
            }
        )

    @classmethod
    def of(
        cls,
        days: Sequence[Sequence[Hours]],
        kind: ResourceKind,
        room_days: Sequence[Sequence[Hours]] = (),
    ) -> HoursForm:
        """``room_days``: what counts for a device that has no hours of its own."""
        form = cls(
            initial={name: write_day(day) for name, day in zip(DAYS, days, strict=True)},
            empty=_CLOSED if any(days) else _WITHOUT[kind],
        )
        if room_days and not any(days):
            for name, day in zip(DAYS, room_days, strict=True):
                words = f"{_WITHOUT[kind]}: {write_day(day) or _CLOSED}"
                form.fields[name].widget.attrs["placeholder"] = words
        return form

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        above: tuple[Hours, ...] = ()
        for name in DAYS:
            text = str(found.get(name, "")).strip()
            try:
                above = above if text == _ABOVE else read_day(text, path="")
            except InvalidValueError as error:
                words = error.message.removeprefix(": ")
                self.add_error(name, f"{words[:1].upper()}{words[1:]}.")
            found[name] = above
        return found

    @property
    def days(self) -> list[tuple[Hours, ...]]:
        """The seven days, once it is valid."""
        return [self.cleaned_data[name] for name in DAYS]


class DetailsForm(PageForm):
    """What booking has to know; of staff what they can do as well."""

    name = forms.CharField(label=_("Name"), max_length=64)
    skills = forms.CharField(
        label=_("Skills"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_(
            "Words that procedures ask for: radiologist; MR-safety; pediatric-sedation; "
            "interpreter:ar"
        ),
    )
    practitioner = forms.ChoiceField(label=_("Is the practitioner"), required=False)
    site = forms.ChoiceField(label=_("Site"), required=False)
    buffer_before_minutes = forms.IntegerField(
        label=_("Kept free before, minutes"), min_value=0, max_value=240, initial=0
    )
    buffer_after_minutes = forms.IntegerField(
        label=_("Kept free after, minutes"),
        min_value=0,
        max_value=240,
        initial=0,
        help_text=_("Cleaning and turnaround around every booking"),
    )
    gap_minutes = forms.IntegerField(
        label=_("No gap shorter than, minutes"),
        min_value=0,
        max_value=240,
        initial=0,
        required=False,
        help_text=_("Times that would leave one are not offered; 0: as the site says"),
    )
    groups = forms.CharField(
        label=_("Groups"),
        max_length=1000,
        required=False,
        help_text=_("Names of groups, with commas between them"),
    )
    note = forms.CharField(
        label=_("Note"),
        max_length=500,
        required=False,
        help_text=_("What a scheduler should know: table limit, injector, no lift"),
    )
    open_on_holidays = forms.BooleanField(label=_("Open on holidays"), required=False)

    def __init__(
        self,
        *args: Any,
        sites: Sequence[str] = (),
        people: Sequence[tuple[str, str]] = (),
        groups: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        fields: Mapping[str, Any] = self.fields
        fields["site"].choices = [("", _("No site")), *((name, name) for name in sites)]
        fields["practitioner"].choices = [("", _("Nobody")), *people]
        if groups:
            fields["groups"].help_text = _("With commas between them: %(names)s") % {
                "names": ", ".join(groups)
            }

    def shape(self, page: ResourcePage | None, *, staff: bool) -> None:
        """Leave out what this kind of resource has not."""
        if not staff:
            del self.fields["skills"], self.fields["practitioner"]
        if staff:
            del self.fields["open_on_holidays"], self.fields["gap_minutes"]
        if page is not None and page.line.ae_title:
            del self.fields["name"], self.fields["site"]

    @staticmethod
    def values_of(page: ResourcePage) -> dict[str, Any]:
        return {
            "name": page.line.name,
            "skills": "; ".join(page.skills),
            "practitioner": page.practitioner,
            "site": page.line.site,
            "buffer_before_minutes": page.buffer_before_minutes,
            "buffer_after_minutes": page.buffer_after_minutes,
            "gap_minutes": page.gap_minutes,
            "groups": ", ".join(page.line.groups),
            "note": page.note,
            "open_on_holidays": page.open_on_holidays,
        }


class SiteForm(PageForm):
    """A form whose times are those on the wall of a site."""

    def __init__(self, *args: Any, zone: tzinfo | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone

    def read_walls(self, found: Mapping[str, Any], *names: str) -> None:
        for name in names:
            if wall := found.get(name):
                self.read_clock(name, [(wall.date(), wall.time())], self.zone)

    def at(self, name: str) -> datetime:
        """The instant of a field that was filled in, once it is valid."""
        wall: datetime = self.cleaned_data[name]
        return moment(wall.date(), wall.time(), self.zone, turn=self.turn(name))


class CloseForm(SiteForm):
    """A closure: from when to when, and why."""

    starts = MomentField(label=_("From"))
    ends = MomentField(label=_("Until"))
    reason = forms.CharField(
        label=_("Reason"), max_length=200, required=False, help_text=_("Vacation, building work …")
    )
    is_downtime = forms.BooleanField(
        label=_("It is maintenance or a fault: shown as down"), required=False
    )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        self.read_walls(found, "starts", "ends")
        if not self.errors and self.at("ends") <= self.at("starts"):
            self.add_error("ends", _("It ends after it starts."))
        return found


class DownForm(SiteForm):
    """Down now: why, and until when if anybody knows."""

    reason = forms.CharField(label=_("What is wrong?"), max_length=200)
    ends = MomentField(label=_("Until"), required=False, help_text=_("Empty: until further notice"))

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        self.read_walls(found, "ends")
        return found


class BlockForm(SiteForm):
    """Time that is kept for some."""

    label = forms.CharField(
        label=_("Name"), max_length=64, help_text=_("Emergencies, Inpatients, Biopsies …")
    )
    weekdays = forms.MultipleChoiceField(
        label=_("Every"),
        required=False,
        choices=[(str(i), name) for i, name in enumerate(DAY_NAMES)],
        widget=forms.CheckboxSelectMultiple(attrs=CHECK),
    )
    opens = forms.TimeField(label=_("From"), required=False, widget=TimeInput())
    closes = forms.TimeField(
        label=_("Until"), required=False, widget=TimeInput(), help_text=_("0:00 is midnight")
    )
    valid_from = forms.DateField(label=_("First day"), required=False, widget=DateInput())
    valid_until = forms.DateField(label=_("Last day"), required=False, widget=DateInput())
    starts = MomentField(label=_("Once from"), required=False)
    ends = MomentField(label=_("Once until"), required=False)
    priorities = forms.MultipleChoiceField(
        label=_("Priorities"),
        required=False,
        choices=[(each.value, each.value) for each in Priority],
        widget=forms.CheckboxSelectMultiple(attrs=CHECK),
    )
    modalities = forms.CharField(
        label=_("Modalities"), max_length=100, required=False, help_text=_("CT, MR …")
    )
    procedures = forms.CharField(
        label=_("Procedure codes"), max_length=1000, required=False, help_text=_("Of the catalog")
    )
    groups = forms.CharField(
        label=_("Departments"),
        max_length=1000,
        required=False,
        help_text=_("Who asks, as orders name them: Emergency, Ward 3"),
    )
    release_hours_before = forms.IntegerField(
        label=_("Released before, hours"),
        min_value=0,
        max_value=366 * 24,
        required=False,
        help_text=_("From then on everybody may have it; empty: never"),
    )

    @classmethod
    def of(cls, line: BlockLine, zone: tzinfo) -> BlockForm:
        wanted = line.kept_for
        form = cls(
            zone=zone,
            initial={
                "label": line.label,
                "weekdays": [] if line.weekday is None else [str(line.weekday)],
                "opens": line.opens,
                "closes": line.closes,
                "valid_from": line.valid_from,
                "valid_until": line.valid_until,
                "starts": on_the_wall(line.start_at, zone),
                "ends": on_the_wall(line.end_at, zone),
                "priorities": list(wanted.priorities),
                "modalities": ", ".join(wanted.modalities),
                "procedures": ", ".join(wanted.procedures),
                "groups": ", ".join(wanted.groups),
                "release_hours_before": line.release_hours_before,
            },
        )
        for name, at in (("starts", line.start_at), ("ends", line.end_at)):
            if at is not None:
                form.recall_clock(name, at.astimezone(zone), zone)
        return form

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        weekly = bool(found.get("weekdays"))
        needed = ("opens", "closes") if weekly else ("starts", "ends")
        for name in needed:
            if found.get(name) is None and name not in self.errors:
                self.add_error(name, _("Say from when to when."))
        if not weekly:
            self.read_walls(found, "starts", "ends")
        return found

    def commands(self, *, resource: str, block: str = "") -> tuple[ReserveBlock, ...]:
        """A block for each day, once it is valid; the first of them is ``block`` if that is one."""
        said = self.cleaned_data
        days: list[int | None] = [int(day) for day in said["weekdays"]] or [None]
        return tuple(
            self._command(day, resource=resource, block="" if number else block)
            for number, day in enumerate(days)
        )

    def _command(self, weekday: int | None, *, resource: str, block: str) -> ReserveBlock:
        said = self.cleaned_data
        weekly = weekday is not None
        return ReserveBlock(
            label=said["label"],
            resource=resource,
            block=block,
            weekday=weekday,
            opens=said["opens"] if weekly else None,
            closes=said["closes"] if weekly else None,
            valid_from=said["valid_from"] if weekly else None,
            valid_until=said["valid_until"] if weekly else None,
            start_at=None if weekly else self.at("starts"),
            end_at=None if weekly else self.at("ends"),
            kept_for=KeptFor(
                procedures=split(said["procedures"]),
                modalities=split(said["modalities"].upper()),
                priorities=tuple(said["priorities"]),
                groups=split(said["groups"]),
            ),
            release_hours_before=said["release_hours_before"],
        )


class HolidayForm(PageForm):
    """A day on which a site, or every site, is closed."""

    date = forms.DateField(label=_("Day"), widget=DateInput())
    name = forms.CharField(label=_("Name"), max_length=100)
    site = forms.ChoiceField(label=_("Site"), required=False)

    def __init__(self, *args: Any, sites: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["site"]
        field.choices = [("", _("All sites")), *((name, name) for name in sites)]


class GroupForm(PageForm):
    """A group and who is in it."""

    name = forms.CharField(label=_("Name"), max_length=64)
    members = forms.MultipleChoiceField(
        label=_("Members"),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs=CHECK),
    )

    def __init__(self, *args: Any, choices: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["members"]
        field.choices = list(choices)
