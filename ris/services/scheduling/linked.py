"""The time that the catalog wants between exams of a patient, asked for at the door."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ris.domain.errors import SlotTakenError
from ris.domain.places import Place
from ris.models import ScheduledProcedureStep
from ris.selectors.linked import Link, Lost, Spans, name_of


def require_kept(links: Iterable[Link], spans: Spans) -> None:
    """Raises SlotTakenError if what is moved loses the time between it and another exam."""
    for link in links:
        if lost := link.lost(spans):
            raise apart(link.first, link.then, lost, link.least or 0, link.most or 0)


def apart(
    one: ScheduledProcedureStep,
    other: ScheduledProcedureStep,
    lost: Lost,
    least: int,
    most: int,
    **details: Any,
) -> SlotTakenError:
    """How far apart the two have to be; ``one`` goes first."""
    first, then = name_of(one), name_of(other)
    if lost is Lost.LATE:
        return SlotTakenError(
            f"{then} after {first}, {most} minutes at most", path=Place.START_AT, details=details
        )
    if least:
        return SlotTakenError(
            f"{then} after {first}, {least} minutes at least", path=Place.START_AT, details=details
        )
    return SlotTakenError(f"{then} only after {first}", path=Place.START_AT, details=details)
