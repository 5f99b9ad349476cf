"""Contrast agents, drugs and material: the catalog, what was given to whom, what went wrong.

What was used keeps the words and the concentration it was recorded with; a correction replaces the
list and the earlier one stays readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from ris.domain.commands import Command, Event
from ris.domain.values import Code


class SupplyKind(StrEnum):
    CONTRAST = "CONTRAST"
    DRUG = "DRUG"
    MATERIAL = "MATERIAL"


class Agent(StrEnum):
    """What a contrast agent is made of; concentrations are mg iodine or mmol gadolinium per ml."""

    NONE = ""
    IODINE = "IODINE"
    GADOLINIUM = "GADOLINIUM"
    BARIUM = "BARIUM"
    MICROBUBBLES = "MICROBUBBLES"


CONCENTRATION_UNIT: dict[Agent, str] = {
    Agent.NONE: "",
    Agent.IODINE: "mg I/ml",
    Agent.GADOLINIUM: "mmol/ml",
    Agent.BARIUM: "mg/ml",
    Agent.MICROBUBBLES: "",
}


class Route(StrEnum):
    INTRAVENOUS = "IV"
    ORAL = "PO"
    RECTAL = "PR"
    INTRA_ARTERIAL = "IA"
    INTRA_ARTICULAR = "IART"
    INTRATHECAL = "IT"
    SUBCUTANEOUS = "SC"
    INTRAMUSCULAR = "IM"
    INHALED = "IH"
    OTHER = "OTH"


class Severity(StrEnum):
    """How bad a reaction is (ACR Manual on Contrast Media: mild, moderate, severe)."""

    MILD = "MILD"
    MODERATE = "MODERATE"
    SEVERE = "SEVERE"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefineSupply(Command[str]):
    """Create or change something that is used up, by its code; returns its public id."""

    code: str
    name: str
    unit: str = "ml"
    kind: SupplyKind = SupplyKind.MATERIAL
    agent: Agent = Agent.NONE
    concentration: Decimal | None = None
    lot_required: bool = False
    route: Route | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDefaultSupplies(Command[None]):
    """What a procedure usually takes: (supply, amount) each; replaces the earlier list."""

    procedure: str
    supplies: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyUsed:
    """One thing that was used, with its batch."""

    supply: str
    amount: Decimal
    lot: str = ""
    expires_on: date | None = None
    route: Route | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSupplies(Command[int]):
    """Say all that was used for a step; returns how many things there are now.

    Said again it replaces what was said; once the exam has ended that takes a ``reason``.
    """

    step: str
    supplies: tuple[SupplyUsed, ...]
    reason: str = ""
    expected: tuple[str, ...] | None = None  # the rows the page showed, by public id


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordReaction(Command[str]):
    """A patient did not bear what was given: note it, raise it, propose an allergy.

    Returns the public id.
    """

    step: str
    code: Code
    severity: Severity
    supply: str = ""  # public id of the supply, if one is held to be the cause
    note: str = ""
    occurred_at: datetime | None = None
    propose_allergy: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeExam(Command[None]):
    """Another procedure or side than was ordered, before the exam is begun; with the reason."""

    step: str
    procedure: str = ""  # public id in the catalog; empty: as it is
    laterality: str = ""
    reason: str = field(default="")
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyDefined(Event):
    supply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultSuppliesSet(Event):
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliesRecorded(Event):
    """``items``: code, name, amount, unit and lot each, as they are now."""

    order: str
    step: str
    items: tuple[tuple[str, str, str, str, str], ...]
    corrected: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionRecorded(Event):
    order: str
    step: str
    reaction: str
    code: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamChanged(Event):
    order: str
    step: str
    changed: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Given:
    """The total of one contrast agent: milliliters, and what they hold of it."""

    agent: Agent
    amount: Decimal
    content: Decimal | None

    @property
    def content_unit(self) -> str:
        return {Agent.IODINE: "g I", Agent.GADOLINIUM: "mmol"}.get(self.agent, "")


def totals(uses: Iterable[tuple[Agent, Decimal, Decimal | None]]) -> list[Given]:
    """(agent, milliliters, concentration) summed by agent; grams of iodine, mmol of gadolinium."""
    amounts: dict[Agent, Decimal] = {}
    contents: dict[Agent, Decimal | None] = {}
    for agent, amount, concentration in uses:
        if agent is Agent.NONE:
            continue
        amounts[agent] = amounts.get(agent, Decimal(0)) + amount
        before = contents.get(agent, Decimal(0))
        known = before is not None and concentration is not None
        contents[agent] = before + amount * concentration if known else None  # type: ignore[operator]
    return [
        Given(agent, amounts[agent], _content(agent, contents[agent]))
        for agent in Agent
        if agent in amounts
    ]


def _content(agent: Agent, raw: Decimal | None) -> Decimal | None:
    if raw is None or agent not in {Agent.IODINE, Agent.GADOLINIUM}:
        return None
    return raw / 1000 if agent is Agent.IODINE else raw
