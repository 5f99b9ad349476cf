"""Critical findings with their clocks, the attempts to tell them, and a site's categories."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.critical import RUNNING, CriticalState
from ris.models.base import Public, known


class CriticalCategory(models.Model):
    """A kind of urgency with its limit; without rows the starter's count."""

    position = models.PositiveSmallIntegerField(unique=True)
    code = models.CharField(max_length=16, unique=True)
    name = models.CharField(max_length=100)
    minutes = models.PositiveIntegerField()
    share = models.PositiveSmallIntegerField(default=50)
    escalation = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(condition=Q(minutes__gte=1), name="critical_category_limit"),
            models.CheckConstraint(
                condition=Q(share__gte=1, share__lte=100), name="critical_category_share"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class CriticalPolicy(models.Model):
    """The site's rule, one row; without it the rule is on."""

    holds_final = models.BooleanField(default=True)

    def __str__(self) -> str:
        return "critical results"


class CriticalFinding(Public):
    """A finding that somebody must be told. Its category is kept as it was when it was flagged."""

    order = models.ForeignKey(
        "ris.Order", on_delete=models.PROTECT, related_name="critical_findings"
    )
    procedure = models.ForeignKey(
        "ris.RequestedProcedure",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="critical_findings",
    )
    report = models.ForeignKey(
        "ris.Report",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="critical_findings",
    )
    # What the report and its receivers know of it (FHIR Observation), once it was told.
    result = models.OneToOneField(
        "ris.CriticalResult",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="critical_finding",
    )
    status = models.CharField(max_length=12, default=CriticalState.OPEN.value)
    finding = models.TextField()
    category = models.CharField(max_length=16)
    category_name = models.CharField(max_length=100)
    minutes = models.PositiveIntegerField()
    share = models.PositiveSmallIntegerField()
    escalation = models.JSONField(default=list, blank=True)
    tell = models.CharField(max_length=200, blank=True, default="")
    phone = models.CharField(max_length=250, blank=True, default="")
    flagged_at = models.DateTimeField()
    flagged_by = models.CharField(max_length=150, blank=True, default="")
    due_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=200, blank=True, default="")
    closed_reason = models.CharField(max_length=500, blank=True, default="")
    # Who was asked last because nobody acknowledged, and when the next one is.
    level = models.PositiveSmallIntegerField(default=0)
    asked = models.CharField(max_length=150, blank=True, default="")
    escalates_at = models.DateTimeField(null=True, blank=True)
    waived = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", CriticalState), name="critical_finding_status_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(status__in=[state.value for state in RUNNING]),
                name="critical_running",
            ),
            models.Index(
                fields=["escalates_at"],
                condition=Q(escalates_at__isnull=False),
                name="critical_escalates",
            ),
            models.Index(
                fields=["closed_at"],
                condition=Q(closed_at__isnull=False),
                name="critical_closed_at",
            ),
            models.Index(fields=["flagged_at"], name="critical_flagged"),
        ]

    def __str__(self) -> str:
        return f"critical finding {self.public_id}"


class CriticalAttempt(models.Model):
    """Who was called, and whether that person was reached."""

    critical = models.ForeignKey(CriticalFinding, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    by = models.CharField(max_length=150)
    who = models.CharField(max_length=200)
    how = models.CharField(max_length=30)
    reached = models.BooleanField()
    read_back = models.BooleanField(default=False)
    note = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"attempt {self.pk}"
