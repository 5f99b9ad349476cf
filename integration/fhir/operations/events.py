"""``Subscription/[id]/$events``: what was told, once more (R5 Subscriptions backport 1.1.0).

Numbers are kept as they were given, and resources as they were sent. What the caller may not see
now is counted and not named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.utils import timezone

from integration.fhir.criteria import allowed
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.operations.interface import Call, Input, Operation, Result
from integration.fhir.operations.subscription_status import values
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.subscriptions.matching import visible
from integration.fhir.subscriptions.notification import (
    Kind,
    Message,
    Named,
    bundle,
    decoded,
    status,
)
from ris.domain.subscriptions import Content
from ris.selectors.subscriptions import (
    NotificationView,
    SubscriptionView,
    events_between,
    payloads,
)

MOST = 500


def run(call: Call) -> Result:
    view = _subscription(call)
    content = _content(call, view)
    events = events_between(
        view.public_id, _number(call, "eventsSinceNumber"), _number(call, "eventsUntilNumber"), MOST
    )
    names = [(each.focus_type, each.focus_id) for each in events]
    seen = visible(view, call.client, list(dict.fromkeys(names)))
    told = status(
        replace(view, content=content),
        Kind.QUERY_EVENT,
        events,
        named=frozenset("/".join(name) for name in seen),
    )
    focus: list[Named] = []
    kept = _sent(view, events) if content == Content.FULL else {}
    for each in events:
        if (each.focus_type, each.focus_id) in seen:
            name = f"{each.focus_type}/{each.focus_id}"
            focus.append((name, kept.get((each.control_id, name))))
    if not kept:
        focus = list(dict.fromkeys((name, None) for name, _ in focus))
    shown = [resource for _, resource in focus if resource is not None]
    return Result(bundle(replace(view, content=content), told, focus, timezone.now()), shown)


def _subscription(call: Call) -> SubscriptionView:
    kind = KINDS["Subscription"]
    filters = call.client.filters("Subscription", "rs")
    found: list[SubscriptionView] = kind.finder.load([call.public_id])
    if not found or not allowed(kind, [call.public_id], filters, call.reading):
        raise HttpError(404, "not-found", f"there is no Subscription/{call.public_id}")
    return found[0]


def _content(call: Call, view: SubscriptionView) -> str:
    """How much is asked for; unasked what the subscription has."""
    asked = values(call, "content")
    if not asked:
        return view.content or (Content.FULL.value if view.payload else Content.EMPTY.value)
    try:
        return Content(asked[0]).value
    except ValueError:
        raise HttpError(400, "code-invalid", "content is empty, id-only or full-resource") from None


def _number(call: Call, name: str) -> int | None:
    said = values(call, name)
    if not said:
        return None
    if not said[0].isdecimal() or len(said[0]) > 18:
        raise HttpError(400, "invalid", f"{name} is the number of an event")
    return int(said[0])


def _sent(
    view: SubscriptionView, events: Sequence[NotificationView]
) -> dict[tuple[str, str], Resource]:
    """The resources as they were sent, by control id and Type/id."""
    found = {}
    control_ids = list({each.control_id for each in events})
    for control_id, raw in payloads(view.endpoint_id, control_ids).items():
        body = Message.from_bytes(raw).body if raw else b""
        for each in _resources(decoded(body)) if body else ():
            found[control_id, f"{each['resourceType']}/{each['id']}"] = each
    return found


def _resources(sent: Resource) -> list[Resource]:
    if sent.get("resourceType") != "Bundle":
        return [sent]
    return [entry["resource"] for entry in sent["entry"][1:] if "resource" in entry]


OPERATION = Operation(
    name="events",
    run=run,
    types=("Subscription",),
    on_instance=True,
    definition="http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"
    "backport-subscription-events",
    inputs=(
        Input("eventsSinceNumber", "string", "From this event on."),
        Input("eventsUntilNumber", "string", "Up to this event."),
        Input("content", "code", "empty, id-only or full-resource."),
    ),
    documentation="The events of a subscription by number (eventsSinceNumber, eventsUntilNumber, "
    "both included), with resources as they were sent.",
)
