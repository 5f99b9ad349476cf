"""Subscription: taken up, changed, ended (FHIR R4 2.46; backport 1.1.0).

Plain R4 subscriptions are active at once. One to a topic is active when its subscriber has answered
the handshake, which is queued here and sent after the commit.
"""

from __future__ import annotations

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.subscriptions import outbound
from integration.fhir.subscriptions.terms import Asked, read_terms
from integration.fhir.writing.request import Writer
from ris.domain.actors import TIMER
from ris.domain.subscriptions import (
    MoveSubscription,
    RemoveSubscription,
    ReviseSubscription,
    Subscribe,
    SubscriptionStatus,
    SubscriptionTrigger,
)
from ris.selectors.subscriptions import subscription_view
from ris.services import execute

_NEW = frozenset({SubscriptionStatus.REQUESTED, SubscriptionStatus.OFF})


class Subscriptions:
    """Writes of Subscription resources."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        asked = read_terms(resource, base=writer.incoming.base, client=writer.client)
        if asked.status not in _NEW:
            raise HttpError(
                422,
                "value",
                "a client asks for a subscription by the status requested, or keeps it off; "
                "the server makes it active",
                path="Subscription.status",
            )
        public_id = execute(
            Subscribe(client=writer.actor.name, terms=asked.terms, status=asked.status),
            actor=writer.actor,
        )
        if asked.status is SubscriptionStatus.REQUESTED:
            _take_up(public_id, asked)
        return public_id, True

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        known = subscription_view(writer.public_id)
        headers = known.headers if known.client == writer.actor.name else ()
        asked = read_terms(
            resource, base=writer.incoming.base, client=writer.client, before=headers
        )
        again = execute(
            ReviseSubscription(
                subscription=writer.public_id, terms=asked.terms, status=asked.status
            ),
            actor=writer.actor,
        )
        if again:
            _take_up(writer.public_id, asked)

    def delete(self, writer: Writer, before: Resource) -> None:
        execute(RemoveSubscription(subscription=writer.public_id), actor=writer.actor)


def _take_up(public_id: str, asked: Asked) -> None:
    if asked.terms.topic:
        outbound.handshake(public_id)
        return
    execute(
        MoveSubscription(subscription=public_id, trigger=SubscriptionTrigger.ACTIVATE),
        actor=TIMER,
    )
