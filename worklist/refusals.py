"""Keeps what devices are refused before any handler, so that the device's page can show it.

Refused queries are in the query log and refused MPPS messages in the inbox. Everything else (an
association that is not let in, a request for something not served, bytes that are no dataset, our
own faults) is noted here: quickly, seldom in the database, and never in the way of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

import structlog
from django.db import Error as DatabaseError

from ris.domain.actors import device_actor
from ris.services.audit import record_security
from ris.services.refusals import record_refusal

log = structlog.get_logger(__name__)

_KINDS_KEPT = 512


@dataclass(slots=True)
class _Counted:
    written: float
    waiting: int = 0


@dataclass(slots=True)
class Refusals:
    """Writes the first refusal of a kind at once, then at most one row's count in ``seconds``.

    A scanner that keeps trying, or whoever tries to do harm, costs a dictionary look-up; what is
    counted meanwhile is added to the next write. For pool threads: it waits for the database.
    """

    seconds: float = 10.0
    _counted: dict[tuple[str, str, str, str, str], _Counted] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def note(self, ae_title: str, address: str, operation: str, status: str, reason: str) -> None:
        """``reason`` is in our words: never what the peer sent, and no number that changes."""
        count = self._due((ae_title.strip(), address, operation, status, reason))
        if not count:
            return
        try:
            if not ae_title:  # the page of no device would show it, but it is a security alert
                actor = device_actor("unknown", address)
                record_security(actor, action="RefuseConnection", detail={"reason": reason})
                return
            record_refusal(
                ae_title,
                address=address,
                operation=operation,
                status=status,
                reason=reason,
                count=count,
            )
        except DatabaseError as error:
            log.warning("a refusal could not be kept", error=type(error).__name__)

    def _due(self, kind: tuple[str, str, str, str, str]) -> int:
        """How many to write now; 0 if one of this kind was written a moment ago."""
        now = monotonic()
        with self._lock:
            known = self._counted.get(kind)
            if known is not None and now - known.written < self.seconds:
                known.waiting += 1
                return 0
            if known is None and len(self._counted) >= _KINDS_KEPT:
                self._counted.clear()
            count = 1 + (known.waiting if known is not None else 0)
            self._counted[kind] = _Counted(now)
            return count
