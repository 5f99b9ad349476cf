"""Refused calls at the HTTP edges in the audit trail (PS3.15 A.5.3.11), without flooding it.

Each address has so many rows a minute, and all addresses together have; what comes beyond is
counted, and the count is one row once the minute is over.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError

from ris.domain.actors import Actor, ActorKind
from ris.models import AuditEvent
from ris.services import _clock

log = structlog.get_logger(__name__)

ROWS_PER_ADDRESS = 10
ROWS = 200
_MINUTE = timedelta(minutes=1)

# Addresses beyond so many in a minute are counted together.
_ADDRESSES = 1000
_ELSEWHERE = "several addresses"

_lock = threading.Lock()
_since = _clock.now()
_seen: Counter[str] = Counter()  # calls of an address in this minute
_uncounted: Counter[str] = Counter()  # those of them without a row
_rows = 0


def record(
    actor: Actor,
    *,
    action: str,
    outcome: str,
    detail: Mapping[str, Any],
    subject: str = "",
) -> None:
    """Keep a refused call, or count it."""
    if _is_to_be_kept(actor.address):
        _write(actor, action, outcome, subject, detail)


def write_counts(*, now: bool = False) -> None:
    """Once a minute: a row for each address that had more calls than rows."""
    global _since, _rows
    with _lock:
        if not now and _clock.now() - _since < _MINUTE:
            return
        since, counted = _since, dict(_uncounted)
        _since, _rows = _clock.now(), 0
        _seen.clear()
        _uncounted.clear()
    for address, count in counted.items():
        anybody = Actor(ActorKind.CLIENT, "", address=address)
        detail = {"count": count, "since": since.isoformat()}
        _write(anybody, "more refused calls", "refused", "", detail)


def forget() -> None:
    """Begin a new minute, and drop what was counted."""
    global _since, _rows
    with _lock:
        _since, _rows = _clock.now(), 0
        _seen.clear()
        _uncounted.clear()


def _is_to_be_kept(address: str) -> bool:
    global _rows
    write_counts()
    with _lock:
        if address not in _seen and len(_seen) >= _ADDRESSES:
            address = _ELSEWHERE
        _seen[address] += 1
        if _seen[address] <= ROWS_PER_ADDRESS and _rows < ROWS:
            _rows += 1
            return True
        _uncounted[address] += 1
        return False


def _write(
    actor: Actor, action: str, outcome: str, subject: str, detail: Mapping[str, Any]
) -> None:
    try:
        AuditEvent.objects.create(
            at=_clock.now(),
            actor_kind=actor.kind.value,
            actor_name=actor.name,
            address=actor.address,
            action=action[:60],
            subject=subject[:100],
            outcome=outcome,
            detail=dict(detail),
        )
    except DatabaseError as error:
        # The caller is refused all the same.
        log.warning("a refused call could not be recorded", error=str(error)[:200])
