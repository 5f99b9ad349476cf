"""Figures about reports of a period: told in time, followed up, amended, seen otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Min, Q
from django.db.models.functions import Coalesce

from ris.domain.critical import RUNNING, CriticalState
from ris.domain.follow_ups import FollowUpState
from ris.domain.peer_review import Grade, PeerReviewState, ReviewOrigin, Score
from ris.domain.reporting import VersionKind
from ris.models import CriticalFinding, FollowUpRecommendation, PeerReview, ReportVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Critical findings of a category: told within its limit, told or waiting beyond it."""

    category: str
    flagged: int
    in_time: int
    late: int

    @property
    def share(self) -> int | None:
        """In percent of those whose time is over or that were told; None before there is one."""
        judged = self.in_time + self.late
        return round(100 * self.in_time / judged) if judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amended:
    """What was signed; ``rate`` is of a hundred final reports."""

    finals: int
    addenda: int
    corrections: int
    withdrawn: int

    def rate(self, count: int) -> float:
        return 100 * count / self.finals if self.finals else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Second looks of the sample, and how residents' reports were graded."""

    scores: Mapping[Score, int]
    grades: Mapping[Grade, int]
    by_chance: int

    @property
    def reviewed(self) -> int:
        return sum(self.scores.values())

    @property
    def otherwise(self) -> int:
        return self.reviewed - self.scores[Score.CONCUR]


def told(since: datetime, until: datetime, now: datetime) -> list[Told]:
    """By category, the shortest limit first; what was withdrawn was none. One query."""
    rows = (
        CriticalFinding.objects.filter(flagged_at__gte=since, flagged_at__lt=until)
        .exclude(status=CriticalState.WITHDRAWN.value)
        .annotate(known_at=Coalesce("told_at", "closed_at"))
        .values("category_name")
        .annotate(
            limit=Min("minutes"),
            flagged=Count("pk"),
            in_time=Count("pk", filter=Q(known_at__lte=F("due_at"))),
            late=Count(
                "pk",
                filter=Q(known_at__gt=F("due_at"))
                | Q(known_at=None, status__in=[state.value for state in RUNNING], due_at__lt=now),
            ),
        )
        .order_by("limit", "category_name")
    )
    return [
        Told(
            category=row["category_name"],
            flagged=row["flagged"],
            in_time=row["in_time"],
            late=row["late"],
        )
        for row in rows
    ]


def followed(since: datetime, until: datetime) -> dict[FollowUpState, int]:
    """What became of the exams recommended in the period; one query."""
    found = dict(
        FollowUpRecommendation.objects.filter(recommended_at__gte=since, recommended_at__lt=until)
        .values_list("status")
        .annotate(count=Count("pk"))
        .order_by()
    )
    return {state: found.get(state.value, 0) for state in FollowUpState}


def amended(since: datetime, until: datetime) -> Amended:
    """One query."""
    found = dict(
        ReportVersion.objects.filter(signed_at__gte=since, signed_at__lt=until)
        .values_list("kind")
        .annotate(count=Count("pk"))
        .order_by()
    )
    return Amended(
        finals=found.get(VersionKind.FINAL.value, 0),
        addenda=found.get(VersionKind.ADDENDUM.value, 0),
        corrections=found.get(VersionKind.CORRECTION.value, 0),
        withdrawn=found.get(VersionKind.RETRACTION.value, 0),
    )


def seconds(since: datetime, until: datetime) -> Seconds:
    """Of all readers together, for nobody is named in figures. One query."""
    scores = dict.fromkeys(Score, 0)
    grades = dict.fromkeys(Grade, 0)
    by_chance = 0
    rows = (
        PeerReview.objects.filter(
            drawn_at__gte=since, drawn_at__lt=until, status=PeerReviewState.DONE.value
        )
        .values_list("origin", "score", "grade")
        .annotate(count=Count("pk"))
        .order_by()
    )
    for origin, score, grade, count in rows:
        if origin == ReviewOrigin.SAMPLED.value and score:
            scores[Score(score)] += count
        elif origin == ReviewOrigin.TRAINING.value and grade:
            grades[Grade(grade)] += count
        elif origin == ReviewOrigin.CHANCE.value:
            by_chance += count
    return Seconds(scores=scores, grades=grades, by_chance=by_chance)
