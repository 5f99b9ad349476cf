"""Exams that reports recommend, with what became of them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from ris.domain.follow_ups import LIVE, Arranger, FollowUpState
from ris.models.base import Public, known


class FollowUpRecommendation(Public):
    """One recommended exam. ``order`` is the one whose report says so; it names the patient."""

    order = models.ForeignKey("ris.Order", on_delete=models.PROTECT, related_name="recommended")
    report = models.ForeignKey(
        "ris.Report", on_delete=models.PROTECT, related_name="recommendations"
    )
    status = models.CharField(max_length=8, default=FollowUpState.OPEN.value)
    words = models.CharField(max_length=200)
    reason = models.CharField(max_length=500, blank=True, default="")
    definition = models.ForeignKey(
        "ris.ProcedureDefinition",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    code_value = models.CharField(max_length=64, blank=True, default="")
    modality = models.CharField(max_length=16, blank=True, default="")
    body_part = models.CharField(max_length=64, blank=True, default="")
    due_from = models.DateField(null=True, blank=True)
    due_to = models.DateField()
    arranger = models.CharField(max_length=10, default=Arranger.REFERRER.value)
    recommended_at = models.DateTimeField()
    recommended_by = models.CharField(max_length=150, blank=True, default="")
    linked = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.PROTECT, related_name="follows_up"
    )
    # It may be this one; a person says.
    proposed = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    refused = models.JSONField(default=list, blank=True)  # public ids of orders it is not
    reminders = models.JSONField(default=list, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    closed_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", FollowUpState), name="follow_up_status_known"
            ),
            models.CheckConstraint(
                condition=known("arranger", Arranger), name="follow_up_arranger_known"
            ),
            models.CheckConstraint(
                condition=Q(due_from__isnull=True) | Q(due_to__gte=F("due_from")),
                name="follow_up_ends_after_start",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_to"],
                condition=Q(status__in=[state.value for state in LIVE]),
                name="follow_up_live",
            ),
            models.Index(fields=["status", "due_to"], name="follow_up_status_due"),
            models.Index(fields=["recommended_at"], name="follow_up_recommended"),
            models.Index(fields=["updated_at"], name="follow_up_changed"),
        ]

    def __str__(self) -> str:
        return f"follow-up {self.public_id}"
