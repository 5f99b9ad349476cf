"""The journal's own housekeeping; what is in it is written by the door."""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.commands import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetQueries(Command[int]):
    """Delete the record of worklist queries older than ``days``; returns how many at most 5,000.

    That a step was shown to a device stays with the step, and who asked for which patients stays in
    the audit trail: only the queries themselves go, which scanners repeat every minute.
    """

    days: int
