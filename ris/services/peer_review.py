"""Peer review: the sample is drawn, a report is taken, scored; what is found by chance is noted.

No command here emits an event: events are told to receivers and shown on timelines, and a score is
nobody's business but the reader's and the manager's. The audit names the review, not the score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from ris.domain.actors import TIMER, Role
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.peer_review import (
    EXPLAINED,
    PEER_REVIEW,
    AcknowledgePeerReview,
    DrawPeerReviews,
    DropPeerReview,
    FlagDiscrepancy,
    Grade,
    GradeDifference,
    PeerReviewState,
    PeerReviewTrigger,
    ReturnPeerReview,
    ReviewOrigin,
    SamplingRule,
    ScorePeerReview,
    SetSamplingRules,
    TakePeerReview,
    check_rules,
    is_drawn,
    may_review,
    percent_for,
)
from ris.domain.reporting import VersionKind
from ris.models import PeerReview, PeerReviewMark, PeerReviewRule, Report, ReportVersion
from ris.selectors import peer_review as selected
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._locks import public_key
from ris.services._sets import require_as_shown
from ris.services._transition import move, touch

OVERLAP = timedelta(minutes=5)  # what was committed late is looked at as well
REST = timedelta(minutes=30)  # so long the mark may stay behind if nothing was drawn
OLDEST = timedelta(days=7)
_COMMENT = 4000


def _secret() -> bytes:
    """Nobody who signs reports can tell which ones are picked."""
    return hashlib.sha256(f"peer review {settings.SECRET_KEY}".encode()).digest()


def _me(context: Context) -> int:
    if context.actor.user_id is None:
        raise DeniedError("reviews are given by people")
    return context.actor.user_id


# --- the sample


def set_sampling_rules(command: SetSamplingRules, context: Context) -> int:
    rules = [
        SamplingRule(
            reader=rule.reader.strip(),
            modality=rule.modality.strip().upper(),
            percent=rule.percent,
        )
        for rule in command.rules
    ]
    check_rules(rules)
    require_as_shown("peer review rules", selected.rules, command.expected_version)
    PeerReviewRule.objects.all().delete()
    PeerReviewRule.objects.bulk_create(
        [
            PeerReviewRule(
                reader=rule.reader[:150], modality=rule.modality[:16], percent=rule.percent
            )
            for rule in rules
        ]
    )
    _mark(context.now)
    context.subject = "PeerReviewRules"
    return len(rules)


def _mark(until: datetime) -> None:
    row = PeerReviewMark.objects.first() or PeerReviewMark()
    row.until = until
    row.save()


def _looked_at(until: datetime) -> list[ReportVersion]:
    return selected.finals_since(until - OVERLAP, until - OLDEST)


def _picked(
    rules: list[SamplingRule], versions: list[ReportVersion]
) -> Iterator[tuple[ReportVersion, str]]:
    """Those that belong to the sample, with their modality."""
    modalities = selected.modalities(row.report_id for row in versions)
    secret = _secret()
    for row in versions:
        modality = modalities.get(row.report_id, "")
        reader = row.signer.username if row.signer else ""
        if is_drawn(secret, str(row.report.public_id), percent_for(rules, reader, modality)):
            yield row, modality


def draw_peer_reviews(command: DrawPeerReviews, context: Context) -> int:
    versions = _looked_at(selected.looked_until() or context.now)
    drawn = [
        PeerReview(
            report=row.report,
            number=row.number,
            origin=ReviewOrigin.SAMPLED.value,
            modality=modality[:16],
            reader_id=row.signer_id,
            drawn_at=context.now,
        )
        for row, modality in _picked(selected.rules(), versions)
        if row.signer_id is not None
    ]
    PeerReview.objects.bulk_create(drawn)
    is_all = len(versions) < selected.AT_ONCE
    # Of more than can be looked at together the next look begins right behind this one.
    behind = OVERLAP + timedelta.resolution
    _mark(context.now if is_all else versions[-1].report.updated_at + behind)
    context.subject = "PeerReviews"
    return len(drawn)


def run_due() -> None:
    """The clock: pick from what was signed since it looked last."""
    rules = [rule for rule in selected.rules() if rule.percent > 0]
    if not rules:
        return
    until = selected.looked_until()
    now = timezone.now()
    if until is None or now - until > REST or any(_picked(rules, _looked_at(until))):
        execute(DrawPeerReviews(), actor=TIMER)


# --- reviewed


def take_peer_review(command: TakePeerReview, context: Context) -> str:
    me = _me(context)
    taken = selected.taken_by(me)
    if taken:
        return str(taken[0].public_id)
    row = selected.open_for(me).select_for_update(of=("self",), skip_locked=True).first()
    if row is None:
        context.subject = "PeerReviews"
        return ""
    row.reviewer_id = me
    row.taken_at = context.now
    move(row, PEER_REVIEW, PeerReviewTrigger.TAKE, "reviewer", "taken_at")
    context.about(row)
    return str(row.public_id)


def _locked(public_id: str) -> PeerReview:
    row = (
        PeerReview.objects.select_for_update(of=("self",))
        .select_related("report")
        .filter(public_id=public_key(public_id, "review"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such review")
    return row


def _mine(public_id: str, context: Context) -> PeerReview:
    """A review that the actor took; nobody learns of another's."""
    row = _locked(public_id)
    if row.reviewer_id != _me(context) or row.status != PeerReviewState.TAKEN.value:
        raise UnknownKeyError("no such review of yours")
    return row


def return_peer_review(command: ReturnPeerReview, context: Context) -> None:
    """Its row goes on naming who gave it back, so that it is not the next that he gets."""
    row = _mine(command.review, context)
    row.taken_at = None
    move(row, PEER_REVIEW, PeerReviewTrigger.RETURN, "taken_at")
    context.about(row)


def score_peer_review(command: ScorePeerReview, context: Context) -> None:
    row = _mine(command.review, context)
    if not may_review(_me(context), selected.involved(row.report)):
        raise StateConflictError("this report is yours by now: give it back")
    comment = command.comment.strip()[:_COMMENT]
    if command.score in EXPLAINED and not comment:
        raise MissingValueError("say what you saw otherwise", path="comment")
    row.score = command.score.value
    row.comment = comment
    row.done_at = context.now
    row.knew = selected.knows(row, context.actor.name)
    move(row, PEER_REVIEW, PeerReviewTrigger.SCORE, "score", "comment", "done_at", "knew")
    context.about(row)


def drop_peer_review(command: DropPeerReview, context: Context) -> None:
    reason = command.reason.strip()[:500]
    if not reason:
        raise MissingValueError("say why it is left out", path="reason")
    row = _locked(command.review)
    row.comment = reason
    move(row, PEER_REVIEW, PeerReviewTrigger.DROP, "comment")
    context.about(row)


def acknowledge_peer_review(command: AcknowledgePeerReview, context: Context) -> None:
    row = _locked(command.review)
    if row.reader_id != _me(context) or row.status != PeerReviewState.DONE.value:
        raise UnknownKeyError("no such review of your reports")
    if row.seen_at is None:
        row.seen_at = context.now
        touch(row, "seen_at")
    context.about(row)


# --- found by chance, and residents


def _report(public_id: str) -> tuple[Report, ReportVersion]:
    """The report with its final version."""
    report = (
        Report.objects.prefetch_related("versions")
        .filter(public_id=public_key(public_id, "report"))
        .first()
    )
    if report is None:
        raise UnknownKeyError("no such report")
    final = next((row for row in report.versions.all() if row.kind == VersionKind.FINAL), None)
    if final is None or final.signer_id is None:
        raise StateConflictError("only what was signed as final here is reviewed")
    return report, final


def flag_discrepancy(command: FlagDiscrepancy, context: Context) -> str:
    me = _me(context)
    report, final = _report(command.report)
    if not may_review(me, selected.involved(report)):
        raise StateConflictError("your own report is amended, not reviewed")
    comment = command.comment.strip()[:_COMMENT]
    if not comment:
        raise MissingValueError("say what you saw otherwise", path="comment")
    if command.score not in EXPLAINED:
        raise InvalidValueError("who agrees has nothing to say", path="score")
    row = PeerReview.objects.filter(
        report=report, origin=ReviewOrigin.CHANCE.value, reviewer_id=me
    ).first() or PeerReview(report=report, origin=ReviewOrigin.CHANCE.value, reviewer_id=me)
    return _done(row, final, final.signer_id, context, score=command.score.value, comment=comment)


def grade_difference(command: GradeDifference, context: Context) -> str:
    me = _me(context)
    report, final = _report(command.report)
    if final.signer_id != me:
        raise StateConflictError("who signed the final report grades the difference")
    first = next(
        (
            row
            for row in reversed(list(report.versions.all()))
            if row.kind == VersionKind.PRELIMINARY.value
            and row.number < final.number
            and row.signer_id not in {None, me}
        ),
        None,
    )
    if first is None:
        raise StateConflictError("there is no preliminary report of somebody else")
    note = command.note.strip()[:_COMMENT]
    if command.grade is not Grade.NONE and not note:
        raise MissingValueError("say what was different", path="note")
    row = PeerReview.objects.filter(report=report, origin=ReviewOrigin.TRAINING.value).first()
    row = row or PeerReview(report=report, origin=ReviewOrigin.TRAINING.value, reviewer_id=me)
    return _done(row, first, first.signer_id, context, grade=command.grade.value, comment=note)


def _done(
    row: PeerReview,
    version: ReportVersion,
    reader: int | None,
    context: Context,
    *,
    comment: str,
    score: str = "",
    grade: str = "",
) -> str:
    if reader is None:
        raise StateConflictError("nobody here signed it")
    row.number = version.number
    row.reader_id = reader
    row.modality = selected.modalities([version.report_id]).get(version.report_id, "")[:16]
    row.score, row.grade, row.comment = score, grade, comment
    row.drawn_at = row.taken_at = row.done_at = context.now
    row.seen_at = None
    if row._state.adding:
        move(row, PEER_REVIEW, PeerReviewTrigger.TAKE)
        move(row, PEER_REVIEW, PeerReviewTrigger.SCORE)
    else:
        touch(
            row, "number", "reader", "modality", "score", "grade", "comment", "drawn_at",
            "taken_at", "done_at", "seen_at",
        )  # fmt: skip
    context.about(row)
    return str(row.public_id)


HANDLERS = {
    SetSamplingRules: set_sampling_rules,
    DrawPeerReviews: draw_peer_reviews,
    TakePeerReview: take_peer_review,
    ReturnPeerReview: return_peer_review,
    ScorePeerReview: score_peer_review,
    DropPeerReview: drop_peer_review,
    AcknowledgePeerReview: acknowledge_peer_review,
    FlagDiscrepancy: flag_discrepancy,
    GradeDifference: grade_difference,
}

_READERS = {Role.RADIOLOGIST}

PERMISSIONS = {
    SetSamplingRules: {Role.MANAGER},
    DrawPeerReviews: {Role.SYSTEM},
    TakePeerReview: _READERS,
    ReturnPeerReview: _READERS,
    ScorePeerReview: _READERS,
    DropPeerReview: {Role.MANAGER},
    AcknowledgePeerReview: _READERS | {Role.RESIDENT},
    FlagDiscrepancy: _READERS,
    GradeDifference: _READERS,
}
