"""Registers how a stored FHIR request is applied again (``ReplayMessage``).

Imported by every process when it starts, so it loads the translators only when they are needed.
"""

from __future__ import annotations

from ris.domain.actors import Actor
from ris.domain.exchange import Protocol
from ris.services import inbox


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[inbox.Apply, inbox.Refuse]:
    from integration.fhir import writing

    return writing.replay(raw, actor, sender)


inbox.register_replayer(Protocol.FHIR, replay)
