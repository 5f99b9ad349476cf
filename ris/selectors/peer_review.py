"""Second looks: what a reader may review, what was said of his own reports, and the rates.

Who reviews does not learn whose report it is, and the other way round; only a manager sees both
sides' numbers. Nothing here is read by any page or interface but those of peer review.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from ris.domain.actors import Role
from ris.domain.errors import UnknownKeyError
from ris.domain.peer_review import (
    PeerReviewState,
    ReviewOrigin,
    SamplingRule,
    Score,
    percent_for,
)
from ris.domain.reporting import ReportStatus, VersionKind
from ris.models import (
    AuditEvent,
    PeerReview,
    PeerReviewMark,
    PeerReviewRule,
    Report,
    ReportVersion,
    ScheduledProcedureStep,
    User,
)
from ris.selectors.patients import to_view
from ris.selectors.report_readers import READS
from ris.selectors.reports import person_name
from ris.selectors.views import PatientView

AT_ONCE = 500
# What was withdrawn is nobody's reading any more.
_STANDING = (ReportStatus.FINAL.value, ReportStatus.AMENDED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blinded:
    """A report as a reviewer sees it: what was written, not by whom."""

    public_id: str
    patient: PatientView
    procedures: tuple[str, ...]  # public ids, to open the images by
    words: str
    reason: str
    number: int
    signed_at: datetime
    sections: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLine:
    """What was said of one's own report, not by whom."""

    public_id: str
    report: str
    words: str
    origin: ReviewOrigin
    score: str
    grade: str
    comment: str
    done_at: datetime | None
    is_seen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderLine:
    """A reader's numbers of a period. ``percent`` is what was drawn of the final reports."""

    name: str
    final: int
    drawn: int
    done: int
    percent: float
    wanted: float | None  # None: it differs by modality
    given: int
    knew: int  # of those given: the reviewer had seen whose report it was
    scores: tuple[tuple[Score, int], ...]

    @property
    def is_met(self) -> bool:
        """Every report that was drawn was reviewed."""
        return self.done >= self.drawn


# --- the sample


def rules() -> list[SamplingRule]:
    rows = PeerReviewRule.objects.order_by("reader", "modality")
    return [
        SamplingRule(reader=row.reader, modality=row.modality, percent=row.percent) for row in rows
    ]


def looked_until() -> datetime | None:
    row = PeerReviewMark.objects.first()
    return row.until if row else None


def finals_since(since: datetime, signed_since: datetime) -> list[ReportVersion]:
    """Final versions not in the sample yet, of reports that changed since then; oldest first."""
    return list(
        ReportVersion.objects.filter(
            kind=VersionKind.FINAL.value,
            signer__isnull=False,
            report__status__in=_STANDING,
            report__updated_at__gte=since,
            signed_at__gte=signed_since,
        )
        .exclude(report__peer_reviews__origin=ReviewOrigin.SAMPLED.value)
        .select_related("report", "signer")
        .order_by("report__updated_at", "pk")[:AT_ONCE]
    )


def modalities(reports: Iterable[int]) -> dict[int, str]:
    """The modality of each report's first step, by the report's key; one query."""
    rows = (
        ScheduledProcedureStep.objects.filter(procedure__reports__in=list(reports))
        .order_by("-pk")
        .values_list("procedure__reports", "modality")
    )
    return {report: modality for report, modality in rows if report}


def involved(report: Report) -> set[int]:
    """Whoever wrote or signed any version of it, or is writing it."""
    found = {report.author_id, getattr(report, "resident_id", None)}
    for row in report.versions.all():
        found |= {row.author_id, row.signer_id, getattr(row, "resident_id", None)}
    return {each for each in found if each is not None}


# --- a reviewer's work


def open_for(reviewer: int) -> QuerySet[PeerReview]:
    """What this reader may take: nothing he wrote or signed anything of, or has just given back.

    ``reviewer`` of an open one is who gave it back last.
    """
    mine = Report.objects.filter(
        own_of_report(reviewer), peer_reviews__status=PeerReviewState.OPEN.value
    )
    return (
        PeerReview.objects.filter(status=PeerReviewState.OPEN.value, report__status__in=_STANDING)
        .exclude(reader=reviewer)
        .exclude(reviewer=reviewer)
        .exclude(report__in=mine.values("pk"))
        .order_by("drawn_at", "pk")
    )


def own_of_report(user: int) -> Q:
    """Reports that somebody wrote or signed anything of."""
    return (
        Q(author=user)
        | Q(resident=user)
        | Q(versions__author=user)
        | Q(versions__signer=user)
        | Q(versions__resident=user)
    )


def taken_by(reviewer: int) -> list[PeerReview]:
    return list(
        PeerReview.objects.filter(status=PeerReviewState.TAKEN.value, reviewer=reviewer).order_by(
            "taken_at"
        )[:20]
    )


def knows(row: PeerReview, reviewer: str) -> bool:
    """Whether the reviewer looked at a page that says whose report it is, since it was signed.

    Those pages are not blinded: who treats the patient has to see whom to ask.
    """
    signed_at = row.report.versions.get(number=row.number).signed_at
    looks = AuditEvent.objects.filter(
        order=row.report.order_id,
        actor_name=reviewer,
        at__gte=signed_at,
        action__in=[*READS, "ViewOrder"],
    )
    return looks.exists()


def blinded(public_id: str, reviewer: int) -> Blinded:
    """What the reviewer who took it reads; raises UnknownKeyError for everybody else."""
    row = (
        PeerReview.objects.filter(
            public_id=public_id, reviewer=reviewer, status=PeerReviewState.TAKEN.value
        )
        .select_related("report__order__patient")
        .prefetch_related("report__procedures")
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such review of yours")
    version = row.report.versions.get(number=row.number)
    return Blinded(
        public_id=str(row.public_id),
        patient=to_view(row.report.order.patient),
        procedures=tuple(str(each.public_id) for each in row.report.procedures.all()),
        words=_words(row.report),
        reason=row.report.order.reason,
        number=row.number,
        signed_at=version.signed_at,
        sections=version.sections,
    )


def _words(report: Report) -> str:
    return ", ".join(each.description or each.code_meaning for each in report.procedures.all())


def own_results(reader: int, limit: int = 50) -> list[OwnLine]:
    """What was said of a reader's reports, the newest first."""
    rows = (
        PeerReview.objects.filter(reader=reader, status=PeerReviewState.DONE.value)
        .select_related("report")
        .prefetch_related("report__procedures")
        .order_by("-done_at", "-pk")[:limit]
    )
    return [
        OwnLine(
            public_id=str(row.public_id),
            report=str(row.report.public_id),
            words=_words(row.report),
            origin=ReviewOrigin(row.origin),
            score=row.score,
            grade=row.grade,
            comment=row.comment,
            done_at=row.done_at,
            is_seen=row.seen_at is not None,
        )
        for row in rows
    ]


# --- a manager's numbers


def readers(since: datetime, until: datetime) -> list[ReaderLine]:
    """Each reader's numbers of a period; five queries, whatever there is."""
    finals = Counter(
        dict(
            ReportVersion.objects.filter(
                kind=VersionKind.FINAL.value,
                signer__isnull=False,
                report__updated_at__gte=since,  # by the index; then exactly
                signed_at__gte=since,
                signed_at__lt=until,
            )
            .values_list("signer")
            .annotate(count=Count("pk"))
            .order_by()
        )
    )
    drawn: Counter[int] = Counter()
    done: Counter[int] = Counter()
    given: Counter[int] = Counter()
    knew: Counter[int] = Counter()
    scores: defaultdict[int, Counter[str]] = defaultdict(Counter)
    rows = (
        PeerReview.objects.filter(drawn_at__gte=since, drawn_at__lt=until)
        .exclude(status=PeerReviewState.DROPPED.value)
        .values_list("reader", "reviewer", "origin", "status", "score", "knew")
        .annotate(count=Count("pk"))
        .order_by()
    )
    for reader, reviewer, origin, status, score, knows_it, count in rows:
        is_done = status == PeerReviewState.DONE.value
        if origin == ReviewOrigin.SAMPLED.value:
            drawn[reader] += count
            done[reader] += count if is_done else 0
            if is_done and reviewer:
                given[reviewer] += count
                knew[reviewer] += count if knows_it else 0
        if is_done and score:
            scores[reader][score] += count
    known = rules()
    people = User.objects.select_related("practitioner").filter(
        pk__in={*finals, *drawn, *given, *scores}
    )
    return sorted(
        (
            ReaderLine(
                name=person_name(user).display or user.username,
                final=finals[user.pk],
                drawn=drawn[user.pk],
                done=done[user.pk],
                percent=100 * drawn[user.pk] / finals[user.pk] if finals[user.pk] else 0.0,
                wanted=_wanted(known, user.username),
                given=given[user.pk],
                knew=knew[user.pk],
                scores=tuple((score, scores[user.pk][score.value]) for score in Score),
            )
            for user in people
        ),
        key=lambda each: each.name,
    )


def _wanted(known: Sequence[SamplingRule], reader: str) -> float | None:
    """The share of a reader's reports, if it is one for all modalities."""
    if any(rule.modality and rule.reader in {"", reader} for rule in known):
        return None
    return percent_for(known, reader, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLine:
    """A second look that nobody gave yet; whose report it is does not matter for that."""

    public_id: str
    modality: str
    status: PeerReviewState
    drawn_at: datetime


def waiting_lines(limit: int = 50) -> list[WaitingLine]:
    """What waits longest first."""
    rows = PeerReview.objects.filter(
        status__in=[PeerReviewState.OPEN.value, PeerReviewState.TAKEN.value]
    ).order_by("drawn_at", "pk")[:limit]
    return [
        WaitingLine(
            public_id=str(row.public_id),
            modality=row.modality,
            status=PeerReviewState(row.status),
            drawn_at=row.drawn_at,
        )
        for row in rows
    ]


def logins() -> list[tuple[str, str]]:
    """Who signs final reports: login and name."""
    rows = User.objects.select_related("practitioner").filter(
        is_active=True, groups__name=Role.RADIOLOGIST.value
    )
    return [(row.username, person_name(row).display) for row in rows.order_by("username")]


# --- beside a report


@dataclass(frozen=True, slots=True)
class Beside:
    """What a reader may say of a report: that he saw it otherwise, or how a resident's differed."""

    may_flag: bool
    may_grade: bool
    grade: str = ""


def beside_report(report: Report, user: int) -> Beside:
    """``report`` with its versions; two queries at most."""
    versions = list(report.versions.all())
    signed = [row for row in versions if row.kind == VersionKind.FINAL.value]
    if not signed or signed[0].signer_id is None:
        return Beside(False, False)
    is_involved = user in involved(report)
    first = next(
        (
            row
            for row in versions
            if row.kind == VersionKind.PRELIMINARY.value
            and row.number < signed[0].number
            and row.signer_id not in {None, signed[0].signer_id}
        ),
        None,
    )
    may_grade = first is not None and signed[0].signer_id == user
    graded = (
        PeerReview.objects.filter(report=report, origin=ReviewOrigin.TRAINING.value, reviewer=user)
        .values_list("grade", flat=True)
        .first()
        if may_grade
        else None
    )
    return Beside(not is_involved, may_grade, graded or "")
