"""Work that is due by the clock, each piece a command like any other."""

from __future__ import annotations

from contextlib import ExitStack

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
    fhir_reindexing,
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
    """Called every half minute by the beat; each piece is idempotent.

    What fails stops no other piece (a critical result is asked for whatever becomes of a statistic)
    and is raised when all had their turn.
    """
    with ExitStack() as turns:
        for piece in reversed(_PIECES):
            turns.callback(piece)


def _expire_holds() -> None:
    if holds_due():
        execute(ExpireHolds(), actor=TIMER)


def _rematch_steps() -> None:
    minutes = config.load().performing.rematch_minutes
    if late.rematchable(minutes):
        execute(RematchPerformedSteps(minutes=minutes), actor=TIMER)


def _close_steps() -> None:
    hours = config.load().performing.close_hours
    if late.closable(hours):
        execute(ClosePerformedSteps(hours=hours), actor=TIMER)


def _forget_queries() -> None:
    days = config.load().dicom.query_days
    if queries_due(days):
        execute(ForgetQueries(days=days), actor=TIMER)


def _join_doses() -> None:
    if dose_waiting.due_to_join():
        execute(JoinDoses(), actor=TIMER)


def _join_availability() -> None:
    if availability.due_to_join():
        execute(JoinAvailability(), actor=TIMER)


def _end_silent_readings() -> None:
    if reading_leases.due_to_end():
        execute(EndSilentReadings(), actor=TIMER)


def _forget_drafts() -> None:
    if drafts.due_to_forget():
        execute(ForgetOrderDrafts(), actor=TIMER)


def _give_up_parts() -> None:
    if parts.is_late():
        parts.give_up_late()


# In this order; what a patient may be harmed by without comes first.
_PIECES = (
    critical.run_due,
    _expire_holds,
    offer_freed,
    _rematch_steps,
    _close_steps,
    _forget_queries,
    _join_doses,
    _join_availability,
    _end_silent_readings,
    _forget_drafts,
    authorization.run_due,
    follow_ups.run_due,
    peer_review.run_due,
    unsafe_starts.note_late,
    message_runs.advance,
    subscriptions.run_due,
    patient_messages.run_due,
    referring.run_due,
    mammography.letters.run_due,
    analytics.run_due,
    traffic.count,
    alerts.watch,
    _give_up_parts,
    fhir_reindexing.run_due,
)
