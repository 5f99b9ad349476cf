"""A critical finding as pages show it: its time in words, and what a person may do with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from ris.domain.actors import Actor
from ris.domain.critical import (
    FlagCriticalResult,
    HowTold,
    NoteCriticalAttempt,
    WaiveCriticalTelling,
    WithdrawCriticalResult,
)
from ris.domain.reporting import CLOSED, AcknowledgeCriticalResult
from ris.models import Report
from ris.selectors import critical
from ris.selectors.critical import CriticalLine
from ris.selectors.views import ReportView
from ris.services import may
from ris.web.labels import Tone


@dataclass(frozen=True, slots=True)
class Shown:
    """A line with how much time is left, in words and tone."""

    line: CriticalLine
    left: str
    tone: Tone
    icon: str


def span(length: timedelta) -> str:
    """``45 min``, ``5 h``, ``2 days``: as exactly as somebody needs it."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 120:
        return _("%(count)s min") % {"count": minutes}
    if minutes < 48 * 60:
        return _("%(count)s h") % {"count": minutes // 60}
    return _("%(count)s days") % {"count": minutes // (24 * 60)}


def shown(lines: Iterable[CriticalLine], now: datetime) -> list[Shown]:
    return [_shown(line, now) for line in lines]


def _shown(line: CriticalLine, now: datetime) -> Shown:
    if not line.is_running:
        taken = (line.closed_at or now) - line.flagged_at
        return Shown(line, _("closed after %(time)s") % {"time": span(taken)}, Tone.OK, "check")
    if now >= line.due_at:
        late = _("late by %(time)s") % {"time": span(now - line.due_at)}
        return Shown(line, late, Tone.BAD, "alert")
    left = _("%(time)s left") % {"time": span(line.due_at - now)}
    return Shown(line, left, Tone.WARN if line.level else Tone.INFO, "clock")


def allowed(actor: Actor) -> dict[str, bool]:
    return {
        "may_flag": may(actor, FlagCriticalResult),
        "may_attempt": may(actor, NoteCriticalAttempt),
        "may_acknowledge": may(actor, AcknowledgeCriticalResult),
        "may_waive": may(actor, WaiveCriticalTelling),
        "may_withdraw": may(actor, WithdrawCriticalResult),
    }


def report_context(actor: Actor, stored: Report, view: ReportView) -> dict[str, Any]:
    """What the report's page shows of critical findings; four queries at most."""
    now = timezone.now()
    lines = critical.of_report(stored.pk, now)
    rights = allowed(actor)
    rights["may_flag"] &= view.status not in CLOSED
    current = view.current
    return {
        "critical": shown(lines, now),
        "critical_categories": critical.categories() if rights["may_flag"] else [],
        "hows": list(HowTold),
        "critical_after": current is not None
        and critical.told_after(lines, view.status, current.signed_at),
        **rights,
    }


def exceptions_context(limit: int) -> tuple[dict[str, list[Shown]], list[str]]:
    """What nobody acknowledged although others were asked, and whose it is."""
    now = timezone.now()
    rows = critical.with_lines(critical.escalated())[:limit]
    lines = [critical.to_line(row, now) for row in rows]
    patients = [line.patient.public_id for line in lines if line.patient]
    return {"critical_late": shown(lines, now)}, patients
