"""``Subscription/$status``: how subscriptions stand (R5 Subscriptions backport 1.1.0)."""

from __future__ import annotations

import uuid
from typing import Any

from integration.fhir.criteria import restrict
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.operations.inputs import parameters_of
from integration.fhir.operations.interface import Call, Input, Operation, Result
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.subscriptions.notification import Kind, status
from ris.domain.subscriptions import SubscriptionStatus
from ris.selectors.search import Page
from ris.selectors.search.subscriptions import SubscriptionCriteria
from ris.selectors.subscriptions import SubscriptionView

MOST = 500


def run(call: Call) -> Result:
    ids, states = _asked(call)
    kind = KINDS["Subscription"]
    criteria = SubscriptionCriteria(
        public_ids=(tuple(ids),) if ids else (), statuses=frozenset(states) if states else None
    )
    filters = call.client.filters("Subscription", "rs")
    found: tuple[SubscriptionView, ...] = kind.finder.search(
        restrict(kind, criteria, filters, call.reading), Page(MOST)
    ).hits
    if call.public_id and not found:
        raise HttpError(404, "not-found", f"there is no Subscription/{call.public_id}")
    entries = []
    for view in found:
        told = status(view, Kind.QUERY_STATUS)
        entries.append(
            {
                "fullUrl": f"urn:uuid:{told['id']}",
                "resource": told,
                "search": {"mode": "match"},
            }
        )
    body: Resource = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "searchset",
        "total": len(entries),
    }
    if entries:
        body["entry"] = entries
    return Result(body)


def _asked(call: Call) -> tuple[list[str], list[SubscriptionStatus]]:
    """The ids and states that are asked for; none: all."""
    ids = [call.public_id] if call.public_id else values(call, "id")
    states = []
    for word in values(call, "status"):
        try:
            states.append(SubscriptionStatus(word))
        except ValueError:
            raise HttpError(
                400, "code-invalid", f"{word[:40]!r} is no status of a subscription"
            ) from None
    return ids, states


def values(call: Call, name: str) -> list[str]:
    """The values of a parameter, from the address or from a Parameters resource."""
    found = [part for key, value in call.query if key == name for part in value.split(",")]
    for parameter in _parameters(call):
        if parameter.get("name") == name:
            found += [str(value) for key, value in parameter.items() if key.startswith("value")]
    return [each for each in found if each]


def _parameters(call: Call) -> list[dict[str, Any]]:
    if call.body is None:
        return []
    if call.body.get("resourceType") != "Parameters":
        raise HttpError(400, "invalid", "the body must be Parameters")
    return parameters_of(call.body)


OPERATION = Operation(
    name="status",
    run=run,
    types=("Subscription",),
    on_type=True,
    on_instance=True,
    definition="http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/"
    "backport-subscription-status",
    inputs=(Input("id", "id", many=True), Input("status", "code", many=True)),
    documentation="How subscriptions stand; of the type by id and status.",
)
