"""One condition of a query against one step, and the words for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

from ris.domain.orders import OrderStatus, StepStatus
from ris.selectors.explain.candidates import Candidate
from ris.selectors.views import WorklistQuery


class Source(StrEnum):
    """Where a condition comes from."""

    QUERY = "query"  # a key of the query
    DEVICE = "device"  # a setting of the device
    RULE = "rule"  # what the worklist offers where nobody says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``field`` is the field of the query; ``asked`` and ``has`` are for people."""

    field: str
    name: str
    asked: str
    has: str
    meets: bool
    says: str = "this step has"
    source: Source = Source.QUERY

    @property
    def words(self) -> str:
        """One sentence: *Station AE title: asked CT1, this step is for CT2*."""
        asked = {
            Source.QUERY: "asked",
            Source.DEVICE: "the device is set to",
            Source.RULE: "offered are",
        }[self.source]
        return f"{self.name}: {asked} {self.asked}, {self.says} {self.has}"


Check = Callable[[WorklistQuery, Candidate, tzinfo], Condition | None]


# --- words


def alternatives(values: Iterable[str]) -> str:
    listed = list(values)
    if len(listed) < 2:
        return listed[0] if listed else "nothing"
    return f"{', '.join(listed[:-1])} or {listed[-1]}"


def or_none(value: str) -> str:
    return value or "none"


def state(status: StepStatus | OrderStatus) -> str:
    return status.value.lower().replace("_", " ")


NEVER = "no time yet"


def when(at: datetime | None, zone: tzinfo) -> str:
    """A local time as pages of explanations write it."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else NEVER
