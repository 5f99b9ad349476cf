"""Critical findings as a report knows them: who was told goes into each version that is signed.

The clock, the attempts and the categories are in ris.services.critical.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from ris.domain.critical import CriticalState
from ris.domain.errors import StateConflictError
from ris.models import CriticalAttempt, CriticalFinding, CriticalResult, Report
from ris.selectors import critical as selected
from ris.services._context import Context
from ris.services._transition import touch


def of_report(report: Report) -> QuerySet[CriticalFinding]:
    """What a version of the report must speak of."""
    return selected.about(report.pk).exclude(status=CriticalState.WITHDRAWN.value)


def require_somebody_called(report: Report, context: Context) -> None:
    """Refuse to sign as final what nobody tried to tell, where the site asks for that.

    What a peer system signed is told to us as done; there is nobody to ask.
    """
    if context.is_machine:
        return
    waiting = (
        of_report(report)
        .filter(status=CriticalState.OPEN.value, waived="", attempts__isnull=True)
        .order_by("id")
        .first()
    )
    if waiting is None:
        return
    if selected.holds_final():
        raise StateConflictError(
            f"nobody was called about “{waiting.finding[:80]}” yet: note the call under Critical "
            "results, or why the report is signed without it",
            path="critical",
        )


def communications_of(report: Report) -> list[dict[str, Any]]:
    """What a version that is signed now says of critical findings; taken into the report."""
    said = []
    for row in of_report(report).prefetch_related("attempts").order_by("flagged_at", "id"):
        is_new = row.report_id != report.pk
        if is_new:
            row.report = report
            touch(row, "report")
        reached = [attempt for attempt in row.attempts.all() if attempt.reached]
        said += [_told(row, attempt) for attempt in reached]
        if reached and (is_new or row.result_id is None):
            tell_receivers(row, reached[-1])
        if not reached and row.waived:
            said.append(
                {"finding": row.finding, "category": row.category, "to": "", "waived": row.waived}
            )
    return said


def _told(row: CriticalFinding, attempt: CriticalAttempt) -> dict[str, Any]:
    """In the site's time with its offset, so that the words are the same wherever they are read."""
    return {
        "finding": row.finding,
        "category": row.category,
        "to": attempt.who,
        "by": attempt.by,
        "how": attempt.how,
        "at": timezone.localtime(attempt.at).isoformat(timespec="minutes"),
        "read_back": attempt.read_back,
    }


def tell_receivers(row: CriticalFinding, attempt: CriticalAttempt) -> CriticalResult:
    """What receivers of the report learn of the finding; the same row when it is told again."""
    if row.report is None:
        raise StateConflictError("there is no report yet")
    result = row.result or CriticalResult(public_id=row.public_id, report=row.report)
    result.report = row.report
    result.finding = row.finding
    result.told = attempt.who
    result.by = attempt.how
    result.read_back = attempt.read_back
    result.told_at = attempt.at
    result.told_by = attempt.by
    if row.status == CriticalState.ACKNOWLEDGED.value:
        result.acknowledged_at = row.closed_at
        result.acknowledged_by = row.closed_by
    result.save()
    if row.result_id is None:
        row.result = result
        touch(row, "result")
    touch(row.report)  # which names what was told
    return result
