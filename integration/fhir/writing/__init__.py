"""Creates, updates, patches and deletes: one stored message, one transaction (DESIGN 8)."""

from __future__ import annotations

from django.conf import settings as django_settings

from integration.fhir.auth import Client
from integration.fhir.exchange import Incoming, Reply, refuse
from integration.fhir.places import in_expressions
from integration.fhir.scopes import Scopes
from integration.fhir.systems import Systems
from integration.fhir.to_domain.servicerequest import Profile
from integration.fhir.writing import entries
from integration.fhir.writing.bundle import Fetch, Work
from integration.fhir.writing.message import Message
from integration.fhir.writing.request import Writer, last_modified
from ris.domain.actors import Actor
from ris.domain.errors import RisError
from ris.domain.exchange import Protocol
from ris.domain.protocol import EndpointInfo
from ris.selectors.exchange import find_sender
from ris.services import inbox

__all__ = ["last_modified", "profile_for", "receive", "receive_bundle", "replay"]

EVERYTHING = Scopes.parse(["system/*.cruds"])


def profile_for(name: str, endpoint: EndpointInfo | None) -> Profile:
    """What is done with the requests of a client, by the settings of its endpoint."""
    settings = endpoint.settings if endpoint else {}
    return Profile(
        issuer=Systems().issuer(str(settings.get("issuer") or name)),
        wait_for_scheduler=bool(settings.get("wait_for_scheduler")),
        strict_catalog=bool(settings.get("strict_catalog")),
        require_if_match=bool(settings.get("require_if_match")),
        results=str(settings.get("results") or "draft"),
        withdraw_results=bool(settings.get("withdraw_results")),
    )


def _message(incoming: Incoming, client: Client) -> Message:
    return Message(client, profile_for(client.actor.name, client.endpoint), incoming.base)


def receive(incoming: Incoming, client: Client, *, request_id: str) -> inbox.Receipt:
    """Store the request, apply it, store the answer."""
    writer = Writer(incoming, _message(incoming, client))
    prepared = writer.prepare()
    key = incoming.header("Idempotency-Key")
    return inbox.receive(
        protocol=Protocol.FHIR,
        actor=client.actor,
        key=key or request_id,
        raw=incoming.to_bytes(),
        message_type=f"{incoming.method} {writer.kind.name}",
        apply=in_expressions()(lambda: writer.reply(prepared.todo()).to_answer()),
        refuse=refuse,
        sender=client.actor.name,
        references=prepared.references,
        dedupe=bool(key),
    )


def receive_bundle(
    incoming: Incoming, client: Client, fetch: Fetch, *, request_id: str
) -> inbox.Receipt | Reply:
    """Store the bundle, apply it, store the answer; one that only reads is answered at once."""
    message_type = "POST Bundle"
    found: list[tuple[str, str]] = []
    try:
        work = _work(incoming, client, fetch)
    except RisError as error:
        apply = _failing(error)
    else:
        if not work.bundle.writes and not work.bundle.faults:
            return work.apply()
        message_type = f"POST {work.bundle.type}"
        found = work.references()

        def apply() -> inbox.Answer:
            return work.apply().to_answer()

    key = incoming.header("Idempotency-Key")
    return inbox.receive(
        protocol=Protocol.FHIR,
        actor=client.actor,
        key=key or request_id,
        raw=incoming.to_bytes(),
        message_type=message_type,
        apply=apply,
        refuse=refuse,
        sender=client.actor.name,
        references=found,
        dedupe=bool(key),
    )


def _work(incoming: Incoming, client: Client, fetch: Fetch) -> Work:
    most = django_settings.CONFIG.fhir.bundle_entries
    bundle = entries.read(incoming.body, incoming.base, most, incoming.header("Content-Type"))
    return Work(bundle, incoming, _message(incoming, client), fetch)


def _failing(fault: RisError) -> inbox.Apply:
    def fail() -> inbox.Answer:
        raise fault

    return fail


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[inbox.Apply, inbox.Refuse]:
    """A stored request to be applied once more (``ReplayMessage``)."""
    incoming = Incoming.from_bytes(raw)
    client = Client(actor, EVERYTHING, find_sender(Protocol.FHIR, sender))
    if not incoming.address:
        return _replay_bundle(incoming, client), refuse
    if incoming.address[-1].startswith("$"):
        from integration.fhir.operations import stored

        return stored.replay(incoming, client), refuse
    writer = Writer(incoming, _message(incoming, client))
    prepared = writer.prepare()
    return in_expressions()(lambda: writer.reply(prepared.todo()).to_answer()), refuse


def _replay_bundle(incoming: Incoming, client: Client) -> inbox.Apply:
    from integration.fhir.views.bundle import Fetcher

    fetch = Fetcher(client, incoming.base, incoming.header("X-Request-Id"))
    try:
        work = _work(incoming, client, fetch)
    except RisError as error:
        return _failing(error)
    return lambda: work.apply().to_answer()
