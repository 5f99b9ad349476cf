"""Contrast, drugs and material: the catalog, what was used for an exam, reactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from ris.domain.supplies import CONCENTRATION_UNIT, Agent, Given, totals
from ris.models import ProcedureDefinition, Reaction, Supply, SupplyDefault, SupplyUse


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyLine:
    """Something of the catalog."""

    public_id: str
    code: str
    name: str
    unit: str
    kind: str
    agent: str
    concentration: Decimal | None
    lot_required: bool
    route: str
    active: bool

    @property
    def concentration_unit(self) -> str:
        return CONCENTRATION_UNIT[Agent(self.agent)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UseLine:
    """Something that was used, as it was recorded."""

    public_id: str
    supply: str
    code: str
    name: str
    unit: str
    kind: str
    agent: str
    concentration: Decimal | None
    amount: Decimal
    lot: str
    expires_on: date | None
    route: str
    by: str
    at: datetime
    replaced_at: datetime | None
    replaced_by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionLine:
    public_id: str
    words: str
    severity: str
    supply: str
    note: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """All that was used for an exam, what was replaced by corrections, and what was not borne."""

    uses: tuple[UseLine, ...] = ()
    earlier: tuple[UseLine, ...] = ()
    reactions: tuple[ReactionLine, ...] = ()

    @property
    def given(self) -> list[Given]:
        """Contrast agents in total."""
        return totals((Agent(use.agent), use.amount, use.concentration) for use in self.uses)


def catalog(*, retired: bool = False) -> list[SupplyLine]:
    rows = Supply.objects.order_by("kind", "name")
    return [_supply(row) for row in (rows if retired else rows.filter(active=True))]


def _supply(row: Supply) -> SupplyLine:
    return SupplyLine(
        public_id=str(row.public_id),
        code=row.code,
        name=row.name,
        unit=row.unit,
        kind=row.kind,
        agent=row.agent,
        concentration=row.concentration,
        lot_required=row.lot_required,
        route=row.route,
        active=row.active,
    )


def find(public_id: str) -> SupplyLine | None:
    row = Supply.objects.filter(public_id=public_id).first()
    return _supply(row) if row is not None else None


def defaults(definition: str) -> list[tuple[SupplyLine, Decimal]]:
    """What a procedure (by public id) usually takes."""
    if not definition:
        return []
    rows = SupplyDefault.objects.select_related("supply").filter(
        definition__public_id=definition, supply__active=True
    )
    return [(_supply(row.supply), row.amount) for row in rows.order_by("id")]


def default_words() -> list[tuple[str, str, str]]:
    """(procedure, its words, what it takes) for each procedure that has a usual set."""
    found: dict[tuple[str, str], list[str]] = {}
    rows = SupplyDefault.objects.select_related("supply", "definition").order_by(
        "definition__meaning", "id"
    )
    for row in rows:
        key = (str(row.definition.public_id), row.definition.meaning)
        words = f"{row.supply.name} {row.amount.normalize():f} {row.supply.unit}"
        found.setdefault(key, []).append(words)
    return [(key, words, ", ".join(parts)) for (key, words), parts in found.items()]


def procedures() -> list[tuple[str, str]]:
    rows = ProcedureDefinition.objects.filter(active=True).order_by("modality", "meaning")
    return [(str(row.public_id), f"{row.modality}: {row.meaning}") for row in rows]


def of_step(step: int) -> Used:
    """What was used for a step, by primary key; two queries."""
    return _used(
        SupplyUse.objects.select_related("supply").filter(step_id=step).order_by("id"),
        Reaction.objects.select_related("supply").filter(step_id=step).order_by("id"),
    )


def of_order(order: str) -> Used:
    """What was used for all exams of an order (by public id); two queries."""
    return _used(
        SupplyUse.objects.select_related("supply")
        .filter(step__procedure__order__public_id=order)
        .order_by("id"),
        Reaction.objects.select_related("supply")
        .filter(step__procedure__order__public_id=order)
        .order_by("id"),
    )


def of_procedure(procedure: str) -> list[UseLine]:
    """What was used for a procedure (by public id), without what was corrected; one query."""
    rows = SupplyUse.objects.select_related("supply").filter(
        step__procedure__public_id=procedure, replaced_at=None
    )
    return [_use(row) for row in rows.order_by("id")]


def _used(uses: Iterable[SupplyUse], reactions: Iterable[Reaction]) -> Used:
    lines: Sequence[UseLine] = [_use(row) for row in uses]
    return Used(
        uses=tuple(line for line in lines if line.replaced_at is None),
        earlier=tuple(line for line in lines if line.replaced_at is not None),
        reactions=tuple(
            ReactionLine(
                public_id=str(row.public_id),
                words=str(row.code.get("meaning", "")),
                severity=row.severity,
                supply=row.supply.name if row.supply else "",
                note=row.note,
                at=row.occurred_at,
                by=row.recorded_by,
            )
            for row in reactions
        ),
    )


def _use(row: SupplyUse) -> UseLine:
    return UseLine(
        public_id=str(row.public_id),
        supply=str(row.supply.public_id),
        code=row.code,
        name=row.name,
        unit=row.unit,
        kind=row.kind,
        agent=row.agent,
        concentration=row.concentration,
        amount=row.amount,
        lot=row.lot,
        expires_on=row.expires_on,
        route=row.route,
        by=row.recorded_by,
        at=row.recorded_at,
        replaced_at=row.replaced_at,
        replaced_by=row.replaced_by,
        reason=row.reason,
    )
