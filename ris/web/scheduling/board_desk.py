"""What is done around the board: close or keep time, day sheets, a room that goes down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from ris.domain.errors import DeniedError, InvalidValueError, RequestError, RisError
from ris.domain.local_time import instant, which, whole_day
from ris.domain.relocating import RelocateAppointments, Relocation
from ris.domain.resources import BeginDowntime, ReserveBlock
from ris.domain.scheduling import AddClosure
from ris.models import Device
from ris.selectors import board as boards
from ris.selectors.board import Shown
from ris.selectors.relocation import MOST, Proposal, proposals, together, touched
from ris.selectors.resources import site_of
from ris.selectors.schedule import AppointmentLine
from ris.services import may
from ris.web import undo
from ris.web.access import PageRequest, back_to, do, page, redirect_back, saw, show
from ris.web.asking import as_moment, asked, said
from ris.web.errors import STATUS
from ris.web.forms import DateInput, PageForm, TimeInput
from ris.web.scheduling.board_views import shown_in
from ris.web.scheduling.forms import day_in
from ris.web.wall_clock import moment

CLOSED, DOWN, KEPT = "closed", "down", "kept"


# --- close or keep time


class CloseForm(PageForm):
    """From one time to another, in the clock of the room's site."""

    what = forms.ChoiceField(
        label=gettext_lazy("What"),
        choices=[
            (CLOSED, gettext_lazy("Closed (holiday, building work)")),
            (DOWN, gettext_lazy("Down (does not work)")),
            (KEPT, gettext_lazy("Kept for some")),
        ],
    )
    room = forms.ChoiceField(label=gettext_lazy("Room"))
    day = forms.DateField(label=gettext_lazy("Day"), widget=DateInput())
    begins = forms.TimeField(label=gettext_lazy("From"), widget=TimeInput())
    last_day = forms.DateField(label=gettext_lazy("Until day"), widget=DateInput(), required=False)
    ends = forms.TimeField(label=gettext_lazy("Until"), widget=TimeInput())
    reason = forms.CharField(
        label=gettext_lazy("Why, or for whom"),
        max_length=64,
        help_text=gettext_lazy("Shown on the board to all; no names of patients"),
    )

    def __init__(self, *args: Any, rooms: Sequence[boards.Room], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rooms = {room.resource: room for room in rooms}
        self.offer("room", ((room.resource, f"{room.name} ({room.ae_title})") for room in rooms))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            zone = self.chosen.zone
            self.read_clock("begins", [(cleaned["day"], cleaned["begins"])], zone)
            self.read_clock("ends", [(self._last_day, cleaned["ends"])], zone)
        if not self.errors and self.end_at <= self.start_at:
            self.add_error("ends", _("It ends after it begins."))
        return cleaned

    @property
    def chosen(self) -> boards.Room:
        return self.rooms[self.cleaned_data["room"]]

    @property
    def start_at(self) -> datetime:
        data = self.cleaned_data
        return moment(data["day"], data["begins"], self.chosen.zone, turn=self.turn("begins"))

    @property
    def _last_day(self) -> date:
        data = self.cleaned_data
        found: date = data.get("last_day") or data["day"]
        return found

    @property
    def end_at(self) -> datetime:
        ends, zone = self.cleaned_data["ends"], self.chosen.zone
        return moment(self._last_day, ends, zone, turn=self.turn("ends"))


@require_http_methods(["GET", "POST"])
@page()
def close(request: PageRequest) -> HttpResponse:
    """Close a room, say that it is down, or keep its time for some; with what is booked in it."""
    if not may(request.actor, AddClosure):
        raise DeniedError(_("closing time is for the scheduler, the technologist and the manager"))
    rooms = boards.rooms(Shown())
    if request.method == "GET":
        return _close_form(request, CloseForm(rooms=rooms, initial=_suggested(request, rooms)))
    form = CloseForm(request.POST, rooms=rooms)
    if not form.is_valid():
        return _close_form(request, form, status=422)
    try:
        bookings = _close(request, form)
    except RequestError as error:
        form.refuse(error)
        return _close_form(request, form, status=STATUS[error.code])
    if not bookings:
        messages.success(request, _("Done. Nothing is booked in that time."))
        return redirect_back(request, f"/board/?day={form.start_at.date().isoformat()}")
    words = ngettext(
        "Done. %(count)d exam is booked in that time: choose where it goes.",
        "Done. %(count)d exams are booked in that time: choose where they go.",
        bookings,
    )
    messages.warning(request, words % {"count": bookings})
    return _see(relocation_address(form.chosen, form.start_at, form.end_at))


def _close(request: PageRequest, form: CloseForm) -> int:
    """How many live bookings lie inside."""
    data = form.cleaned_data
    resource, reason = data["room"], data["reason"]
    start_at, end_at = form.start_at, form.end_at
    if data["what"] == DOWN:
        return do(
            request,
            BeginDowntime(resource=resource, reason=reason, start_at=start_at, end_at=end_at),
        ).bookings
    if data["what"] == CLOSED:
        return do(
            request,
            AddClosure(resource=resource, start_at=start_at, end_at=end_at, reason=reason),
        ).bookings
    do(
        request,
        ReserveBlock(label=reason, resource=resource, start_at=start_at, end_at=end_at),
    )
    return 0


def _suggested(request: PageRequest, rooms: Sequence[boards.Room]) -> dict[str, Any]:
    """What the board already knows: the room and time that were clicked."""
    wanted = asked(request, "room", 16)
    room = next((each for each in rooms if each.ae_title == wanted), None)
    at = as_moment(asked(request, "at", 16)) or timezone.localtime(
        timezone=room.zone if room else None
    )
    return {
        "what": CLOSED,
        "room": room.resource if room else "",
        "day": at.date(),
        "begins": at.time().replace(second=0, microsecond=0),
        "ends": time(18) if at.hour < 18 else time(23, 55),
    }


def _close_form(request: PageRequest, form: CloseForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "next": back_to(request, "/board/"),
        "may_keep": may(request.actor, ReserveBlock),
    }
    return show(request, "scheduling/board_close.html", context, status=status)


# --- a room goes down


def relocation_address(room: boards.Room, low: datetime, high: datetime) -> str:
    words = {
        "room": room.ae_title,
        "from": _in_address(low, room.zone),
        "to": _in_address(high, room.zone),
    }
    return f"/board/relocate/?{urlencode(words)}"


def _local(at: datetime, zone: tzinfo) -> str:
    """As the browser's field for a day and a time has it."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def _in_address(at: datetime, zone: tzinfo) -> str:
    """With the offset where the wall shows that time twice."""
    return (
        at.astimezone(zone).isoformat(timespec="minutes") if which(at, zone) else _local(at, zone)
    )


def _see(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response


@require_http_methods(["GET", "POST"])
@page()
def relocate(request: PageRequest) -> HttpResponse:
    """What is booked in a room that goes down, and where each exam could go instead."""
    devices = boards.devices()
    wanted = asked(request, "room", 16)
    device = next((each for each in devices if each.ae_title == wanted), None)
    zone = boards.room_of(device).zone if device else timezone.get_default_timezone()
    low, high = _span(request, zone)
    same, others = "same" in request.GET, "others" in request.GET
    near = devices if others or device is None else _at_site_of(device, devices)
    found: list[Proposal] = []
    if device is not None and low < high:
        found = _proposals(device, near, low, high, same=same)
    saw(request, "RelocateAppointments", (each.line.patient.public_id for each in found))
    error: RisError | None = None
    if request.method == "POST":
        try:
            return _relocate(request, found)
        except RequestError as refused:
            error = refused
            if device is not None:
                found = _proposals(device, near, low, high, same=same)
    context = {
        "rooms": [boards.room_of(each) for each in devices],
        "device": device,
        "low": _local(low, zone),
        "high": _local(high, zone),
        "zone": zone,
        "same": same,
        "others": others,
        "several": others or len(near) < len(devices),
        "placed": [each for each in found if each.start_at is not None],
        "left": [each for each in found if each.start_at is None],
        "error": error,
        "allowed": may(request.actor, RelocateAppointments),
        "most": len(found) >= MOST,
    }
    status = STATUS[error.code] if error else 200
    return show(request, "scheduling/board_relocate.html", context, status=status)


def _at_site_of(device: Device, devices: Sequence[Device]) -> list[Device]:
    """Those that patients of this room need not travel to."""
    site = site_of(device)
    return [
        each
        for each in devices
        if site is None or (there := site_of(each)) is None or there.pk == site.pk
    ]


def _proposals(
    device: Device, devices: Sequence[Device], low: datetime, high: datetime, *, same: bool
) -> list[Proposal]:
    """On other devices; ``same``: also on this one, after the time that they have to leave."""
    return proposals(
        touched(device, low, high, devices, now=timezone.now()),
        devices,
        avoid=() if same else {device.pk},
        down=dict.fromkeys(together(device, devices), (low, high)),
        now=timezone.now(),
    )


def _span(request: PageRequest, zone: tzinfo) -> tuple[datetime, datetime]:
    """From now, or the beginning of the day that is named, to its end; or as the address says."""
    begin = datetime.combine(day_in(asked(request, "day", 10)), time(0), zone)
    low = _time_in(request, "from", zone) or max(begin, timezone.now())
    high = _time_in(request, "to", zone) or _end_of(low, zone)
    return low, high


def _time_in(request: PageRequest, name: str, zone: tzinfo) -> datetime | None:
    # An address that was made here says with the offset which one it is of a time that comes twice.
    found = as_moment(asked(request, name, 25))
    if found is None:
        return None
    if found.tzinfo is not None:
        return found.astimezone(zone)
    return instant(found.date(), found.time(), zone, last=name == "to").astimezone(zone)


def _end_of(at: datetime, zone: tzinfo) -> datetime:
    after: date = at.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(after, time(0), zone)


def _relocate(request: PageRequest, found: Sequence[Proposal]) -> HttpResponse:
    """Move those that were ticked to where the page proposed, even if by now more would fit."""
    require_relocating(request)
    known = {each.line.public_id: each for each in found}
    wanted = []
    for key in request.POST.getlist("move")[: MOST + 1]:
        device, _sep, rest = said(request, f"to-{key}", 120).partition(" ")
        at, _sep, version = rest.partition(" ")
        start_at = as_moment(at)
        if key not in known or start_at is None or not version.isdigit():
            raise InvalidValueError(_("the list has changed: look at it again"), path="move")
        wanted.append(
            Relocation(
                appointment=key, device=device, start_at=start_at, expected_version=int(version)
            )
        )
    if not wanted:
        raise InvalidValueError(_("tick the exams that are to be moved"), path="move")
    carry_out(request, wanted)
    return _see(request.get_full_path())


def require_relocating(request: PageRequest) -> None:
    """Refused at the door, and audited, before anything that was sent is looked at."""
    if not may(request.actor, RelocateAppointments):
        do(request, RelocateAppointments(relocations=(), reason=""))


def carry_out(request: PageRequest, wanted: Sequence[Relocation]) -> None:
    """Move them, all or none, and say how many."""
    reason = said(request, "reason")
    way = undo.of_relocation([each.appointment for each in wanted])
    count = do(request, RelocateAppointments(relocations=tuple(wanted), reason=reason))
    words = ngettext("%(count)d exam was moved.", "%(count)d exams were moved.", count)
    undo.tell(request, words % {"count": count}, way)


# --- day sheets


@require_GET
@page()
def sheets(request: PageRequest) -> HttpResponse:
    """A page of paper for each room: who comes when, for what."""
    day = day_in(asked(request, "day", 10))
    shown = shown_in(request)
    days = boards.days(day, 1, shown)
    lines = [*days.appointments, *days.unplaced]
    saw(request, "PrintDaySheet", (line.patient.public_id for line in lines))
    papers = [_paper(room, day, days) for room in days.rooms]
    context = {
        "day": day,
        "papers": [paper for paper in papers if paper["lines"] or shown.room],
        "unplaced": days.unplaced,
        "printed_at": timezone.now(),
        "shown": shown,
    }
    return show(request, "scheduling/board_print.html", context)


def _paper(room: boards.Room, day: date, days: boards.Days) -> dict[str, Any]:
    """What is on the day of a room, by the clock of its site."""
    low, high = whole_day(day, room.zone)

    def here(each: boards.Shut | AppointmentLine) -> bool:
        return each.device == room.device and each.start_at < high and low < each.end_at

    return {
        "room": room,
        "lines": [line for line in days.appointments if here(line)],
        "shut": [each for each in days.shut if each.about and here(each)],
    }
