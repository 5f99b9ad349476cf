"""What was asked about an order, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ris.models import OrderQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionLine:
    public_id: str
    text: str
    asked_by: str
    asked_at: datetime
    answer: str
    answered_by: str
    answered_at: datetime | None


def questions_of(order: str) -> list[QuestionLine]:
    """The oldest first; what waits for an answer before what has one."""
    rows = OrderQuestion.objects.filter(order__public_id=order).order_by("id")
    lines = [
        QuestionLine(
            public_id=str(row.public_id),
            text=row.text,
            asked_by=row.asked_by,
            asked_at=row.asked_at,
            answer=row.answer,
            answered_by=row.answered_by,
            answered_at=row.answered_at,
        )
        for row in rows
    ]
    return sorted(lines, key=lambda line: line.answered_at is not None)
