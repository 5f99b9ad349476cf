"""Applies stored DICOM messages again (``ReplayMessage``), in whichever process asks for it."""

from __future__ import annotations

from ris.domain.actors import Actor
from ris.domain.exchange import Protocol
from ris.services.inbox import Apply, Refuse, register_replayer


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[Apply, Refuse]:
    """What applying a stored message means now: with today's register and rules."""
    # Imported when needed: every process knows this module, few need the DICOM libraries.
    from worklist import documents, handlers
    from worklist.raw import StoredRequest
    from worklist.registry import Registry

    stored = StoredRequest.unpack(raw)
    snapshot = Registry(ae_title="", seconds=0).snapshot()
    is_document = documents.is_document(stored)
    application = documents.application if is_document else handlers.application
    return application(stored, actor, snapshot.profile(sender or stored.ae_title), snapshot)


register_replayer(Protocol.DICOM, replay)
