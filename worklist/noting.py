"""Tells a service what was refused before any of its handlers, if it wants to know.

The upper layer knows no database; whoever keeps refusals implements :class:`Noting`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from worklist.service import Association, Outcome, Rejection


@runtime_checkable
class Noting(Protocol):
    """A service that keeps refusals; told in pool threads.

    ``reason`` is one of a few: what is counted must be countable.
    """

    def note_refusal(
        self, ae_title: str, address: str, operation: str, status: str, reason: str
    ) -> None:
        """An association or a request; without AE title a TLS handshake that failed."""
        ...

    def note_query(
        self, association: Association, identifier: bytes, transfer_syntax: str, outcome: Outcome
    ) -> None:
        """A query whose identifier is no dataset."""
        ...


def status_of(rejection: Rejection) -> str:
    """Result, source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return f"{rejection.result}/{rejection.source}/{rejection.diagnostic}"
