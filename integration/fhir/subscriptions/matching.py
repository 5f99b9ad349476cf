"""What an event means for a subscription: the resources it touched, as far as they match.

A match is the ordinary search with ``_id``, within what the client may see at this moment. What
several subscriptions need of one event is read once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from integration.fhir import touched as touching
from integration.fhir.auth import Client, actor_for
from integration.fhir.criteria import allowed, criteria_of, restrict
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.parameters import Reading
from integration.fhir.reading import load, shown_for
from integration.fhir.resources import KINDS
from integration.fhir.scopes import Scopes
from integration.fhir.subscriptions import topics
from integration.fhir.subscriptions.terms import search_of
from integration.fhir.systems import Systems
from ris.domain.protocol import StoredEvent
from ris.selectors import search as selectors
from ris.selectors.search import Page
from ris.selectors.subscriptions import SubscriptionView, scopes_of

_SECONDS = 2.0


@dataclass(slots=True)
class Happened:
    """One event, with what was read for it; kept for the subscriptions that follow."""

    event: StoredEvent
    since: float = field(default_factory=time.monotonic)
    _touched: list[touching.Name] | None = None
    _systems: Systems | None = None
    _shown: dict[tuple[str, str], Resource] = field(default_factory=dict)
    _clients: dict[str, Client | None] = field(default_factory=dict)

    @property
    def touched(self) -> list[touching.Name]:
        if self._touched is None:
            self._touched = touching.touched(self.event)
        return self._touched

    @property
    def systems(self) -> Systems:
        if self._systems is None:
            self._systems = Systems(selectors.issuers())
        return self._systems

    def client(self, name: str) -> Client | None:
        if name not in self._clients:
            self._clients[name] = client_of(name)
        return self._clients[name]

    def load(self, kind: str, public_ids: Sequence[str]) -> list[Resource]:
        missing = [each for each in public_ids if (kind, each) not in self._shown]
        if missing:
            found = load(KINDS[kind], missing, shown_for([KINDS[kind]], self.systems))
            self._shown.update({(kind, each["id"]): each for each in found})
        return [self._shown[kind, each] for each in public_ids if (kind, each) in self._shown]


_last = threading.local()


def happened(event: StoredEvent) -> Happened:
    """The event with what is known of it: its subscriptions are asked one right after another."""
    known: Happened | None = getattr(_last, "value", None)
    if known is None or known.event != event or time.monotonic() - known.since > _SECONDS:
        known = _last.value = Happened(event)
    return known


def client_of(name: str) -> Client | None:
    """The client with what it may do now; None if it is none any more."""
    scopes = scopes_of(name)
    if scopes is None:
        return None
    return Client(actor_for(name, None, ""), Scopes.parse(scopes))


def reading_for(base: str, systems: Systems, client: Client) -> Reading:
    """What criteria are read with: chains look at what the client may see, and at nothing else."""
    return Reading(base, systems, timezone.get_default_timezone(), access=client)


def matching(view: SubscriptionView, what: Happened) -> list[Resource]:
    """The resources that the client is to be told of."""
    names = _candidates(view, what)
    # Of a client that is none any more nothing is told; the clock turns its subscriptions off.
    client = what.client(view.client) if names else None
    if client is None:
        return []
    kind = KINDS[names[0][0]]
    ids = list(dict.fromkeys(public_id for _, public_id in names))
    if not client.may(kind.name, "rs"):
        return []
    reading = reading_for(view.base, what.systems, client)
    pairs = _pairs(view)
    filters = client.filters(kind.name, "rs")
    if pairs or filters is not None:
        criteria = criteria_of(kind, pairs, reading)
        criteria = replace(criteria, public_ids=(*criteria.public_ids, tuple(ids)))
        criteria = restrict(kind, criteria, filters, reading)
        found = set(kind.finder.keys(criteria, Page(len(ids))).hits)
        ids = [each for each in ids if each in found]
    return what.load(kind.name, ids)


def _candidates(view: SubscriptionView, what: Happened) -> list[touching.Name]:
    if view.topic:
        topic = topics.TOPICS.get(view.topic)
        if topic is None or what.event.name not in topic.events:
            return []
        return [name for name in topic.focus(what.event) if name[0] == topic.kind]
    kind, _ = search_of(view.criteria)
    return [name for name in what.touched if name[0] == kind]


def _pairs(view: SubscriptionView) -> list[tuple[str, str]]:
    texts = view.filters if view.topic else (view.criteria,)
    return [pair for text in texts for pair in search_of(text)[1]]


def visible(view: SubscriptionView, client: Client, names: Sequence[tuple[str, str]]) -> set[Any]:
    """Those of the resources (type, id) that the client may see now."""
    found: set[Any] = set()
    reading = reading_for(view.base, Systems(selectors.issuers()), client)
    for kind in {kind for kind, _ in names}:
        if not client.may(kind, "rs"):
            continue
        ids = [public_id for each, public_id in names if each == kind]
        seen = allowed(KINDS[kind], ids, client.filters(kind, "rs"), reading)
        found |= {(kind, public_id) for public_id in seen}
    return found
