"""What a page can be told of, which events concern it, and who may hear it.

A topic says that something changed, never what: the page asks again, and that question is answered
by its own rules and audited as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ris.domain.actors import Actor, Role
from ris.domain.commands import Event
from ris.web.navigation import FLOOR, MENDING, SYSTEM

# Areas whose events no list shows: logins, tokens, what somebody chose for himself.
QUIET = frozenset({"accounts", "api_clients", "preferences", "saved_views", "drafts"})
# What only the pages behind the scenes show.
BEHIND = frozenset({"exchange", "interfaces", "subscriptions", "mapping", "configuration", "fhir"})


@dataclass(frozen=True, slots=True)
class Topic:
    """``besides`` are areas that do not concern it; an area nobody thought of concerns it."""

    besides: frozenset[str] = frozenset()
    roles: tuple[Role, ...] = ()
    traffic: bool = False  # also told when a message comes or goes
    but: frozenset[str] = frozenset()  # single events that do not concern it either

    def concerns(self, area: str, event: str) -> bool:
        return area not in QUIET and area not in self.besides and event not in self.but


_RESULTS = frozenset({"reporting", "reading", "documents", "dose", "mammography", "availability"})
# They come with each order that names its time, and say no day: the booking beside them does.
_BEGINNINGS = frozenset(
    {"OrderPlaced", "PatientRegistered", "ProcedureAdded", "PlacerNumberAssigned"}
)

TOPICS: Mapping[str, Topic] = {
    "board": Topic(BEHIND | _RESULTS, but=_BEGINNINGS),
    "waiting": Topic(BEHIND | _RESULTS),
    "wall": Topic(BEHIND | _RESULTS, but=_BEGINNINGS),
    "arrivals": Topic(BEHIND | _RESULTS, FLOOR),
    "rooms": Topic(BEHIND | {"reading"}, FLOOR),
    "orders": Topic(BEHIND - {"exchange"} | {"reading"}),
    "reading": Topic(BEHIND | {"facility", "resources"}),
    "home": Topic(),
    "exceptions": Topic(roles=MENDING),
    "interfaces": Topic(roles=SYSTEM, traffic=True),
    "any": Topic(),
}

# The live regions of pages, by the id that their template gives them; others hear of everything.
REGIONS: Mapping[str, str] = {
    "board-live": "waiting",
    "board-table": "board",
    "arrivals-live": "arrivals",
    "room-live": "rooms",
    "rooms-live": "rooms",
    "order-live": "orders",
    "order-clearance": "orders",
    "order-outcome": "orders",
    "order-timeline": "orders",
    "order-list": "orders",
    "reading-live": "reading",
    "critical-live": "reading",
    "follow-ups-live": "orders",
    "report-presence": "reading",
    "home-live": "home",
    "exceptions-live": "exceptions",
    "interfaces-live": "interfaces",
    "interface-live": "interfaces",
    "device-live": "interfaces",
    "messages-live": "interfaces",
    "parked-live": "interfaces",
    "runs-live": "interfaces",
    "run-live": "interfaces",
    "subscriptions-live": "interfaces",
}


def topic_of(region: str) -> str:
    return REGIONS.get(region, "any")


def heard_by(actor: Actor, names: Iterable[str]) -> frozenset[str]:
    """Those of ``names`` that are topics the actor may be told of."""
    return frozenset(
        name
        for name in names
        if (topic := TOPICS.get(name)) is not None and (not topic.roles or actor.has(*topic.roles))
    )


def concerned(event: str) -> frozenset[str]:
    """The topics that an event, by its name, belongs to."""
    area = _areas().get(event, "")
    return frozenset(name for name, topic in TOPICS.items() if topic.concerns(area, event))


_AREAS: dict[str, str] = {}


def _areas() -> Mapping[str, str]:
    """Each event's area: the module of the domain that defines it."""
    if not _AREAS:
        _AREAS.update({kind.__name__: kind.__module__.split(".")[2] for kind in _kinds(Event)})
    return _AREAS


def _kinds(kind: type[Event]) -> Iterable[type[Event]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)
