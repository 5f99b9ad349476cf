"""What people mended of exams, what waits for their decision, and UIDs that mean the same study."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.corrections import CorrectionKind
from ris.domain.discontinuation import FollowUpKind
from ris.models.base import Public, known


class PerformedCorrection(Public):
    """One correction of a performed step: what was before and after, who, why, and if it stands."""

    performed = models.ForeignKey(
        "ris.PerformedProcedureStep", on_delete=models.CASCADE, related_name="corrections"
    )
    kind = models.CharField(max_length=13)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.CharField(max_length=500)
    actor_name = models.CharField(max_length=150)
    at = models.DateTimeField()
    # The order that was made of the exam, for as long as the correction stands.
    order = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.PROTECT, related_name="made_from"
    )
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=150, blank=True, default="")
    undone_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("kind", CorrectionKind), name="correction_kind_known"
            )
        ]
        indexes = [models.Index(fields=["at"], name="correction_at")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.performed_id}"


class FollowUp(Public):
    """What a performed step leaves for a person to decide; open until it is settled."""

    performed = models.ForeignKey(
        "ris.PerformedProcedureStep", on_delete=models.CASCADE, related_name="follow_ups"
    )
    order = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.PROTECT, related_name="follow_ups"
    )
    step = models.ForeignKey(
        "ris.ScheduledProcedureStep",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="follow_ups",
    )
    kind = models.CharField(max_length=8)
    reason = models.JSONField(default=dict, blank=True)
    detail = models.CharField(max_length=300, blank=True, default="")
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=150, blank=True, default="")
    action = models.CharField(max_length=13, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("kind", FollowUpKind), name="follow_up_kind_known"
            )
        ]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(settled_at__isnull=True), name="follow_up_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.performed_id}"


class StudyAlias(models.Model):
    """A Study Instance UID under which a modality performed what was ordered under another.

    In the group case several requested procedures are acquired as one study.
    """

    study_instance_uid = models.CharField(max_length=64, db_index=True)
    procedure = models.ForeignKey(
        "ris.RequestedProcedure", on_delete=models.CASCADE, related_name="aliases"
    )
    performed = models.ForeignKey(
        "ris.PerformedProcedureStep", on_delete=models.CASCADE, related_name="aliases"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["performed", "procedure"], name="study_alias_unique")
        ]

    def __str__(self) -> str:
        return self.study_instance_uid
