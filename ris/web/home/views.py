"""Home by role, and the search that goes straight to a single hit."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop
from django.views.decorators.http import require_GET

from ris.domain.actors import LOGINS, Actor, Role
from ris.models import Delivery, InboundMessage
from ris.selectors import (
    critical,
    dashboard,
    exceptions,
    follow_ups,
    interfaces,
    message_filters,
    messages,
    order_lists,
    patient_lists,
    reading,
)
from ris.selectors.message_filters import Filter
from ris.selectors.order_lists import Tab
from ris.selectors.reading import Pile
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked
from ris.web.labels import Tone
from ris.web.navigation import CRITICAL, DESK, FLOOR, READERS, REPAIR, SYSTEM


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number with where it leads; ``urgent`` is a part of it that cannot wait."""

    words: str
    count: int
    href: str
    urgent: str = ""
    tone: Tone = Tone.NEUTRAL
    note: str = ""


@require_GET
@page(*LOGINS)
def home(request: PageRequest) -> HttpResponse:
    if request.actor.is_confined:
        return HttpResponseRedirect("/referrer/")
    groups: dict[str, list[Tile]] = {}
    if request.actor.has(*READERS):
        groups[noop("Reading")] = _reading(request)
    if request.actor.has(*CRITICAL):
        groups[noop("To be told")] = _told()
    if request.actor.has(*DESK):
        groups[noop("Orders")] = _orders()
    if request.actor.has(*FLOOR):
        groups[noop("Today")] = _today()
    if request.actor.has(*REPAIR):
        groups[noop("To put right")] = _repair(request.actor.has(*SYSTEM))
    first = _first_group(request.actor)
    ordered = sorted(groups.items(), key=lambda item: item[0] != first)
    context = {"groups": ordered, "next": _next_action(request.actor)}
    return show(request, "home/home.html", context, fragment="home/_home.html")


# What stands on top for whom; the first role an actor has decides.
_FIRST = (
    (Role.RADIOLOGIST, "Reading", noop("Read the next exam"), "/reading/"),
    (Role.RESIDENT, "Reading", noop("Read the next exam"), "/reading/"),
    (Role.SCHEDULER, "Orders", noop("Schedule waiting orders"), "/orders/"),
    (Role.FRONTDESK, "Today", noop("Check patients in"), "/arrivals/"),
    (Role.TECHNOLOGIST, "Today", noop("Go to your room"), "/room/"),
    (Role.MANAGER, "Today", noop("Look at the day"), "/board/"),
    (Role.ADMIN, "To put right", noop("Look at what needs a person"), "/exceptions/"),
)


def _first_group(actor: Actor) -> str:
    return next((group for role, group, _, _ in _FIRST if actor.has(role)), "")


def _next_action(actor: Actor) -> tuple[str, str]:
    """The one thing this role most likely came for."""
    return next(((words, to) for role, _, words, to in _FIRST if actor.has(role)), ("", ""))


def _urgent(count: int) -> str:
    return f"{count} STAT" if count else ""


def _reading(request: PageRequest) -> list[Tile]:
    counts = reading.counts(request.user.pk)
    tiles = [
        Tile(
            words=_("To be read"),
            count=counts[Pile.UNREAD],
            href="/reading/",
            urgent=_urgent(dashboard.urgent_to_read(request.user.pk)),
            tone=Tone.BAD,
        ),
        Tile(
            words=_("Preliminary"),
            count=counts[Pile.PRELIMINARY],
            href="/reading/?pile=preliminary",
        ),
    ]
    if request.actor.has(Role.RADIOLOGIST) and counts[Pile.SENT]:
        sent = Tile(words=_("To verify"), count=counts[Pile.SENT], href="/reading/?pile=sent")
        tiles.insert(1, sent)
    if request.actor.has(Role.RADIOLOGIST, Role.RESIDENT):
        own = Tile(words=_("My drafts"), count=counts[Pile.DRAFTS], href="/reading/?pile=drafts")
        tiles.insert(1, own)
    return tiles


def _told() -> list[Tile]:
    """Critical findings, and exams that reports recommended."""
    told = critical.counts(timezone.now())
    due = follow_ups.counts()
    late, overdue = told[critical.Pile.LATE], due[follow_ups.Pile.OVERDUE]
    return [
        Tile(
            words=_("Critical, not acknowledged"),
            count=told[critical.Pile.OPEN],
            href="/critical/",
            urgent=_("{count} late").format(count=late) if late else "",
            tone=Tone.BAD,
        ),
        Tile(
            words=_("Follow-ups to order"),
            count=due[follow_ups.Pile.DUE] + overdue,
            href="/follow-ups/",
            urgent=_("{count} overdue").format(count=overdue) if overdue else "",
            tone=Tone.WARN,
        ),
    ]


def _orders() -> list[Tile]:
    counts = order_lists.counts()
    return [
        Tile(
            words=_("To schedule"),
            count=counts[Tab.TO_SCHEDULE],
            href="/orders/",
            urgent=_urgent(dashboard.urgent_to_schedule()),
            tone=Tone.BAD,
        ),
        Tile(
            words=_("Need information"),
            count=counts[Tab.NEEDS_INFORMATION],
            href="/orders/?tab=needs-information",
        ),
        Tile(words=_("Scheduled"), count=counts[Tab.SCHEDULED], href="/orders/?tab=scheduled"),
        Tile(words=_("On hold"), count=counts[Tab.ON_HOLD], href="/orders/?tab=on-hold"),
    ]


def _today() -> list[Tile]:
    day = dashboard.day()
    return [
        Tile(
            words=_("Expected"),
            count=day.expected,
            href="/arrivals/",
            urgent=_("{late} late").format(late=day.late) if day.late else "",
            tone=Tone.WARN,
        ),
        Tile(words=_("Here and waiting"), count=day.arrived, href="/room/"),
        Tile(words=_("In progress"), count=day.in_progress, href="/room/"),
        Tile(words=_("Done"), count=day.done, href="/board/", note=_missed(day.no_show)),
    ]


def _missed(count: int) -> str:
    return f"{count} did not come" if count else ""


def _repair(with_interfaces: bool) -> list[Tile]:
    counts = exceptions.counts()
    tiles = [
        Tile(
            words=_("Exams that fit no order"),
            count=counts["performed"],
            href="/exceptions/",
            urgent=_("{counts} never ended").format(counts=counts["stuck"])
            if counts["stuck"]
            else "",
            tone=Tone.WARN,
        ),
        Tile(words=_("Doses that fit no exam"), count=counts["doses"], href="/dose/"),
        Tile(words=_("Exams to decide on"), count=counts["follow_ups"], href="/exceptions/"),
        Tile(words=_("Messages not applied"), count=counts["messages"], href="/exceptions/"),
        Tile(words=_("Messages not delivered"), count=counts["deliveries"], href="/exceptions/"),
        Tile(words=_("Double booked"), count=counts["double_booked"], href="/exceptions/"),
        Tile(words=_("On no worklist"), count=counts["not_offered"], href="/exceptions/"),
        Tile(
            words=_("Patient data to decide"),
            count=counts["reviews"] + counts["visits"],
            href="/exceptions/",
        ),
    ]
    if with_interfaces:
        open_alerts, unseen = interfaces.alert_counts()
        tiles.append(
            Tile(
                words=_("Interface alerts"),
                count=open_alerts,
                href="/interfaces/",
                urgent=_("{unseen} not acknowledged").format(unseen=unseen) if unseen else "",
                tone=Tone.BAD,
            )
        )
        paused = dashboard.paused_endpoints()
        tiles.append(
            Tile(
                words=_("Interfaces paused"),
                count=len(paused),
                href="/interfaces/",
                note=", ".join(paused),
            )
        )
    return tiles


# --- search


@require_GET
@page()
def search(request: PageRequest) -> HttpResponse:
    """Accession, order and message numbers, patient number, birth date, name; one hit opens."""
    text = asked(request, "q", 100)
    orders = patient_lists.orders_by_number(text)
    patients = patient_lists.find(text) if text else []
    incoming = messages.inbound_lines(_inbound(text)) if request.actor.has(*SYSTEM) else []
    outgoing = messages.outbound_lines(_outbound(text)) if request.actor.has(*SYSTEM) else []
    targets = [f"/orders/{item.order}/" for item in orders]
    targets += [f"/patients/{line.public_id}/" for line in patients]
    targets += [f"/messages/in/{line.public_id}/" for line in incoming]
    targets += [f"/messages/out/{line.public_id}/" for line in outgoing]
    shown = {line.public_id for line in patients} | {item.patient.public_id for item in orders}
    saw(request, "Search", shown)
    if len(targets) == 1:
        return HttpResponseRedirect(targets[0])
    context = {
        "text": text,
        "orders": orders,
        "patients": patients,
        "incoming": incoming,
        "outgoing": outgoing,
        "nothing": not targets,
    }
    return show(request, "home/search.html", context)


def _inbound(text: str) -> list[InboundMessage]:
    """A control id is meant whole."""
    if not text:
        return []
    rows = message_filters.inbound(Filter()).filter(key=text)
    return list(messages.with_inbound_lines(rows)[:20])


def _outbound(text: str) -> list[Delivery]:
    if not text:
        return []
    rows = message_filters.by_control_id(text)
    return list(messages.with_outbound_lines(rows)[:20])
