"""Work that is due by the clock, each piece a command like any other."""

from __future__ import annotations

from ris import config
from ris.domain.actors import TIMER
from ris.domain.availability import JoinAvailability
from ris.domain.corrections import ClosePerformedSteps, RematchPerformedSteps
from ris.domain.dose import JoinDoses
from ris.domain.drafts import ForgetOrderDrafts
from ris.domain.journal import ForgetQueries
from ris.domain.reading import EndSilentReadings
from ris.domain.scheduling import ExpireHolds
from ris.selectors import availability, dose_waiting, drafts, reading_leases
from ris.selectors.query_age import queries_due
from ris.selectors.schedule_due import holds_due
from ris.services import (
    alerts,
    analytics,
    authorization,
    critical,
    execute,
    follow_ups,
    mammography,
    message_runs,
    parts,
    patient_messages,
    peer_review,
    referring,
    subscriptions,
    traffic,
    unsafe_starts,
)
from ris.services.performing import late
from ris.services.scheduling.waiting import offer_freed


def run_due() -> None:
    """Called every half minute by the beat; each piece is idempotent."""
    if holds_due():
        execute(ExpireHolds(), actor=TIMER)
    offer_freed()
    performing = config.load().performing
    if late.rematchable(performing.rematch_minutes):
        execute(RematchPerformedSteps(minutes=performing.rematch_minutes), actor=TIMER)
    if late.closable(performing.close_hours):
        execute(ClosePerformedSteps(hours=performing.close_hours), actor=TIMER)
    days = config.load().dicom.query_days
    if queries_due(days):
        execute(ForgetQueries(days=days), actor=TIMER)
    if dose_waiting.due_to_join():
        execute(JoinDoses(), actor=TIMER)
    if availability.due_to_join():
        execute(JoinAvailability(), actor=TIMER)
    if reading_leases.due_to_end():
        execute(EndSilentReadings(), actor=TIMER)
    if drafts.due_to_forget():
        execute(ForgetOrderDrafts(), actor=TIMER)
    authorization.run_due()
    critical.run_due()
    follow_ups.run_due()
    peer_review.run_due()
    unsafe_starts.note_late()
    message_runs.advance()
    subscriptions.run_due()
    patient_messages.run_due()
    referring.run_due()
    mammography.letters.run_due()
    analytics.run_due()
    traffic.count()
    alerts.watch()
    if parts.is_late():
        parts.give_up_late()
