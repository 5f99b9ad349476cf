"""Critical results: what must be told to somebody, by when, and who is asked if nobody tells it.

A finding is flagged with a category; the category's limit starts a clock. Attempts to reach people
are noted; the loop is closed when who was told read it back or acknowledged it (Joint Commission
NPSG.02.03.01; ACR Practice Parameter for Communication). Until then it escalates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ris.domain.actors import Role
from ris.domain.commands import Command, Event
from ris.domain.errors import InvalidValueError
from ris.domain.states import StateMachine


class CriticalState(StrEnum):
    """How far a flagged finding is from being known to who must act on it."""

    OPEN = "OPEN"
    TOLD = "TOLD"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    WITHDRAWN = "WITHDRAWN"


class CriticalTrigger(StrEnum):
    TELL = "tell"
    ACKNOWLEDGE = "acknowledge"
    WITHDRAW = "withdraw"


CRITICAL = StateMachine[CriticalState, CriticalTrigger](
    "CriticalFinding",
    CriticalState.OPEN,
    {
        (CriticalState.OPEN, CriticalTrigger.TELL): CriticalState.TOLD,
        (CriticalState.TOLD, CriticalTrigger.TELL): CriticalState.TOLD,
        (CriticalState.OPEN, CriticalTrigger.ACKNOWLEDGE): CriticalState.ACKNOWLEDGED,
        (CriticalState.TOLD, CriticalTrigger.ACKNOWLEDGE): CriticalState.ACKNOWLEDGED,
        (CriticalState.OPEN, CriticalTrigger.WITHDRAW): CriticalState.WITHDRAWN,
    },
)
# With these the clock runs.
RUNNING = (CriticalState.OPEN, CriticalState.TOLD)


class HowTold(StrEnum):
    """How somebody was told."""

    PHONE = "phone"
    IN_PERSON = "in person"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryDetails:
    """A kind of urgency. ``escalation`` is who is asked in turn: a role's word, or a name.

    The first is asked when ``share`` percent of the limit is over, each next one after another
    share.
    """

    code: str
    name: str
    minutes: int
    share: int = 50
    escalation: tuple[str, ...] = ()


# What a site begins with (ACR actionable findings, categories 1 to 3).
STARTER: tuple[CategoryDetails, ...] = (
    CategoryDetails(
        code="RED",
        name="Red: life is in danger",
        minutes=60,
        escalation=(Role.RADIOLOGIST.value, Role.MANAGER.value),
    ),
    CategoryDetails(
        code="ORANGE",
        name="Orange: act today",
        minutes=6 * 60,
        escalation=(Role.RADIOLOGIST.value, Role.MANAGER.value),
    ),
    CategoryDetails(
        code="YELLOW",
        name="Yellow: act within days",
        minutes=3 * 24 * 60,
        escalation=(Role.FRONTDESK.value, Role.RADIOLOGIST.value),
    ),
)
CATEGORIES = 12
STEPS = 6
LONGEST = 60 * 24 * 60  # minutes


def check_category(category: CategoryDetails) -> None:
    """Raises InvalidValueError for what cannot be kept."""
    if not category.code or len(category.code) > 16 or not category.code.isascii():
        raise InvalidValueError("a category has a short code such as RED", path="code")
    if not category.name.strip() or len(category.name) > 100:
        raise InvalidValueError(f"{category.code} needs a name", path="name")
    if not 1 <= category.minutes <= LONGEST:
        raise InvalidValueError(f"the limit of {category.code} is 1 minute to 60 days", path="time")
    if not 5 <= category.share <= 100:
        raise InvalidValueError(
            f"{category.code} escalates after 5 to 100 percent of its limit", path="share"
        )
    if len(category.escalation) > STEPS or any(len(who) > 150 for who in category.escalation):
        raise InvalidValueError(
            f"{category.code} names at most {STEPS} people or roles", path="escalation"
        )


def escalates_at(
    flagged_at: datetime, minutes: int, share: int, level: int, steps: int
) -> datetime | None:
    """When step ``level`` (from 0) is due; None: everybody on the list was asked.

    Without a list there is one step, which asks nobody by name but shows that time runs out.
    """
    if level >= max(steps, 1):
        return None
    return flagged_at + timedelta(minutes=minutes) * share * (level + 1) / 100


def communication_line(said: Mapping[str, Any]) -> str:
    """What a version keeps of a critical finding, as a sentence of the report."""
    finding = str(said["finding"])
    if not said.get("to"):
        return f"{finding}: told to nobody when this was signed. Reason: {said['waived']}"
    at = str(said["at"])
    text = f"{finding}: told to {said['to']} by {said['by']}, {said['how']}, {at[:10]} {at[11:16]}"
    if at[16:]:
        text += f" (UTC{at[16:]})"
    return text + (", read back." if said.get("read_back") else ".")


def communications_text(communications: Iterable[Mapping[str, Any]]) -> str:
    """The section Communication of a report; empty without any."""
    return "\n".join(map(communication_line, communications))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagCriticalResult(Command[str]):
    """Say that a finding must be told, and start its clock; returns the finding's public id.

    On a report or, before there is one, on a requested procedure. Who must be told is who asked for
    the exam, unless somebody else is named.
    """

    finding: str
    category: str
    report: str = ""
    procedure: str = ""
    tell: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteCriticalAttempt(Command[None]):
    """Who was called, how, and whether that person was reached and read the finding back."""

    critical_result: str
    who: str
    how: str = HowTold.PHONE.value
    reached: bool = True
    read_back: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiveCriticalTelling(Command[None]):
    """Let a report be signed although nobody could be told yet; the clock runs on."""

    critical_result: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawCriticalResult(Command[None]):
    """It was no critical finding, or not this patient's.

    Once somebody was told it stands: the report is amended and the loop closed.
    """

    critical_result: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalateCriticalResults(Command[int]):
    """Ask the next on the list for what is not acknowledged (timer); returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCriticalCategories(Command[int]):
    """Replace the categories, the most urgent first; they count for what is flagged from now on."""

    categories: Sequence[CategoryDetails]
    holds_final: bool = True  # a report waits to be signed as final until somebody was called
    expected_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalFindingFlagged(Event):
    order: str
    critical_result: str
    category: str
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalAttemptNoted(Event):
    order: str
    critical_result: str
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalFindingAcknowledged(Event):
    """Before there was a report; with one it is a CriticalResultAcknowledged."""

    order: str
    critical_result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalTellingWaived(Event):
    order: str
    critical_result: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalFindingWithdrawn(Event):
    order: str
    critical_result: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalFindingEscalated(Event):
    order: str
    critical_result: str
    step: int
    asked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalCategoriesSet(Event):
    count: int
