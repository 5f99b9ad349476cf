"""Who was not let in before a message could say who it is from: in the audit (PS3.15 A.5.3.11).

A system whose certificate ended tries again every few seconds, and so does whoever tries to do
harm: of one reason and address a row is written now and then only. The log has them all.
"""

from __future__ import annotations

from threading import Lock
from time import monotonic

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from ris.domain.actors import endpoint_actor
from ris.services.audit import record_security

log = structlog.get_logger(__name__)

SECONDS = 60.0
_KINDS_KEPT = 512

_written: dict[tuple[str, str], float] = {}
_lock = Lock()


def note(address: str, reason: str) -> None:
    """Keep that a connection from there was refused; called in a handler thread."""
    if not _is_due((address, reason)):
        return
    if not connection.in_atomic_block:
        close_old_connections()
    try:
        record_security(
            endpoint_actor("unknown", None, address),
            action="RefuseConnection",
            detail={"listener": "MLLP", "reason": reason},
        )
    except DatabaseError as error:
        log.warning("a refusal could not be kept", error=type(error).__name__)


def _is_due(kind: tuple[str, str]) -> bool:
    now = monotonic()
    with _lock:
        if now - _written.get(kind, float("-inf")) < SECONDS:
            return False
        if len(_written) >= _KINDS_KEPT:
            _written.clear()
        _written[kind] = now
        return True
