"""Safety questions, what was answered, what was let go on all the same, results that fill in."""

from __future__ import annotations

from django.db import models

from ris.domain.safety import AnswerKind, AnswerSource, Gate, Told
from ris.models.base import Public, known


class SafetyQuestion(Public):
    """A question of the catalog; one that is retired keeps its answers."""

    code = models.CharField(max_length=32, unique=True)
    words = models.CharField(max_length=200)
    kind = models.CharField(max_length=6, default=AnswerKind.YES_NO.value)
    unit = models.CharField(max_length=32, blank=True, default="")
    choices = models.JSONField(default=list, blank=True)  # [[value, words], ...]
    help = models.CharField(max_length=300, blank=True, default="")
    modalities = models.JSONField(default=list, blank=True)
    contrast_only = models.BooleanField(default=False)
    sex = models.CharField(max_length=1, blank=True, default="")
    age_from = models.PositiveSmallIntegerField(null=True, blank=True)
    age_to = models.PositiveSmallIntegerField(null=True, blank=True)
    procedures = models.JSONField(default=list, blank=True)
    sites = models.JSONField(default=list, blank=True)
    unsafe = models.CharField(max_length=500, blank=True, default="")  # rules, as they are written
    gate = models.CharField(max_length=7, default=Gate.START.value)
    override = models.JSONField(default=list, blank=True)  # roles; empty: nobody
    dated = models.BooleanField(default=False)
    loinc = models.JSONField(default=list, blank=True)
    told = models.CharField(max_length=9, blank=True, default="")
    told_words = models.CharField(max_length=64, blank=True, default="")
    offer_days = models.PositiveSmallIntegerField(default=365)
    position = models.PositiveSmallIntegerField(default=100)
    patient_words = models.CharField(max_length=200, blank=True, default="", db_default="")
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("kind", AnswerKind), name="safety_question_kind_known"
            ),
            models.CheckConstraint(
                condition=known("gate", Gate), name="safety_question_gate_known"
            ),
            models.CheckConstraint(
                condition=known("told", Told), name="safety_question_told_known"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class SafetyAnswer(Public):
    """An answer to a question for an order; the latest counts, the earlier ones are its history."""

    patient = models.ForeignKey(
        "ris.Patient", on_delete=models.PROTECT, related_name="safety_answers"
    )
    order = models.ForeignKey("ris.Order", on_delete=models.CASCADE, related_name="safety_answers")
    step = models.ForeignKey(
        "ris.ScheduledProcedureStep",
        null=True,
        on_delete=models.SET_NULL,
        related_name="safety_answers",
    )
    question = models.ForeignKey(SafetyQuestion, on_delete=models.PROTECT, related_name="answers")
    words = models.CharField(max_length=200)  # as it was asked
    value = models.CharField(max_length=500)
    value_on = models.DateField(null=True, blank=True)
    unsafe = models.BooleanField(default=False)
    reasons = models.CharField(max_length=300, blank=True, default="")
    source = models.CharField(max_length=7, default=AnswerSource.PERSON.value)
    answered_by = models.CharField(max_length=150)
    answered_at = models.DateTimeField()
    # Another answer to the same question came later, or the patient said otherwise.
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("source", AnswerSource), name="safety_answer_source_known"
            ),
            models.UniqueConstraint(
                fields=["order", "question"],
                condition=models.Q(superseded_at__isnull=True),
                name="safety_answer_one_counts",
            ),
        ]
        indexes = [
            models.Index(
                fields=["patient", "question", "-answered_at"], name="safety_answer_patient"
            )
        ]

    def __str__(self) -> str:
        return f"safety answer {self.pk}"


class DeclaredAnswer(Public):
    """What the patient said at the page of the appointment: known, and of no effect by itself.

    A person confirms it (:class:`SafetyAnswer`); the latest of an order's question counts.
    """

    order = models.ForeignKey(
        "ris.Order", on_delete=models.CASCADE, related_name="declared_answers"
    )
    question = models.ForeignKey(SafetyQuestion, on_delete=models.PROTECT, related_name="+")
    words = models.CharField(max_length=200)  # as it was asked
    value = models.CharField(max_length=500)
    value_on = models.DateField(null=True, blank=True)
    declared_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "question"],
                condition=models.Q(superseded_at__isnull=True),
                name="declared_answer_one_counts",
            )
        ]

    def __str__(self) -> str:
        return f"declared answer {self.pk}"


class SafetyOverride(Public):
    """Somebody let an exam go on although a question was open or its answer unsafe."""

    order = models.ForeignKey(
        "ris.Order", on_delete=models.CASCADE, related_name="safety_overrides"
    )
    step = models.ForeignKey(
        "ris.ScheduledProcedureStep", on_delete=models.CASCADE, related_name="safety_overrides"
    )
    question = models.ForeignKey(SafetyQuestion, on_delete=models.PROTECT, related_name="+")
    # The answer that was known then; another one asks for another override.
    answer = models.ForeignKey(
        SafetyAnswer, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.CharField(max_length=500)
    actor_name = models.CharField(max_length=150)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"safety override {self.pk}"


class PatientObservation(Public):
    """A result that came by itself or with an order, of a kind that safety questions are about."""

    patient = models.ForeignKey(
        "ris.Patient", on_delete=models.PROTECT, related_name="observations"
    )
    order = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.SET_NULL, related_name="observations"
    )
    code = models.CharField(max_length=16)  # LOINC
    meaning = models.CharField(max_length=200, blank=True, default="")
    value = models.CharField(max_length=100)
    unit = models.CharField(max_length=32, blank=True, default="")
    observed_at = models.DateTimeField()
    source = models.CharField(max_length=7)
    sender = models.CharField(max_length=150, blank=True, default="")
    key = models.CharField(max_length=100, blank=True, default="")
    withdrawn = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["patient", "code", "-observed_at"], name="observation_patient"),
            models.Index(fields=["key"], name="observation_key"),
        ]

    def __str__(self) -> str:
        return f"observation {self.pk}"
