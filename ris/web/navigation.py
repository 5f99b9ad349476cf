"""The menu: which areas there are, who sees them, and the key that leads there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext, gettext_noop

from ris.domain.actors import CONFINED, Actor, Role

READERS = (Role.RADIOLOGIST, Role.RESIDENT, Role.MANAGER, Role.ADMIN)
DESK = (Role.SCHEDULER, Role.FRONTDESK, Role.MANAGER, Role.ADMIN)
FLOOR = (Role.TECHNOLOGIST, Role.FRONTDESK, Role.SCHEDULER, Role.MANAGER, Role.ADMIN)
REPAIR = (Role.TECHNOLOGIST, Role.MANAGER, Role.ADMIN)
MENDING = (*REPAIR, Role.SCHEDULER)
SYSTEM = (Role.MANAGER, Role.ADMIN)
PROTOCOL = (
    Role.RADIOLOGIST,
    Role.RESIDENT,
    Role.TECHNOLOGIST,
    Role.SCHEDULER,
    Role.MANAGER,
    Role.ADMIN,
)
PROTOCOL_SETUP = SYSTEM
CRITICAL = (Role.RADIOLOGIST, Role.RESIDENT, *DESK)
FOLLOW_UPS = CRITICAL
PEER_REVIEW = (Role.RADIOLOGIST, Role.RESIDENT, Role.MANAGER)
PEER_REVIEW_SETUP = (Role.MANAGER,)
MAMMOGRAPHY = CRITICAL
DOSE = (Role.TECHNOLOGIST, Role.RADIOLOGIST, Role.RESIDENT, Role.MANAGER, Role.ADMIN)


BEHIND = gettext_noop("Behind the scenes")


@dataclass(frozen=True, slots=True)
class Entry:
    """``roles`` empty: everybody. ``key`` follows ``g``. ``text`` and ``group`` are English."""

    address: str
    text: str
    icon: str
    key: str = ""
    roles: tuple[Role, ...] = ()
    group: str = gettext_noop("Work")

    @property
    def words(self) -> str:
        """Its name in the language of the page."""
        return gettext(self.text)

    def visible_to(self, actor: Actor) -> bool:
        if actor.is_confined:
            return actor.has(*CONFINED.intersection(self.roles))
        return not self.roles or actor.has(*self.roles)


ENTRIES: tuple[Entry, ...] = (
    Entry("/", "Home", "home", "h"),
    Entry("/orders/", "Orders", "list", "o"),
    Entry("/board/", "Day board", "board", "b"),
    Entry("/arrivals/", "Arrivals", "person-check", "a", FLOOR),
    Entry("/room/", "Rooms", "device", "t", FLOOR),
    Entry("/reading/", "Reading", "book", "r", READERS),
    Entry("/critical/", "Critical results", "alert", "", CRITICAL),
    Entry("/follow-ups/", "Follow-ups", "calendar", "", FOLLOW_UPS),
    Entry("/peer-review/", "Peer review", "eye", "", PEER_REVIEW),
    Entry("/protocoling/", "Protocoling", "pencil", "v", PROTOCOL),
    Entry("/authorization/", "Authorization", "seal", "", DESK),
    Entry("/patients/", "Patients", "users", "p"),
    Entry("/mammography/", "Mammography", "seal", "", MAMMOGRAPHY),
    Entry("/dose/", "Dose", "bolt", "", DOSE),
    Entry("/analytics/", "Analytics", "board", "", SYSTEM),
    Entry("/referrer/", "My patients", "users", "e", (Role.REFERRER,)),
    Entry("/referrer/new/", "Order an exam", "plus", "", (Role.REFERRER,)),
    Entry("/referrer/notices/", "Mail about results", "send", "", (Role.REFERRER,)),
    Entry("/exceptions/", "Exceptions", "alert", "x", MENDING, BEHIND),
    Entry("/messages/", "Messages", "message", "m", SYSTEM, BEHIND),
    Entry("/interfaces/", "Interfaces", "plug", "", SYSTEM, BEHIND),
    Entry("/devices/", "Devices", "device", "", SYSTEM, BEHIND),
    Entry("/resources/", "Resources", "door", "", MENDING, BEHIND),
    Entry("/supplies/", "Supplies", "list", "", REPAIR, BEHIND),
    Entry("/catalog/", "Catalog", "list", "", SYSTEM, BEHIND),
    Entry("/report-templates/", "Report templates", "pencil", "", READERS, BEHIND),
    Entry("/letterhead/", "Letterhead", "pencil", "", SYSTEM, BEHIND),
    Entry("/patient-messages/", "Patient messages", "send", "", SYSTEM, BEHIND),
    Entry("/referrers/", "Referring doctors", "users", "", SYSTEM, BEHIND),
    Entry("/users/", "Logins", "person", "", (Role.ADMIN,), BEHIND),
    Entry("/audit/", "Audit", "shield", "", SYSTEM, BEHIND),
)


# The letters that do something on pages, and what; changed by each person on the account page.
SHORTCUTS: tuple[tuple[str, str], ...] = (
    ("jk", gettext_noop("Next and previous row of a list")),
    ("x", gettext_noop("Select the row")),
    ("n", gettext_noop("New order; on the reading list: next unread exam")),
    ("s", gettext_noop("Schedule the order of the row")),
    ("f", gettext_noop("Book the first free time (slot finder)")),
    ("m", gettext_noop("Move the appointment (day board, order)")),
    ("a", gettext_noop("Check in the patient of the row (arrivals)")),
    ("be", gettext_noop("Begin and end the exam of the row (room)")),
    ("p", gettext_noop("Print a label; on the protocol list: set the protocol")),
    ("v", gettext_noop("Open the images")),
    ("[]", gettext_noop("Day before, day after; [ at a report: the one before")),
    ("t", gettext_noop("Today")),
    ("dw", gettext_noop("Day and week on the board")),
)

ROLES: Mapping[Role, str] = {
    Role.SCHEDULER: gettext_noop("scheduler"),
    Role.FRONTDESK: gettext_noop("front desk"),
    Role.TECHNOLOGIST: gettext_noop("technologist"),
    Role.RADIOLOGIST: gettext_noop("radiologist"),
    Role.RESIDENT: gettext_noop("resident"),
    Role.MANAGER: gettext_noop("manager"),
    Role.ADMIN: gettext_noop("administrator"),
    Role.REFERRER: gettext_noop("referring doctor"),
    Role.INTERFACE: gettext_noop("interface"),
    Role.MODALITY: gettext_noop("modality"),
    Role.SYSTEM: gettext_noop("system"),
    Role.PATIENT: gettext_noop("patient"),
}


@dataclass(frozen=True, slots=True)
class Link:
    entry: Entry
    current: bool


def menu(actor: Actor, path: str) -> list[tuple[str, list[Link]]]:
    """The entries an actor sees, by group; the one that ``path`` lies under is current."""
    groups: dict[str, list[Link]] = {}
    # One area may lie within another one: the nearest is where the page is.
    around = [each.address for each in ENTRIES if each.address != "/"]
    nearest = max((each for each in around if path.startswith(each)), key=len, default="/")
    for entry in ENTRIES:
        if entry.visible_to(actor):
            inside = path == "/" if entry.address == "/" else entry.address == nearest
            groups.setdefault(gettext(entry.group), []).append(Link(entry, inside))
    return list(groups.items())
