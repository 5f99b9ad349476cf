"""Subscription: as its client said it, with the state the server keeps (FHIR R4 2.46).

Values of ``channel.header`` are masked for everybody: they authorize towards the subscriber, and
who may read subscriptions must not be able to speak to it in our name.
"""

from __future__ import annotations

from typing import Any

from integration.fhir import json
from integration.fhir.from_domain.datatypes import Resource, Shown, compact, instant
from integration.fhir.subscriptions.secrets import masked
from ris.selectors.subscriptions import SubscriptionView


def subscription(view: SubscriptionView, shown: Shown) -> Resource:
    said: dict[str, Any] = json.read_stored(view.document.encode())
    meta = said.pop("meta", {})
    channel = said.pop("channel", {})
    rest = {name: value for name, value in said.items() if name not in {"reason", "criteria"}}
    return compact(
        {
            "resourceType": "Subscription",
            "id": view.public_id,
            "meta": {
                "versionId": str(view.version),
                "lastUpdated": instant(view.updated_at),
                **meta,
            },
            **rest,
            "status": view.status.value,
            "reason": said.get("reason"),
            "criteria": view.criteria,
            "error": view.error,
            "channel": {**channel, "header": [masked(each) for each in view.headers]}
            if view.headers
            else channel,
        }
    )
