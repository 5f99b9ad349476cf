"""Whether an object that an archive took is there: asked until it is, or until a person looks.

An archive may file what it took a moment later, so the first "not there" is no fault; after some
tries it is, and the report's page shows it in red.
"""

from __future__ import annotations

from typing import Final, Protocol

from ris.domain.protocol import Attempt, OnRefusal, Result
from worklist.requestor import NotAcceptedError
from worklist.storing import Confirmation

# With the outbox's pauses in between this is several minutes.
TRIES: Final = 8


class Archive(Protocol):
    """Who can be asked (worklist.asking); raises CallError."""

    def is_there(self, wanted: Confirmation) -> bool: ...


def look(wanted: Confirmation, archive: Archive) -> Attempt:
    """One look; raises CallError for what keeps it from being answered."""
    try:
        is_there = archive.is_there(wanted)
    except NotAcceptedError as refused:
        return unconfirmed(refused)
    if is_there:
        return Attempt(result=Result.DELIVERED, reply=b'{"meaning": "it is in the archive"}')
    return Attempt(
        result=Result.REFUSED,
        error="the archive took the object and does not show it",
        reply=b'{"meaning": "it is not in the archive"}',
        park_after=TRIES,
    )


def unconfirmed(refused: NotAcceptedError) -> Attempt:
    """An archive that stores and answers no such question: nobody can mend that here.

    Raises the error again if that is so for now only.
    """
    if refused.result is not Result.REFUSED:
        raise refused
    return Attempt(
        result=Result.REFUSED,
        error=f"stored, but not confirmed: {refused}",
        park_after=1,
        on_refusal=OnRefusal.SKIP,
    )
