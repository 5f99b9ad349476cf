"""Reports that are read again by somebody else, what that said, and how they are picked."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from ris.domain.peer_review import Grade, PeerReviewState, ReviewOrigin, Score
from ris.models.base import Public, known


class PeerReviewRule(models.Model):
    """A share of final reports, in percent; empty means every reader, every modality."""

    reader = models.CharField(max_length=150, blank=True, default="")
    modality = models.CharField(max_length=16, blank=True, default="")
    percent = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reader", "modality"], name="peer_review_rule_once"),
            models.CheckConstraint(
                condition=Q(percent__gte=0, percent__lte=100), name="peer_review_rule_percent"
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.pk}"


class PeerReviewMark(models.Model):
    """Up to when final reports were looked at for the sample; one row."""

    until = models.DateTimeField()

    def __str__(self) -> str:
        return "peer review"


class PeerReview(Public):
    """One second look. ``reader`` is whose report it is, ``reviewer`` who looks."""

    report = models.ForeignKey("ris.Report", on_delete=models.PROTECT, related_name="peer_reviews")
    number = models.PositiveIntegerField()  # the version that is looked at
    origin = models.CharField(max_length=8)
    status = models.CharField(max_length=7, default=PeerReviewState.OPEN.value)
    modality = models.CharField(max_length=16, blank=True, default="")
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reports_reviewed"
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="reviews_given",
    )
    drawn_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    score = models.CharField(max_length=2, blank=True, default="")
    grade = models.CharField(max_length=5, blank=True, default="")
    comment = models.TextField(blank=True, default="")
    # Whether the reviewer had opened the report or its order, which say whose it is.
    knew = models.BooleanField(default=False, db_default=False)
    seen_at = models.DateTimeField(null=True, blank=True)  # by whose report it is

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", PeerReviewState), name="peer_review_status_known"
            ),
            models.CheckConstraint(
                condition=known("origin", ReviewOrigin), name="peer_review_origin_known"
            ),
            models.CheckConstraint(
                condition=Q(score="") | known("score", Score), name="peer_review_score_known"
            ),
            models.CheckConstraint(
                condition=Q(grade="") | known("grade", Grade), name="peer_review_grade_known"
            ),
            models.CheckConstraint(
                condition=Q(reviewer__isnull=True) | ~Q(reviewer=models.F("reader")),
                name="peer_review_of_another",
            ),
            models.UniqueConstraint(
                fields=["report"],
                condition=Q(origin=ReviewOrigin.SAMPLED.value),
                name="peer_review_sampled_once",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "drawn_at"], name="peer_review_status"),
            models.Index(fields=["reader", "done_at"], name="peer_review_reader"),
            models.Index(fields=["drawn_at"], name="peer_review_drawn"),
        ]

    def __str__(self) -> str:
        return f"peer review {self.public_id}"
