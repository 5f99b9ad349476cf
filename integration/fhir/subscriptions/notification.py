"""What is sent: HTTP messages, and the backport's notification Bundles (1.1.0, "Notifications").

What is stored is what is sent, but for the headers a client gave, which may be secret.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integration.fhir import json, xml
from integration.fhir.formats import XML_TYPES
from integration.fhir.from_domain.datatypes import Resource, compact, instant
from ris.domain.subscriptions import Content
from ris.selectors.subscriptions import NotificationView, SubscriptionView

_PROFILES = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
STATUS_PROFILE = f"{_PROFILES}subscription-status-r4"
BUNDLE_PROFILE = f"{_PROFILES}subscription-notification-r4"


# Type/id of a resource, and the resource where it is told as well.
Named = tuple[str, Resource | None]


class Kind(StrEnum):
    """Why a status is told (code system subscription-notification-type)."""

    HANDSHAKE = "handshake"
    HEARTBEAT = "heartbeat"
    EVENT = "event-notification"
    QUERY_STATUS = "query-status"
    QUERY_EVENT = "query-event"


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it is stored and sent: the request line has the address it was made for."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def to_bytes(self) -> bytes:
        lines = [f"{self.method} {self.url} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    @classmethod
    def from_bytes(cls, raw: bytes) -> Message:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        method, url, _ = first.split(" ")
        headers = tuple((line.partition(": ")[0], line.partition(": ")[2]) for line in rest)
        return cls(method, url, headers, body)


def message(
    view: SubscriptionView, control_id: str, body: Resource | None, focus: str = ""
) -> Message:
    """A request to the subscriber; ``focus`` is Type/id of a resource that is put there."""
    headers: tuple[tuple[str, str], ...] = (("X-Request-Id", control_id),)
    if body is None:
        return Message("POST", view.url, headers)
    headers = (("Content-Type", f"{view.payload}; charset=utf-8"), *headers)
    if focus:
        return Message("PUT", beneath(view.url, focus), headers, encoded(body, view.payload))
    return Message("POST", view.url, headers, encoded(body, view.payload))


def names(message: Message) -> set[tuple[str, str]]:
    """(type, id) of the resources a message names."""
    if message.method == "PUT":
        kind, public_id = message.url.partition("?")[0].rsplit("/", 2)[1:]
        return {(kind, public_id)}
    if not message.body:
        return set()
    found = set()
    for entry in decoded(message.body)["entry"][1:]:
        kind, _, public_id = entry["request"]["url"].partition("/")
        found.add((kind, public_id))
    return found


def encoded(body: Resource, payload: str) -> bytes:
    return xml.write(body) if payload in XML_TYPES else json.write(body)


def decoded(body: bytes) -> Resource:
    """What :func:`encoded` wrote, in either format."""
    found: Resource = xml.read(body) if body.startswith(b"<") else json.read_stored(body)
    return found


def beneath(url: str, focus: str) -> str:
    """The address of a resource at a subscriber's endpoint; its query stays where it is."""
    plain, mark, query = url.partition("?")
    return f"{plain.rstrip('/')}/{focus}{mark}{query}"


def status(
    view: SubscriptionView,
    kind: Kind,
    events: Sequence[NotificationView] = (),
    *,
    count: int | None = None,
    named: frozenset[str] | None = None,
) -> Resource:
    """Parameters that say how the subscription stands.

    ``count`` are the events so far; ``named`` the resources (Type/id) that may be named, all of
    them unless it is given.
    """
    is_empty = view.content == Content.EMPTY
    parts: list[Resource] = [
        {"name": "subscription", "valueReference": {"reference": address(view)}},
    ]
    if view.topic:
        parts.append({"name": "topic", "valueCanonical": view.topic})
    parts += [
        {"name": "status", "valueCode": view.status.value},
        {"name": "type", "valueCode": kind.value},
        {
            "name": "events-since-subscription-start",
            "valueString": str(view.event_count if count is None else count),
        },
    ]
    for event in events:
        focus = f"{event.focus_type}/{event.focus_id}"
        part: list[Resource] = [
            {"name": "event-number", "valueString": str(event.number)},
            {"name": "timestamp", "valueInstant": instant(event.at)},
        ]
        if not is_empty and (named is None or focus in named):
            part.append({"name": "focus", "valueReference": {"reference": f"{view.base}/{focus}"}})
        parts.append({"name": "notification-event", "part": part})
    if view.error and kind is not Kind.EVENT:
        parts.append({"name": "error", "valueCodeableConcept": {"text": view.error}})
    return {
        "resourceType": "Parameters",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [STATUS_PROFILE]},
        "parameter": parts,
    }


def bundle(
    view: SubscriptionView,
    told: Resource,
    resources: Sequence[Named],
    at: datetime,
) -> Resource:
    """A notification: the status first, then what it is about.

    A history Bundle needs request and response in every entry (bdl-3, bdl-4).
    """
    entries = [
        {
            "fullUrl": f"urn:uuid:{told['id']}",
            "resource": told,
            "request": {"method": "GET", "url": f"{address(view)}/$status"},
            "response": {"status": "200"},
        }
    ]
    if view.content != Content.EMPTY:
        entries += [
            compact(
                {
                    "fullUrl": f"{view.base}/{focus}",
                    "resource": resource,
                    "request": {"method": "PUT", "url": focus},
                    "response": {"status": "200"},
                }
            )
            for focus, resource in resources
        ]
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [BUNDLE_PROFILE]},
        "type": "history",
        "timestamp": instant(at),
        "entry": entries,
    }


def address(view: SubscriptionView) -> str:
    return f"{view.base}/Subscription/{view.public_id}"
