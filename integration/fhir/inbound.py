"""Registers how a stored FHIR request is applied again, and what follows from changes.

Imported by every process when it starts, so it loads the translators only when they are needed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.actors import Actor
from ris.domain.exchange import Protocol
from ris.domain.protocol import StoredEvent
from ris.services import afterwards, inbox


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[inbox.Apply, inbox.Refuse]:
    from integration.fhir import writing

    return writing.replay(raw, actor, sender)


def follow(events: Sequence[StoredEvent]) -> None:
    from ris.selectors.fhir import anybody_listens

    if anybody_listens():
        from integration.fhir import versions

        versions.follow(events)


afterwards.register(follow)
inbox.register_replayer(Protocol.FHIR, replay)
