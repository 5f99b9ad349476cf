"""Registers how a stored FHIR request is applied again, and what follows from changes.

Imported by every process when it starts, so it loads the translators only when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ris.domain.actors import Actor
from ris.domain.exchange import Protocol
from ris.domain.fhir_index import IndexEntry
from ris.domain.protocol import StoredEvent
from ris.services import afterwards, fhir_reindexing, inbox
from ris.services.accounts import register_scope_check
from ris.services.fhir import register_indexer


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[inbox.Apply, inbox.Refuse]:
    from integration.fhir import writing

    return writing.replay(raw, actor, sender)


def follow(events: Sequence[StoredEvent]) -> None:
    from ris.selectors.fhir import anybody_listens

    if anybody_listens():
        from integration.fhir import versions

        versions.follow(events)


def index(kind: str, row: Any, said: Mapping[str, Any] | None) -> None:
    """What a kept resource is found by is written with it."""
    from integration.fhir import indexing

    indexing.index(kind, str(row.public_id), said)


def fingerprints() -> Mapping[str, str]:
    from integration.fhir import indexing

    return indexing.fingerprints()


def read(kind: str, content: str) -> Iterable[IndexEntry]:
    from integration.fhir import indexing

    return indexing.read(kind, content)


def check_scope(scope: str) -> None:
    """A row filter that cannot be read is refused when a client is registered with it."""
    from integration.fhir import scopes

    scopes.check(scope)


afterwards.register(follow)
register_scope_check(check_scope)
register_indexer(index)
fhir_reindexing.register(fingerprints, read)
inbox.register_replayer(Protocol.FHIR, replay)
