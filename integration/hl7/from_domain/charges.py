"""What was done → DFT^P03 (HL7 v2.5.1 6.4.3, IHE RAD-36): a charge, or the credit that undoes it.

A procedure has two charges: the technical one when its exam is over, the professional one when its
report is signed. Whether a charge is due follows from how things are now, whether it was told from
what was sent before; so each is told at most once however often events repeat, and what a
correction takes back is credited with exactly what was charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from integration.hl7 import datatypes, times
from integration.hl7.bindings import Progress
from integration.hl7.er7 import Message
from integration.hl7.er7_writer import Raw, SegmentRow, Value
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.segments import (
    EVN,
    PID,
    PV1,
    SIDES,
    Column,
    ToldOrder,
    procedure_code,
    row,
    signed_by,
)
from integration.hl7.profiles import Profile
from ris.domain.orders import StepStatus
from ris.domain.performing import PerformedStatus
from ris.domain.reporting import ReportStatus, VersionKind
from ris.selectors.views import OrderView, ProcedureView, StepView

# Events after which the technical charge of the procedures of their steps is looked at again.
EXAM_EVENTS = frozenset(
    {
        "PerformedStepCompleted",
        "PerformedStepDiscontinued",
        "PerformedStepRelinked",
        "PerformedStepOrdered",
        "PerformedStepRevised",
    }
)
# The same for the professional charge.
REPORT_EVENTS = frozenset({"ReportFinalized", "ReportAmended", "ReportRetracted"})

CHARGE, CREDIT = "CG", "CD"  # FT1-6, table 0017
_OVER = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED})
_CALLED_OFF = frozenset({StepStatus.CANCELED, StepStatus.NO_SHOW})
_SIGNED = frozenset({ReportStatus.FINAL, ReportStatus.AMENDED})


class Part(StrEnum):
    """Whose work it is; the values are modifiers of table 0340."""

    TECHNICAL = "TC"
    PROFESSIONAL = "26"


_MEANINGS = {Part.TECHNICAL: "Technical component", Part.PROFESSIONAL: "Professional component"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldCharge(ToldOrder):
    """What FT1 and PR1 are written from."""

    part: Part
    done_at: datetime
    performer: Value


def is_due(procedure: ProcedureView, part: Part) -> bool:
    """Whether the work was done, as far as is known now."""
    if part is Part.PROFESSIONAL:
        return procedure.report is not None and procedure.report.status in _SIGNED
    states = {step.status for step in procedure.steps} - _CALLED_OFF
    return states <= _OVER and StepStatus.COMPLETED in states


def charge(
    order: OrderView, procedure: ProcedureView, part: Part, at: datetime, profile: Profile
) -> Draft:
    """The charge for one part of a procedure."""
    step = _step(procedure)
    done_at, performer = _done(procedure, step, part, at)
    told = ToldCharge(
        profile=profile,
        at=at,
        patient=order.patient,
        visit=order.visit,
        event="P03",
        order=order,
        procedure=procedure,
        step=step,
        control="",
        progress=Progress("", ""),
        part=part,
        done_at=done_at,
        performer=performer,
    )
    tables: Sequence[tuple[str, tuple[Column[Any], ...]]] = (
        ("EVN", EVN), ("PID", PID), ("PV1", PV1), ("FT1", FT1), ("PR1", PR1),
    )  # fmt: skip
    return Draft("DFT", "P03", "DFT_P03", [row(name, table, told) for name, table in tables])


def credit(charged: bytes, at: datetime, profile: Profile) -> Draft:
    """What undoes a charge that was sent: all of it again but kind and date of the posting."""
    message = Message.from_bytes(charged)
    posted = times.write(at, profile.zone, offset=profile.settings.time_offset)
    changed = {("EVN", 2): posted, ("FT1", 5): posted, ("FT1", 6): CREDIT}
    rows: list[SegmentRow | Raw] = []
    for segment in message.segments()[1:]:
        fields = list(segment.fields)
        for (name, number), value in changed.items():
            if segment.name == name:
                fields[number] = value
        rows.append(Raw(message.delimiters.field.join(fields)))
    return Draft("DFT", "P03", "DFT_P03", rows, is_written=True)


def is_charge(payload: bytes) -> bool:
    """Whether a message that was sent is a charge, and not the credit for one."""
    return Message.from_bytes(payload).get("FT1-6") == CHARGE


def _step(procedure: ProcedureView) -> StepView | None:
    done = [step for step in procedure.steps if step.status is StepStatus.COMPLETED]
    return next(iter(done or procedure.steps), None)


def _done(
    procedure: ProcedureView, step: StepView | None, part: Part, at: datetime
) -> tuple[datetime, Value]:
    """When the work was done, and by whom."""
    report = procedure.report
    if part is Part.PROFESSIONAL and report is not None and report.versions:
        first = next(v for v in report.versions if v.kind is not VersionKind.PRELIMINARY)
        return first.signed_at, signed_by(first)
    ends = [
        each.ended_at
        for each in procedure.performed
        if each.ended_at is not None and each.status is PerformedStatus.COMPLETED
    ]
    performer = datatypes.write_xcn(step.performing_physician) if step else None
    return max(ends, default=at), performer


def _number(told: ToldCharge) -> Value:
    letter = "T" if told.part is Part.TECHNICAL else "P"
    return f"{told.procedure.procedure_id}{letter}"


def _modifiers(told: ToldCharge) -> Value:
    modifiers: list[Value] = [(told.part.value, _MEANINGS[told.part], "HL70340")]
    side = SIDES.get(told.procedure.laterality)
    if side:
        modifiers.append((*side, "HL70340"))
    return modifiers


def _ordered_by(told: ToldCharge) -> Value:
    return datatypes.write_xcn(told.order.requester, told.order.requester_identifier)


FT1: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda told: 1),
    Column(2, "number of the charge: procedure, and T or P", _number),
    Column(4, "when it was done, or signed", lambda told: told.time(told.done_at)),
    Column(5, "when it was posted", lambda told: told.time(told.at)),
    Column(6, "charge (CG) or credit (CD)", lambda told: CHARGE),
    Column(7, "what is charged: the procedure", procedure_code),
    Column(10, "quantity", lambda told: 1),
    Column(13, "department", lambda told: (told.profile.settings.charge_department,)),
    Column(20, "performed by, or signed by", lambda told: told.performer),
    Column(21, "ordered by", _ordered_by),
    Column(23, "filler order number", lambda told: told.filler),
    Column(25, "procedure", procedure_code),
    Column(26, "technical (TC) or professional (26), and side", _modifiers),
)

PR1: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda told: 1),
    Column(3, "procedure", procedure_code),
    Column(5, "when it was done, or signed", lambda told: told.time(told.done_at)),
    Column(6, "functional type: diagnostic", lambda told: "D"),
    Column(16, "technical (TC) or professional (26), and side", _modifiers),
)

TABLES: dict[str, tuple[Column[Any], ...]] = {"FT1": FT1, "PR1": PR1}
