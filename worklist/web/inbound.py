"""What is done with a stored DICOMweb request: applied again, or shown to people.

Imported by every process, so what needs the DICOM libraries is imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ris.domain.actors import Actor
from ris.services.inbox import Apply, Refuse


def replay(raw: bytes, actor: Actor, sender: str) -> tuple[Apply, Refuse]:
    """What applying a stored request means now: with today's register and rules."""
    from worklist.registry import present
    from worklist.web.performed import replayed

    return replayed(raw, actor, sender, present())


def readable(raw: bytes) -> Mapping[str, Any] | None:
    """A stored request for ``ris.services.peers``; raises if the payload cannot be read."""
    from worklist import dicom_json
    from worklist.elements import Texts, read
    from worklist.web.exchange import Incoming

    incoming = Incoming.from_bytes(raw)
    request = incoming.request("")
    return {
        "request": f"POST {incoming.url}",
        **incoming.headers,
        "operation": request.operation,
        "dataset": dicom_json.to_json(Texts.of(read(request.dataset, request.transfer_syntax))),
    }
