"""Recommended exams as a report knows them: what it recommended falls with it.

Everything else about them is in ris.services.follow_ups.
"""

from __future__ import annotations

from ris.domain.follow_ups import FOLLOW_UP, LIVE, FollowUpDeclined, FollowUpTrigger
from ris.models import FollowUpRecommendation, Report
from ris.services._context import Context
from ris.services._transition import move


def withdraw(report: Report, reason: str, context: Context) -> None:
    """Nobody is reminded of an exam that no report recommends; the report is locked already.

    Each can be taken up again by hand (ReopenFollowUp).
    """
    rows = (
        FollowUpRecommendation.objects.select_for_update(of=("self",))
        .filter(report=report, status__in=[state.value for state in LIVE])
        .order_by("id")
    )
    for row in rows:
        row.closed_reason = reason
        row.proposed = None
        move(row, FOLLOW_UP, FollowUpTrigger.DECLINE, "closed_reason", "proposed")
        context.emit(
            FollowUpDeclined(
                order=str(report.order.public_id), follow_up=str(row.public_id), reason=reason
            ),
            subject=row,
            order=report.order,
        )
