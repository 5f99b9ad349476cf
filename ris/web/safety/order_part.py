"""What an order's page says of safety, protocol and payer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ris.models import Order, ScheduledProcedureStep
from ris.selectors import authorization, protocoling, safety
from ris.selectors.protocoling import ProcedureProtocol
from ris.selectors.safety import StepSafety
from ris.web.access import PageRequest
from ris.web.navigation import PROTOCOL


@dataclass(frozen=True, slots=True)
class ExamClearance:
    """An exam once, with how its steps stand and its protocol."""

    words: str
    steps: tuple[StepSafety, ...]
    protocol: ProcedureProtocol | None

    @property
    def names_steps(self) -> bool:
        """Whether a step has to be told from the others."""
        return len(self.steps) > 1


def clearance_context(
    request: PageRequest, order: Order, rows: Sequence[ScheduledProcedureStep]
) -> dict[str, Any]:
    """For ``protocoling/_order.html``, with the order's steps; eight queries at most."""
    agreed, coverages = authorization.of_steps(rows, order)
    asked = safety.of_steps(rows)
    return {
        "safety": asked,
        "exams": _exams(rows, asked.steps, protocoling.of_rows(rows)),
        "can_protocol": request.actor.has(*PROTOCOL),
        "authorization": agreed,
        "coverages": coverages,
    }


def _exams(
    rows: Sequence[ScheduledProcedureStep],
    steps: Sequence[StepSafety],
    protocols: Sequence[ProcedureProtocol],
) -> list[ExamClearance]:
    """The exams of which there is something to say, in the order of their steps."""
    asked: dict[str, list[StepSafety]] = {}
    names: dict[str, str] = {}
    for row, step in zip(rows, steps, strict=True):
        key = str(row.procedure.public_id)
        names.setdefault(key, row.procedure.description or row.procedure.code_meaning)
        asked.setdefault(key, []).extend([step] if step.state.checks else [])
    needed = {each.procedure: each for each in protocols}
    found = []
    for key, own in asked.items():
        words = own[0].words if len(own) == 1 else names[key]
        if own or key in needed:
            found.append(ExamClearance(words, tuple(own), needed.get(key)))
    return found
