"""The outbox's protocol for subscriptions: an event rendered for one, a notification sent.

Each subscription has an endpoint and in it one lane, so what it is told is told in order. What was
queued is checked once more when it is sent: a client that lost its rights meanwhile gets nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import structlog
from django.utils import timezone

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.subscriptions import client as http
from integration.fhir.subscriptions import notification as told
from integration.fhir.subscriptions.matching import client_of, happened, matching, visible
from integration.fhir.subscriptions.notification import Kind, Message
from integration.fhir.subscriptions.ssrf import ForbiddenAddressError
from ris import config
from ris.domain.errors import RisError
from ris.domain.protocol import Attempt, EndpointInfo, OnRefusal, Outgoing, Result, StoredEvent
from ris.domain.subscriptions import Content, SubscriptionStatus
from ris.selectors.subscriptions import (
    NotificationView,
    SubscriptionView,
    endpoint_of,
    is_waiting,
    of_endpoint,
    told_by,
)
from ris.services import outbox, subscriptions

log = structlog.get_logger(__name__)

LANE = "subscription"
EVENTS_AT_ONCE = 20
_AGAIN = frozenset({408, 425, 429})
_GONE = 410
_HEARTBEAT = re.compile(rb'"valueCode":"heartbeat"|<valueCode value="heartbeat"')


# --- what an event means


def render(event: StoredEvent, endpoint: EndpointInfo, control_id: str) -> Sequence[Outgoing]:
    """The notifications an event means for the subscription behind an endpoint."""
    view = of_endpoint(endpoint.id)
    if view is None or view.status is SubscriptionStatus.OFF or _is_over(view):
        return ()
    try:
        resources = matching(view, happened(event))
    except RisError as error:
        subscriptions.note_failure(endpoint.id, f"criteria: {error.message}", for_good=True)
        return ()
    if not resources:
        return ()
    if view.topic:
        return _bundles(view, event, resources, control_id)
    return _plain(view, event, resources, control_id)


def _is_over(view: SubscriptionView) -> bool:
    """Whether its end has come; the clock turns it off within half a minute."""
    return view.ends_at is not None and view.ends_at <= timezone.now()


def _named(resource: Resource) -> tuple[str, str]:
    return resource["resourceType"], resource["id"]


def _plain(
    view: SubscriptionView, event: StoredEvent, resources: Sequence[Resource], control_id: str
) -> Sequence[Outgoing]:
    """R4's own notifications: an empty POST, or each resource put below the endpoint."""
    if not view.payload:
        number = [(*_named(each), control_id) for each in resources]
        subscriptions.number(view.endpoint_id, event.id, number, event.at)
        return [_outgoing(control_id, "notification", told.message(view, control_id, None))]
    ids = [control_id if not place else f"{control_id}.{place}" for place in range(len(resources))]
    subscriptions.number(
        view.endpoint_id,
        event.id,
        [(*_named(each), key) for each, key in zip(resources, ids, strict=True)],
        event.at,
    )
    return [
        _outgoing(
            key,
            f"notification {each['resourceType']}",
            told.message(view, key, each, "/".join(_named(each))),
        )
        for each, key in zip(resources, ids, strict=True)
    ]


def _bundles(
    view: SubscriptionView, event: StoredEvent, resources: Sequence[Resource], control_id: str
) -> Sequence[Outgoing]:
    """The backport's notifications, each with as many events as the client takes."""
    size = view.max_count or EVENTS_AT_ONCE
    parts = [resources[start : start + size] for start in range(0, len(resources), size)]
    ids = [control_id if not place else f"{control_id}.{place}" for place in range(len(parts))]
    number = subscriptions.number(
        view.endpoint_id,
        event.id,
        [(*_named(each), key) for key, part in zip(ids, parts, strict=True) for each in part],
        event.at,
    )
    found = []
    for key, part in zip(ids, parts, strict=True):
        events = [
            NotificationView(number + place, event.at, *_named(each), key)
            for place, each in enumerate(part)
        ]
        number += len(part)
        status = told.status(view, Kind.EVENT, events, count=number - 1)
        full = view.content == Content.FULL
        focus = [("/".join(_named(each)), each if full else None) for each in part]
        body = told.bundle(view, status, focus, timezone.now())
        found.append(_outgoing(key, Kind.EVENT.value, told.message(view, key, body)))
    return found


def _outgoing(control_id: str, message_type: str, message: Message) -> Outgoing:
    return Outgoing(
        lane=LANE, control_id=control_id, message_type=message_type, payload=message.to_bytes()
    )


# --- what leaves without an event


def handshake(public_id: str) -> None:
    """Queue the proof that the subscriber is there; joins the caller's transaction."""
    _without_event(endpoint_of(public_id), Kind.HANDSHAKE)


def heartbeat(endpoint_id: int) -> None:
    """Queue a sign of life, unless something waits to be sent anyway."""
    view = of_endpoint(endpoint_id)
    if view is None or not view.topic or is_waiting(endpoint_id):
        return
    _without_event(endpoint_of(view.public_id), Kind.HEARTBEAT)


def _without_event(endpoint: EndpointInfo, kind: Kind) -> None:
    view = of_endpoint(endpoint.id)
    if view is None:
        return
    control_id = outbox.new_control_id(endpoint.id)
    body = told.bundle(view, told.status(view, kind), (), timezone.now())
    message = told.message(view, control_id, body)
    outbox.enqueue(endpoint, _outgoing(control_id, kind.value, message))
    subscriptions.note_queued(endpoint.id)


# --- sending


def send(payload: bytes, control_id: str, endpoint: EndpointInfo) -> Attempt:
    """Send one notification; what became of it is noted with the subscription."""
    view = of_endpoint(endpoint.id)
    if view is None or view.status is SubscriptionStatus.OFF or _is_over(view):
        return Attempt(result=Result.TRANSIENT, error="the subscription is off")
    message = Message.from_bytes(payload)
    stopped = _stopped(view, control_id, message)
    if stopped is not None:
        return stopped
    attempt = _try(message, view)
    if attempt.result is Result.DELIVERED:
        is_news = view.failures > 0 or view.status is not SubscriptionStatus.ACTIVE
        return replace(attempt, says_more=is_news)
    if attempt.details.get("status") == _GONE:
        subscriptions.turn_off(endpoint.id, attempt.error)
    else:
        subscriptions.note_failure(endpoint.id, attempt.error)
    if _HEARTBEAT.search(payload) and attempt.result is Result.REFUSED:
        return replace(attempt, park_after=1, on_refusal=OnRefusal.SKIP)
    return attempt


def _stopped(view: SubscriptionView, control_id: str, message: Message) -> Attempt | None:
    """Why nothing is sent: the client is gone, or may not see any more what it would be told."""
    client = client_of(view.client)
    if client is None:
        subscriptions.turn_off(view.endpoint_id, "its client has no valid token any more")
        return Attempt(result=Result.TRANSIENT, error="the client has no valid token any more")
    # What the message names counts as well: one that is sent once more has another control id.
    names = {(each.focus_type, each.focus_id) for each in told_by(view.endpoint_id, control_id)}
    names |= told.names(message)
    if names and visible(view, client, list(names)) != names:
        return Attempt(
            result=Result.REFUSED,
            error="not sent: the client may not see this any more",
            park_after=1,
            on_refusal=OnRefusal.SKIP,
        )
    return None


def _try(message: Message, view: SubscriptionView) -> Attempt:
    settings = config.load().fhir
    sending = http.Sending(
        method=message.method,
        url=_address(message, view),
        headers=[*message.headers, *(_header(each) for each in view.headers)],
        body=message.body,
        allowed=settings.subscription_hosts,
        ca=settings.subscription_ca,
        seconds=float(view.timeout_seconds) or http.DEADLINE_SECONDS,
    )
    try:
        answer = http.send(sending)
    except ForbiddenAddressError as error:
        return Attempt(result=Result.REFUSED, error=error.message, park_after=1)
    except http.NotSentError as error:
        return Attempt(result=Result.TRANSIENT, error=str(error))
    except http.NoAnswerError as error:
        return Attempt(result=Result.AMBIGUOUS, error=str(error))
    return judge(answer)


def _address(message: Message, view: SubscriptionView) -> str:
    """Where to: the endpoint may have been changed since the message was written."""
    if message.method != "PUT":
        return view.url
    plain = message.url.partition("?")[0]
    return told.beneath(view.url, "/".join(plain.rsplit("/", 2)[1:]))


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value


def judge(answer: http.Answered) -> Attempt:
    """What an answer means: only a 2xx is a delivery, and no redirect is followed."""
    reply = f"HTTP {answer.status} {answer.reason}\r\n\r\n".encode() + answer.body
    words = f"HTTP {answer.status} {answer.reason}".strip()[:200]
    details = {"status": answer.status}
    if 200 <= answer.status < 300:
        return Attempt(result=Result.DELIVERED, reply=reply, details=details)
    if 300 <= answer.status < 400:
        error = f"{words}: redirects are not followed"
        return Attempt(result=Result.REFUSED, reply=reply, error=error, details=details)
    if answer.status in _AGAIN or answer.status >= 500:
        return Attempt(result=Result.TRANSIENT, reply=reply, error=words, details=details)
    return Attempt(result=Result.REFUSED, reply=reply, error=words, details=details)


def accepted(endpoint: EndpointInfo) -> None:
    """A notification arrived where that is news: the subscription works (again)."""
    subscriptions.note_success(endpoint.id)


def readdress(payload: bytes, control_id: str) -> bytes:
    """The same notification as a new message."""
    message = Message.from_bytes(payload)
    headers = tuple(
        (name, control_id if name == "X-Request-Id" else value) for name, value in message.headers
    )
    return replace(message, headers=headers).to_bytes()
