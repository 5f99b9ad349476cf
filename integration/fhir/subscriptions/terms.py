"""Subscription resource → what is to be told, where and how; all faults at once (FHIR R4 2.46).

Only rest-hook channels are served. With a topic as criteria it is the R5 backport's Subscription
(profile backport-subscription 1.1.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from django.utils import timezone

from integration.fhir import json
from integration.fhir.auth import Client
from integration.fhir.criteria import criteria_of, require_bounds
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import Reading
from integration.fhir.resources import KINDS
from integration.fhir.subscriptions import ssrf, topics
from integration.fhir.subscriptions.secrets import MASK
from integration.fhir.systems import Systems
from ris import config
from ris.domain.errors import RisError, SeveralErrors
from ris.domain.subscriptions import Content, SubscriptionStatus, SubscriptionTerms

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
FILTER = f"{BACKPORT}filter-criteria"
CONTENT = f"{BACKPORT}payload-content"
HEARTBEAT = f"{BACKPORT}heartbeat-period"
TIMEOUT = f"{BACKPORT}timeout"
MAX_COUNT = f"{BACKPORT}max-count"

# The media types that notifications are written in (FHIR R4 3.1.0.1.9).
PAYLOADS = frozenset(
    {"application/fhir+json", "application/json", "application/fhir+xml", "application/xml"}
)
HEARTBEAT_LEAST = 30  # the clock that sends them looks twice a minute
TIMEOUT_MOST = 60
EVENTS_MOST = 100
HEADERS_MOST = 20
HEADER_LENGTH = 4000

_SEARCH = re.compile(r"([A-Z][A-Za-z]{1,63})(?:\?(.*))?", re.DOTALL)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x20-\x7e]*)")
# What the transport itself says, or must not be said by a client (RFC 9110 7.6.1).
_OURS = frozenset(
    {
        "host", "content-length", "content-type", "content-encoding", "transfer-encoding",
        "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "proxy-authorization",
        "proxy-connection", "x-request-id", "user-agent", "accept",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    terms: SubscriptionTerms
    status: SubscriptionStatus


def read_terms(
    resource: Resource, *, base: str, client: Client, before: Sequence[str] = ()
) -> Asked:
    """What the client asks for; ``before`` are the headers it gave earlier, which it sees masked.

    Raises SeveralErrors.
    """
    reader = _Reader(resource, base, client, before)
    asked = reader.read()
    if reader.faults:
        raise SeveralErrors(reader.faults)
    return asked


def search_of(criteria: str) -> tuple[str, list[tuple[str, str]]]:
    """Type and parameters of a criteria that is a search."""
    kind, _, query = criteria.partition("?")
    return kind, parse_qsl(query, keep_blank_values=True)


class _Reader:
    """One resource being read; what is wrong with it is collected."""

    def __init__(
        self, resource: Resource, base: str, client: Client, before: Sequence[str]
    ) -> None:
        self.resource = resource
        self.channel: dict[str, Any] = resource.get("channel") or {}
        self.reading = Reading(base, Systems(), timezone.get_default_timezone(), access=client)
        self.client = client
        self.before = before
        self.faults: list[RisError] = []

    def fault(self, message: str, path: str, issue: str = "value", status: int = 422) -> None:
        where = f"Subscription.{path}" if path else "Subscription"
        self.faults.append(HttpError(status, issue, message, path=where))

    def read(self) -> Asked:
        topic = self.topic()
        channel = self.channel
        payload = self.payload(bool(topic))
        return Asked(
            SubscriptionTerms(
                criteria=str(self.resource.get("criteria", "")),
                topic=topic.canonical if topic else "",
                filters=self.filters(topic),
                url=self.url(),
                headers=self.headers(),
                payload=payload,
                content=self.content(bool(topic)),
                heartbeat_seconds=self.number(HEARTBEAT, HEARTBEAT_LEAST, 86400),
                timeout_seconds=self.number(TIMEOUT, 1, TIMEOUT_MOST),
                max_count=self.number(MAX_COUNT, 1, EVENTS_MOST),
                ends_at=self.end(),
                base=self.reading.base,
                document=_document(self.resource, channel),
            ),
            self.status(),
        )

    def status(self) -> SubscriptionStatus:
        try:
            return SubscriptionStatus(self.resource.get("status", ""))
        except ValueError:
            self.fault("no such status", "status", "code-invalid")
            return SubscriptionStatus.REQUESTED

    # --- of what

    def topic(self) -> topics.Topic | None:
        """The topic that criteria names; a search is checked instead."""
        criteria = str(self.resource.get("criteria", ""))
        topic = topics.find(criteria)
        if topic is not None:
            self.require_scope(topic.kind)
            return topic
        found = _SEARCH.fullmatch(criteria)
        if found is None:
            known = ", ".join(sorted(topics.TOPICS))
            self.fault(
                f"criteria is a search such as ServiceRequest?status=active, or one of {known}",
                "criteria",
                "not-supported",
            )
        else:
            self.check_search(found[1], search_of(criteria)[1], "criteria")
        return None

    def check_search(self, kind: str, pairs: Sequence[tuple[str, str]], path: str) -> None:
        if kind not in KINDS or kind == "Subscription":
            self.fault(f"no notifications are sent of {kind} resources", path, "not-supported")
            return
        self.require_scope(kind)
        try:
            criteria_of(KINDS[kind], pairs, self.reading)
        except RisError as error:
            self.fault(error.message, path, "invalid")

    def require_scope(self, kind: str) -> None:
        if not self.client.may(kind, "rs"):
            self.fault(
                f"the token lacks the scope system/{kind}.rs", "criteria", "forbidden", status=403
            )

    def filters(self, topic: topics.Topic | None) -> tuple[str, ...]:
        found = []
        element = self.resource.get("_criteria") or {}
        for value in _extensions(element, FILTER):
            if topic is None:
                self.fault("filters need a topic as criteria", "criteria.extension", "invalid")
                break
            kind, question, _ = str(value).partition("?")
            text = str(value) if question else f"{topic.kind}?{value}"
            if question and kind != topic.kind:
                self.fault(
                    f"the topic is about {topic.kind}, not about {kind[:64]}",
                    "criteria.extension",
                    "invalid",
                )
                continue
            self.check_search(topic.kind, search_of(text)[1], "criteria.extension")
            found.append(text)
        try:
            require_bounds([pair for text in found for pair in search_of(text)[1]])
        except RisError as error:
            self.fault(error.message, "criteria.extension", "too-costly")
        return tuple(found)

    # --- to whom

    def url(self) -> str:
        kind = self.channel.get("type")
        if kind != "rest-hook":
            self.fault(
                f"only rest-hook channels are served, not {str(kind)[:40]}",
                "channel.type",
                "not-supported",
            )
        url = str(self.channel.get("endpoint", ""))
        if not url:
            self.fault("a rest-hook needs an endpoint", "channel.endpoint", "required")
            return url
        try:
            allowed = config.load().fhir.subscription_hosts
            # A name is resolved when something is sent: not while a transaction waits for it.
            ssrf.check_unresolved(url, allowed)
        except ssrf.ForbiddenAddressError as error:
            self.fault(error.message, "channel.endpoint")
        return url

    def headers(self) -> tuple[str, ...]:
        found: dict[str, str] = {}
        given = self.channel.get("header") or []
        if len(given) > HEADERS_MOST:
            self.fault(f"more than {HEADERS_MOST} headers", "channel.header", "too-costly")
        for place, line in enumerate(given[:HEADERS_MOST]):
            where = f"channel.header[{place}]"
            parts = _HEADER.fullmatch(str(line)) if len(str(line)) <= HEADER_LENGTH else None
            if parts is None:
                self.fault("a header is Name: value in plain ASCII", where)
            elif parts[1].lower() in _OURS:
                self.fault(f"{parts[1]} is not for the client to say", where)
            elif parts[2].strip() != MASK:
                found[parts[1].lower()] = f"{parts[1]}: {parts[2].strip()}"
            else:
                kept = [each for each in self.before if _name(each) == parts[1].lower()]
                if not kept:
                    self.fault(f"{MASK} stands for a value that was never given", where)
                found.update({_name(each): each for each in kept})
        return tuple(found.values())

    # --- how

    def payload(self, is_topic: bool) -> str:
        text = str(self.channel.get("payload", ""))
        media_type = text.partition(";")[0].strip().lower()
        if not media_type:
            return "application/fhir+json" if is_topic else ""
        if media_type not in PAYLOADS:
            self.fault(
                "payload is application/fhir+json, application/fhir+xml, or absent; "
                f"not {text[:60]}",
                "channel.payload",
                "not-supported",
            )
        return media_type[:40]

    def content(self, is_topic: bool) -> str:
        element = self.channel.get("_payload") or {}
        values = list(_extensions(element, CONTENT))
        if not is_topic:
            return ""
        try:
            return Content(values[0] if values else "").value
        except ValueError:
            self.fault(
                "a topic needs the extension backport-payload-content: empty, id-only or "
                "full-resource",
                "channel.payload",
                "code-invalid" if values else "required",
            )
            return ""

    def number(self, url: str, least: int, most: int) -> int:
        name = url.rpartition("backport-")[2]
        for value in _extensions(self.channel, url):
            if not isinstance(value, int) or not least <= value <= most:
                self.fault(f"{name} is {least} to {most} here", "channel.extension")
                return 0
            return value
        return 0

    def end(self) -> datetime | None:
        text = self.resource.get("end")
        if not text:
            return None
        try:
            at = datetime.fromisoformat(str(text)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fault("not an instant", "end")
            return None
        if at <= self.reading.now:
            self.fault("this time is over", "end")
        return at


def _extensions(element: Any, url: str) -> Iterator[Any]:
    """The values of an element's extensions of this name."""
    for extension in element.get("extension", ()) if isinstance(element, dict) else ():
        if extension.get("url") == url:
            for name, value in extension.items():
                if name.startswith("value"):
                    yield value


def _name(header: str) -> str:
    return header.partition(":")[0].lower()


# What the server keeps itself, so that the document does not say it a second time.
_OWN = frozenset({"resourceType", "id", "status", "error"})


def _document(resource: Resource, channel: dict[str, Any]) -> str:
    """The resource as it came, without what the server says of it and without its secrets."""
    kept = {name: value for name, value in resource.items() if name not in _OWN}
    meta = {
        name: value
        for name, value in (resource.get("meta") or {}).items()
        if name not in {"versionId", "lastUpdated"}
    }
    kept.pop("meta", None)
    if meta:
        kept["meta"] = meta
    kept["channel"] = {
        name: value for name, value in channel.items() if name not in {"header", "_header"}
    }
    return json.write(kept).decode()
