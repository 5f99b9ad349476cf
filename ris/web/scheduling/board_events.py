"""The board's days as EventCalendar takes them: exams, closed time, and words for both.

Times are naive and local to the site: a browser in another time zone shows the site's clock all the
same (docs/adr/0008 tells why there is no calendar state in the browser).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.utils.translation import gettext as _

from ris.domain.openings import Against
from ris.domain.scheduling import AppointmentStatus
from ris.selectors.board import Days, Room, Shut
from ris.selectors.schedule import AppointmentLine
from ris.web import labels
from ris.web.templatetags.ris_web import isolated
from ris.web.wall_clock import hour
from ris.web.words import exam_words

# Gray is told apart by pattern and words, not by shade.
PATTERNS = {
    Against.OUTSIDE_HOURS: "shut-hours",
    Against.CLOSED: "shut-closed",
    Against.DOWNTIME: "shut-down",
    Against.HOLIDAY: "shut-closed",
    Against.RESERVED: "shut-kept",
}


def resources(rooms: tuple[Room, ...] | list[Room]) -> list[dict[str, Any]]:
    return [
        {
            "id": room.device,
            "title": room.name,
            "extendedProps": {
                "modality": room.modality,
                "aeTitle": room.ae_title,
                "site": room.site,
            },
        }
        for room in rooms
    ]


def events(days: Days, zone: tzinfo, now: datetime, *, movable: bool) -> list[dict[str, Any]]:
    rooms = {room.device: room for room in days.rooms}
    return [
        *(_exam(line, rooms[line.device], zone, now, movable) for line in days.appointments),
        *(_shut(each, zone) for each in days.shut),
        *_kept_free(days, zone),
    ]


def local(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def _drawn(start_at: datetime, end_at: datetime, zone: tzinfo) -> dict[str, str]:
    """As long as it is, also where the clock is changed meanwhile."""
    start = start_at.astimezone(zone).replace(tzinfo=None)
    return {
        "start": f"{start:%Y-%m-%dT%H:%M}",
        "end": f"{start + (end_at - start_at):%Y-%m-%dT%H:%M}",
    }


def _shown_hours(line: AppointmentLine, zone: tzinfo) -> list[str]:
    """From when to when, where that is not what the place in the calendar says."""
    hours = [hour(line.start_at, zone), hour(line.end_at, zone)]
    drawn = _drawn(line.start_at, line.end_at, zone)
    return [] if hours == [drawn["start"][11:], drawn["end"][11:]] else hours


def _exam(
    line: AppointmentLine, room: Room, zone: tzinfo, now: datetime, movable: bool
) -> dict[str, Any]:
    name = isolated(line.patient.name.display) or _("Name unknown")
    booked = line.status == AppointmentStatus.BOOKED.value
    late = booked and line.start_at < now
    label = labels.APPOINTMENT[AppointmentStatus(line.status)]
    marks = [(label.icon, label.words)] if not booked else []
    if late:
        marks.append(("clock", _("Late")))
    if line.overbooked:
        marks.append(("alert", _("Double booked")))
    if line.priority == "STAT":
        marks.append(("bolt", "STAT"))
    return {
        "id": line.public_id,
        "resourceIds": [line.device],
        **_drawn(line.start_at, line.end_at, zone),
        "title": name,
        "editable": movable and line.is_movable,
        "classNames": [f"tone-{'warn' if late else label.tone.value}"],
        "extendedProps": {
            "at": line.start_at.astimezone(zone).isoformat(timespec="minutes"),
            "hours": _shown_hours(line, zone),
            "version": line.version,
            "minutes": round((line.end_at - line.start_at).total_seconds() / 60),
            "words": exam_words(line.exams),
            "room": room.name,
            "modality": room.modality,
            "number": line.patient.number,
            "marks": marks,
            "status": label.words,
            "order": line.order,
            "patient": line.patient.public_id,
            "movable": movable and line.is_movable,
            "booked": booked,
        },
    }


def _shut(each: Shut, zone: tzinfo) -> dict[str, Any]:
    words = _against(each)
    return {
        "id": f"shut {each.device} {each.kind.value} {each.start_at.timestamp():.0f}",
        "resourceIds": [each.device],
        "start": local(each.start_at, zone),
        "end": local(each.end_at, zone),
        "display": "background",
        "title": words,
        "classNames": ["shut", PATTERNS[each.kind]],
    }


def _against(each: Shut) -> str:
    if each.kind is Against.OUTSIDE_HOURS:
        return ""  # the quiet hatching of every morning and evening; the legend tells
    words = {
        Against.CLOSED: _("Closed"),
        Against.DOWNTIME: _("Down"),
        Against.HOLIDAY: _("Holiday"),
        Against.RESERVED: _("Kept"),
    }[each.kind]
    return f"{words}: {each.about}" if each.about else words


def _kept_free(days: Days, zone: tzinfo) -> Iterator[dict[str, Any]]:
    for each in days.kept_free:
        if each.end_at - each.start_at < timedelta(minutes=1):
            continue
        yield {
            "id": f"free {each.device} {each.start_at.timestamp():.0f}",
            "resourceIds": [each.device],
            "start": local(each.start_at, zone),
            "end": local(each.end_at, zone),
            "display": "background",
            "title": "",
            "classNames": ["shut", "shut-buffer"],
        }
