"""The menu: which areas there are, who sees them, and the key that leads there."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.actors import Actor, Role

READERS = (Role.RADIOLOGIST, Role.MANAGER, Role.ADMIN)
DESK = (Role.SCHEDULER, Role.FRONTDESK, Role.MANAGER, Role.ADMIN)
FLOOR = (Role.TECHNOLOGIST, Role.FRONTDESK, Role.SCHEDULER, Role.MANAGER, Role.ADMIN)
REPAIR = (Role.TECHNOLOGIST, Role.MANAGER, Role.ADMIN)
MENDING = (*REPAIR, Role.SCHEDULER)
SYSTEM = (Role.MANAGER, Role.ADMIN)
DOSE = (Role.TECHNOLOGIST, Role.RADIOLOGIST, Role.MANAGER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Entry:
    """``roles`` empty: everybody. ``key`` follows ``g``."""

    address: str
    words: str
    icon: str
    key: str = ""
    roles: tuple[Role, ...] = ()
    group: str = "Work"

    def visible_to(self, actor: Actor) -> bool:
        return not self.roles or actor.has(*self.roles)


ENTRIES: tuple[Entry, ...] = (
    Entry("/", "Home", "home", "h"),
    Entry("/orders/", "Orders", "list", "o"),
    Entry("/board/", "Day board", "board", "b"),
    Entry("/arrivals/", "Arrivals", "person-check", "a", FLOOR),
    Entry("/room/", "Rooms", "device", "t", FLOOR),
    Entry("/reading/", "Reading", "book", "r", READERS),
    Entry("/patients/", "Patients", "users", "p"),
    Entry("/dose/", "Dose", "bolt", "", DOSE),
    Entry("/exceptions/", "Exceptions", "alert", "x", MENDING, "Behind the scenes"),
    Entry("/messages/", "Messages", "message", "m", SYSTEM, "Behind the scenes"),
    Entry("/interfaces/", "Interfaces", "plug", "", SYSTEM, "Behind the scenes"),
    Entry("/devices/", "Devices", "device", "", SYSTEM, "Behind the scenes"),
    Entry("/catalog/", "Catalog", "list", "", SYSTEM, "Behind the scenes"),
    Entry("/audit/", "Audit", "shield", "", SYSTEM, "Behind the scenes"),
)


@dataclass(frozen=True, slots=True)
class Link:
    entry: Entry
    current: bool


def menu(actor: Actor, path: str) -> list[tuple[str, list[Link]]]:
    """The entries an actor sees, by group; the one that ``path`` lies under is current."""
    groups: dict[str, list[Link]] = {}
    for entry in ENTRIES:
        if entry.visible_to(actor):
            inside = path == "/" if entry.address == "/" else path.startswith(entry.address)
            groups.setdefault(entry.group, []).append(Link(entry, inside))
    return list(groups.items())
