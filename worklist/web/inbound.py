"""Registers how a stored DICOMweb request is applied again (``ReplayMessage``)."""

from __future__ import annotations

from ris.domain.actors import Actor
from ris.services.inbox import Apply, Refuse


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[Apply, Refuse]:
    """What applying a stored request means now: with today's register and rules."""
    # Imported when needed: every process knows this module, few need the DICOM libraries.
    from worklist.registry import Registry
    from worklist.web.performed import replayed

    return replayed(raw, actor, sender, Registry(ae_title="", seconds=0).snapshot())
