"""Breast exams: assessments, recalls, outcomes, letters and their words."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from ris.domain.mammography import BreastExam, Category, Density, Pathology, RecallKind, RecallState
from ris.domain.mammography_letters import LetterState, Topic
from ris.models.base import Public, known


class BreastAssessment(Public):
    """What a reader found of a breast exam, with its report; counted from its signing on.

    The patient is that of the report's order, so that a merge has nothing to move here.
    """

    report = models.OneToOneField(
        "ris.Report", on_delete=models.PROTECT, related_name="breast_assessment"
    )
    exam = models.CharField(max_length=12)
    right = models.CharField(max_length=2, blank=True, default="")
    left = models.CharField(max_length=2, blank=True, default="")
    overall = models.CharField(max_length=2)
    density = models.CharField(max_length=1, blank=True, default="")
    examined_on = models.DateField()
    watched_until = models.DateField()  # an outcome up to here says whether the exam was right
    assessed_by = models.CharField(max_length=150, blank=True, default="")
    # Who signed it as final: whose figures it counts in.
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    signed_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("exam", BreastExam), name="breast_assessment_exam_known"
            ),
            models.CheckConstraint(
                condition=known("overall", Category), name="breast_assessment_overall_known"
            ),
            models.CheckConstraint(
                condition=Q(right="") | known("right", Category),
                name="breast_assessment_right_known",
            ),
            models.CheckConstraint(
                condition=Q(left="") | known("left", Category),
                name="breast_assessment_left_known",
            ),
            models.CheckConstraint(
                condition=Q(density="") | known("density", Density),
                name="breast_assessment_density_known",
            ),
        ]
        indexes = [
            models.Index(fields=["examined_on", "exam"], name="breast_assessment_examined"),
            models.Index(fields=["reader", "examined_on"], name="breast_assessment_reader"),
        ]

    def __str__(self) -> str:
        return f"assessment {self.public_id}"


class BreastRecall(Public):
    """What an assessment asks for, until it is done or a person says why it is not."""

    assessment = models.ForeignKey(
        BreastAssessment, on_delete=models.PROTECT, related_name="recalls"
    )
    kind = models.CharField(max_length=12)
    due_on = models.DateField()
    state = models.CharField(max_length=10, default=RecallState.OPEN.value)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=150, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    # The later exam that did it.
    answered_by = models.ForeignKey(
        BreastAssessment, null=True, blank=True, on_delete=models.PROTECT, related_name="answers"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("kind", RecallKind), name="breast_recall_kind"),
            models.CheckConstraint(
                condition=known("state", RecallState), name="breast_recall_state"
            ),
            models.UniqueConstraint(
                fields=["assessment"],
                condition=Q(state=RecallState.OPEN.value),
                name="breast_recall_open_once",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_on"], name="breast_recall_due"),
            models.Index(fields=["settled_at"], name="breast_recall_settled"),
        ]

    def __str__(self) -> str:
        return f"recall {self.public_id}"


class BreastOutcome(Public):
    """What pathology found after an exam; what was noted by mistake stays, as withdrawn."""

    assessment = models.ForeignKey(
        BreastAssessment, on_delete=models.PROTECT, related_name="outcomes"
    )
    result = models.CharField(max_length=10)
    taken_on = models.DateField()
    side = models.CharField(max_length=1, blank=True, default="")
    source = models.CharField(max_length=200, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    recorded_by = models.CharField(max_length=150, blank=True, default="")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_note = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("result", Pathology), name="breast_outcome_known"
            )
        ]
        indexes = [models.Index(fields=["taken_on"], name="breast_outcome_taken")]

    def __str__(self) -> str:
        return f"outcome {self.public_id}"


class BreastLetter(Public):
    """A letter to a patient about a breast exam; its words are settled when it is printed."""

    assessment = models.ForeignKey(
        BreastAssessment, on_delete=models.PROTECT, related_name="letters"
    )
    recall = models.ForeignKey(
        BreastRecall, null=True, blank=True, on_delete=models.PROTECT, related_name="letters"
    )
    topic = models.CharField(max_length=12)
    state = models.CharField(max_length=8, default=LetterState.PLANNED.value)
    due_at = models.DateTimeField()
    # The letter before it that does not hold any more.
    replaces = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced_by"
    )
    language = models.CharField(max_length=10, blank=True, default="")
    text = models.TextField(blank=True, default="")
    printed_at = models.DateTimeField(null=True, blank=True)
    printed_by = models.CharField(max_length=150, blank=True, default="")
    sent_at = models.DateTimeField(null=True, blank=True)
    sent_by = models.CharField(max_length=150, blank=True, default="")
    sent_how = models.CharField(max_length=8, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="")  # why it was stopped

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("topic", Topic), name="breast_letter_topic"),
            models.CheckConstraint(
                condition=known("state", LetterState), name="breast_letter_state"
            ),
            models.UniqueConstraint(
                fields=["recall"],
                condition=Q(topic=Topic.REMINDER.value),
                name="breast_letter_one_reminder",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"], name="breast_letter_due"),
            models.Index(fields=["state", "sent_at"], name="breast_letter_sent"),
            models.Index(fields=["state", "updated_at"], name="breast_letter_changed"),
        ]

    def __str__(self) -> str:
        return f"letter {self.public_id}"


class BreastLetterText(Public):
    """A site's own words for a letter, or for a part of one."""

    kind = models.CharField(max_length=12)
    language = models.CharField(max_length=10)
    body = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "language"], name="breast_letter_text_unique")
        ]

    def __str__(self) -> str:
        return f"{self.kind} in {self.language}"


class LetterChoice(Public):
    """Whether a patient wants letters about breast exams; of several the latest counts."""

    patient = models.ForeignKey(
        "ris.Patient", on_delete=models.CASCADE, related_name="letter_choices"
    )
    wanted = models.BooleanField()
    note = models.CharField(max_length=200, blank=True, default="")
    said_by = models.CharField(max_length=150, blank=True, default="")

    def __str__(self) -> str:
        return f"choice {self.public_id}"


class MammographyRules(Public):
    """How long the site waits for what; without a row what holds everywhere."""

    name = models.CharField(max_length=10, unique=True, default="site")
    letters = models.BooleanField(default=True)
    letter_hours = models.PositiveSmallIntegerField(default=24)
    additional_days = models.PositiveSmallIntegerField(default=30)
    interval_months = models.PositiveSmallIntegerField(default=6)
    biopsy_days = models.PositiveSmallIntegerField(default=14)
    reminder_days = models.PositiveSmallIntegerField(default=14)

    def __str__(self) -> str:
        return self.name
