"""Applies stored DICOM messages again (``ReplayMessage``), in whichever process asks for it.

Imported by every process, so what needs the DICOM libraries is imported when it is needed.
"""

from __future__ import annotations

from ris.domain.actors import Actor
from ris.domain.errors import UnsupportedError
from ris.services.inbox import Apply, Refuse


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[Apply, Refuse]:
    """What applying a stored message means now: with today's register and rules."""
    from worklist import documents, handlers
    from worklist.raw import StoredRequest
    from worklist.registry import present
    from worklist.sop_classes import MODALITY_WORKLIST_FIND

    stored, snapshot = StoredRequest.unpack(raw), present()
    if stored.sop_class_uid == MODALITY_WORKLIST_FIND:
        raise UnsupportedError("what another worklist said is asked for anew: `ris mwl import`")
    is_document = documents.is_document(stored)
    application = documents.application if is_document else handlers.application
    return application(stored, actor, snapshot.profile(sender or stored.ae_title), snapshot)
