"""What was used for an exam → DFT^P03 with an FT1 for each: contrast, drugs, material (6.5.1).

A message of its own beside the technical charge of the procedure, for a receiver that asked for it
(``charge_supplies``). It tells all that was used; what is recorded anew is credited and told again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integration.hl7.bindings import Progress
from integration.hl7.er7 import Message
from integration.hl7.er7_writer import SegmentRow, Value
from integration.hl7.from_domain.charges import CHARGE
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.segments import (
    EVN,
    PID,
    PV1,
    Column,
    ToldOrder,
    procedure_code,
    row,
)
from integration.hl7.profiles import Profile
from ris.selectors.supplies import UseLine
from ris.selectors.views import OrderView, ProcedureView

SUPPLY_EVENTS = frozenset({"SuppliesRecorded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldUse(ToldOrder):
    """What an FT1 about something that was used is written from."""

    use: UseLine


def supplies(
    order: OrderView,
    procedure: ProcedureView,
    uses: Sequence[UseLine],
    at: datetime,
    profile: Profile,
) -> Draft:
    """The charges for what was used, in the order in which it was recorded."""
    told = [
        ToldUse(
            profile=profile,
            at=at,
            patient=order.patient,
            visit=order.visit,
            event="P03",
            order=order,
            procedure=procedure,
            control="",
            progress=Progress("", ""),
            set_id=number,
            use=use,
        )
        for number, use in enumerate(uses, start=1)
    ]
    head: Sequence[tuple[str, tuple[Column[Any], ...]]] = (("EVN", EVN), ("PID", PID), ("PV1", PV1))
    rows: list[SegmentRow] = [row(name, table, told[0]) for name, table in head]
    rows += [row("FT1", FT1, each) for each in told]
    return Draft("DFT", "P03", "DFT_P03", rows)


def tells(payload: bytes, uses: Sequence[UseLine]) -> bool:
    """Whether a message that was sent charges just this."""
    sent = [
        (segment.get("7"), segment.get("8"), segment.get("10"))
        for segment in Message.from_bytes(payload).segments("FT1")
    ]
    return sent == [(use.code, _words(use), _amount(use)) for use in uses]


def _amount(use: UseLine) -> str:
    return f"{use.amount.normalize():f}"


def _words(use: UseLine) -> str:
    """Amount and unit, which FT1-10 has no room for, and the batch."""
    lot = f", lot {use.lot}" if use.lot else ""
    return f"{_amount(use)} {use.unit}{lot}"


def _code(told: ToldUse) -> Value:
    return (told.use.code, told.use.name, "L")


FT1: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda told: told.set_id),
    Column(
        2,
        "number of the charge: procedure, S, and a number",
        lambda told: f"{told.procedure.procedure_id}S{told.set_id}",
    ),
    Column(4, "when it was recorded", lambda told: told.time(told.use.at)),
    Column(5, "when it was posted", lambda told: told.time(told.at)),
    Column(6, "charge (CG) or credit (CD)", lambda told: CHARGE),
    Column(7, "what was used, by the code of our catalog", _code),
    Column(8, "amount with its unit, and the lot", lambda told: _words(told.use)),
    Column(10, "quantity, in the unit of the catalog", lambda told: _amount(told.use)),
    Column(13, "department", lambda told: (told.profile.settings.charge_department,)),
    Column(23, "filler order number", lambda told: told.filler),
    Column(25, "procedure it was used for", procedure_code),
)
