"""Search parameters of Subscription (FHIR R4 2.46.6); ``contact`` is not served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from integration.fhir.parameters import (
    ConstantParameter,
    Parameter,
    PlainTokenParameter,
    Reading,
    StateParameter,
    StringParameter,
)
from ris.domain.subscriptions import SubscriptionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class _UrlParameter(Parameter):
    type: ClassVar[str] = "uri"

    def read(self, value: str, modifier: str, reading: Reading) -> str:
        return value


SUBSCRIPTION: tuple[Parameter, ...] = (
    StringParameter(name="criteria", expression="Subscription.criteria", field="criteria"),
    PlainTokenParameter(
        name="payload", expression="Subscription.channel.payload", field="payloads"
    ),
    StateParameter(
        name="status",
        expression="Subscription.status",
        tables={"statuses": {status: status.value for status in SubscriptionStatus}},
    ),
    ConstantParameter(
        name="type",
        expression="Subscription.channel.type",
        codes=(("http://terminology.hl7.org/CodeSystem/subscription-channel-type", "rest-hook"),),
    ),
    _UrlParameter(name="url", expression="Subscription.channel.endpoint", field="urls"),
)
