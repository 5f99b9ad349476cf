"""The board: rooms side by side over a day or a week, moved by hand or by key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import ErrorCode, InvalidValueError, RisError
from ris.domain.orders import PlaceOrder
from ris.domain.relocating import RelocateAppointments
from ris.domain.saved_views import ViewedPage
from ris.domain.scheduling import AddClosure, BookAppointment, RescheduleAppointment
from ris.models import Site
from ris.selectors import board as boards
from ris.selectors import schedule
from ris.selectors.board import Days, Shown, ToSchedule
from ris.selectors.calendar import midnight
from ris.selectors.resources import zone_of
from ris.services import may
from ris.web import labels
from ris.web.access import PageRequest, do, is_poll, page, saw, show
from ris.web.asking import asked, number, said
from ris.web.errors import STATUS
from ris.web.scheduling.board import grid
from ris.web.scheduling.board_events import events, local, resources
from ris.web.scheduling.forms import day_in
from ris.web.views_saved import Saved, saved_views
from ris.web.wall_clock import ComesTwiceError, moment, twice

VIEWS = ("day", "week", "list", "table")
MOST_DAYS = 14


def shown_in(request: PageRequest) -> Shown:
    return Shown(
        site=asked(request, "site", 36),
        group=asked(request, "group", 36),
        modality=asked(request, "modality", 16),
        room=asked(request, "room", 16),
    )


def zone_in(shown: Shown) -> tzinfo:
    """The clock of the site that is looked at."""
    site = Site.objects.filter(public_id=shown.site).first() if _is_key(shown.site) else None
    return zone_of(site)


def _is_key(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def week_of(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


@require_GET
@page()
def board(request: PageRequest) -> HttpResponse:
    """The page; what stands on the calendar is asked for by it (:func:`board_events`)."""
    shown = shown_in(request)
    saved = saved_views(request, ViewedPage.BOARD)
    if saved.opens_with:
        return saved.redirect()
    zone = zone_in(shown)
    with timezone.override(zone):
        if asked(request, "view", 5) == "table":
            return _table(request, shown, saved, zone)
        return _calendar(request, shown, saved, zone)


def _calendar(request: PageRequest, shown: Shown, saved: Saved, zone: tzinfo) -> HttpResponse:
    day = day_in(asked(request, "day", 10))
    view = asked(request, "view", 5)
    rooms = boards.rooms(shown)
    waiting = boards.to_schedule({room.modality for room in rooms})
    _saw_waiting(request, waiting)
    if is_poll(request):
        return show(request, "scheduling/_to_schedule.html", _strip(request, waiting))
    view = view if view in VIEWS else "day"
    week = view == "week"
    first = week_of(day) if week else day
    offset = timezone.now().astimezone(zone).utcoffset()
    context = {
        **_around(day, timedelta(days=7 if week else 1)),
        **_strip(request, waiting),
        **saved.context(),
        "view": view,
        "chosen": asked(request, "view", 5) in VIEWS,
        "shown": shown,
        "choices": boards.choices(),
        "rooms": rooms,
        "board_first": week_of(day),
        "can_close": may(request.actor, AddClosure),
        "icon_names": _ICONS,
        "board": {
            "rooms": resources(rooms),
            "first": first.isoformat(),
            "view": view,
            "chosen": asked(request, "view", 5) in VIEWS,
            "days": [
                (first + timedelta(days=offset)).isoformat() for offset in range(7 if week else 1)
            ],
            "offset": round((offset.total_seconds() if offset else 0) / 60),
            "opens": "06:00",
            "closes": "20:00",
            "scroll": _scroll(day, zone),
            "orders": may(request.actor, PlaceOrder),
            "focus": asked(request, "focus", 36),
            "movable": may(request.actor, RescheduleAppointment),
            "later": may(request.actor, RelocateAppointments),
            "words": _words(),
        },
    }
    return show(request, "scheduling/board.html", context)


def _strip(request: PageRequest, waiting: ToSchedule) -> dict[str, Any]:
    return {"waiting": waiting, "can_book": may(request.actor, BookAppointment)}


_ICONS = sorted({"clock", "alert", "bolt", *(label.icon for label in labels.APPOINTMENT.values())})


def _saw_waiting(request: PageRequest, waiting: ToSchedule) -> None:
    saw(request, "ViewBoard", (exam.patient.public_id for exam in waiting.exams))


def _scroll(day: date, zone: tzinfo) -> str:
    """What is shown first: an hour ago, or the morning of another day."""
    now = timezone.now().astimezone(zone)
    return f"{max(now.hour - 1, 0):02d}:00" if now.date() == day else "07:00"


def _around(day: date, by: timedelta) -> dict[str, Any]:
    today = timezone.localdate()
    return {
        "day": day,
        "today": today,
        "is_today": day == today,
        "before": day - by,
        "after": day + by,
    }


def _table(request: PageRequest, shown: Shown, saved: Saved, zone: tzinfo) -> HttpResponse:
    """The day as a plain table: without script, and for reading aloud."""
    day = day_in(asked(request, "day", 10))
    plan = schedule.day_plan(day, zone, shown.modality)
    lines = [line for column in plan.columns for line in column.appointments]
    saw(request, "ViewBoard", (line.patient.public_id for line in [*lines, *plan.unplaced]))
    beginning = midnight(day, zone)
    context = {
        **_around(day, timedelta(days=1)),
        **saved.context(),
        "plan": plan,
        "grid": grid(plan, beginning, timezone.now()) if plan.columns else None,
        "view": "table",
        "shown": shown,
        "choices": boards.choices(),
        "booked": len(lines),
    }
    return show(request, "scheduling/board_table.html", context, fragment="scheduling/_board.html")


def _words() -> Mapping[str, str]:
    """What the script says."""
    return {
        "board": _("Board"),
        "nothing": _("Nothing is booked here."),
        "moved": _("Moved to {time}, {room}."),
        "booked": _("Booked for {time}, {room}."),
        "undo": _("Undo"),
        "undone": _("It is back where it was."),
        "refused": _("Nothing was moved"),
        "choose": _("Choose an exam first."),
        "away": _("The server does not answer. Nothing was moved."),
        "otherModality": _("{room} does {modality}"),
        "move": _("Move"),
        "later": _("Later from here on"),
        "openOrder": _("Open the order"),
        "again": _("Book this exam again"),
        "close": _("Close"),
    }


# --- what the calendar asks for


@require_GET
@page()
def board_events(request: PageRequest) -> HttpResponse:
    """The events of ``?from=&to=`` (days, the last one not included) as JSON."""
    first = day_in(asked(request, "from", 10))
    last = day_in(asked(request, "to", 10))
    count = min(max((last - first).days, 1), MOST_DAYS)
    shown = shown_in(request)
    days = boards.days(first, count, shown)
    _saw_days(request, days)
    zone = zone_in(shown)
    return JsonResponse(
        {
            "events": events(
                days,
                zone,
                timezone.now(),
                movable=may(request.actor, RescheduleAppointment),
            ),
            "unplaced": [
                {
                    "order": line.order,
                    "title": line.patient.name.display,
                    "start": local(line.start_at, zone),
                    "station": line.ae_title,
                }
                for line in days.unplaced
            ],
            "now": local(timezone.now(), zone),
        }
    )


def _saw_days(request: PageRequest, days: Days) -> None:
    lines = [*days.appointments, *days.unplaced]
    saw(request, "ViewBoard", (line.patient.public_id for line in lines))


# --- what is dropped


@require_POST
@page()
def drop(request: PageRequest, key: UUID) -> HttpResponse:
    """Move an appointment to where it was dropped; says why not as JSON."""
    line = schedule.appointment(str(key))
    saw(request, "MoveAppointment", [line.patient.public_id], order=line.order)
    return _answer(
        request,
        lambda start, minutes: do(
            request,
            RescheduleAppointment(
                appointment=line.public_id,
                start_at=start,
                device=said(request, "device", 36),
                duration_minutes=minutes,
                expected_version=number(request, "version"),
                overbook=bool(said(request, "reason")),
                reason=said(request, "reason"),
            ),
        ),
    )


@require_POST
@page()
def place(request: PageRequest, key: UUID) -> HttpResponse:
    """Book an exam that waits where it was dropped."""
    step = schedule.find_step(str(key))
    order = step.procedure.order
    saw(
        request,
        "BookStep",
        [str(order.patient.public_id)],
        order=str(order.public_id),
    )
    return _answer(
        request,
        lambda start, minutes: do(
            request,
            BookAppointment(
                step=str(step.public_id),
                device=said(request, "device", 36),
                start_at=start,
                duration_minutes=minutes,
                expected_version=number(request, "version"),
                overbook=bool(said(request, "reason")),
                reason=said(request, "reason"),
            ),
        ),
    )


def _answer(request: PageRequest, book: Any) -> HttpResponse:
    try:
        appointment = book(_start(request), number(request, "minutes"))
    except RisError as error:
        return _refusal(error)
    line = schedule.appointment(appointment)
    zone = zone_in(Shown(site=said(request, "site", 36)))
    note = twice(line.start_at, zone)
    return JsonResponse(
        {"appointment": line.public_id, "version": line.version, **({"note": note} if note else {})}
    )


def _refusal(error: RisError) -> HttpResponse:
    answer: dict[str, Any] = {
        "error": f"{error.message[:1].upper()}{error.message[1:]}.",
        "code": error.code.value,
    }
    if isinstance(error, ComesTwiceError):
        answer["turns"] = [
            {"start": each.at.isoformat(timespec="minutes"), "words": each.words}
            for each in error.offered
        ]
    return JsonResponse(
        answer,
        status=STATUS.get(error.code, STATUS[ErrorCode.INVALID_VALUE]),
    )


def _start(request: PageRequest) -> datetime:
    """The local time of the site that the board shows; with an offset just that instant."""
    try:
        naive = datetime.fromisoformat(said(request, "start", 25))
    except ValueError:
        raise InvalidValueError(_("that is no time"), path="start") from None
    if naive.tzinfo is not None:
        return naive
    site = said(request, "site", 36)
    return moment(naive.date(), naive.time(), zone_in(Shown(site=site)))
