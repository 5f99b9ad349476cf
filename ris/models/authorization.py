"""Insurances of patients, and how the payers' agreement to orders stands."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from ris.domain.authorization import MANUAL, AuthorizationState
from ris.models.base import Public, Versioned, known


class Coverage(Public):
    """An insurance as it was told (IN1, FHIR Coverage, a page)."""

    patient = models.ForeignKey("ris.Patient", on_delete=models.PROTECT, related_name="coverages")
    payer = models.CharField(max_length=200)
    plan = models.CharField(max_length=200, blank=True, default="")
    member_number = models.CharField(max_length=64, blank=True, default="")
    group_number = models.CharField(max_length=64, blank=True, default="")
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=20, blank=True, default="")
    key = models.CharField(max_length=100, blank=True, default="")
    active = models.BooleanField(default=True)

    class Meta:
        indexes = [models.Index(fields=["key"], name="coverage_key")]

    def __str__(self) -> str:
        return f"coverage {self.pk}"


class AuthorizationRule(models.Model):
    """For which exams and payers an authorization is needed; in order, the first that fits."""

    position = models.PositiveSmallIntegerField(unique=True)
    procedures = models.JSONField(default=list, blank=True)
    modalities = models.JSONField(default=list, blank=True)
    payers = models.JSONField(default=list, blank=True)
    needed = models.BooleanField(default=True)
    adapter = models.CharField(max_length=40, default=MANUAL)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"rule {self.position}"


class Authorization(Versioned):
    """A payer's agreement to one order; without a row the rules say whether it is needed."""

    order = models.OneToOneField(
        "ris.Order", on_delete=models.CASCADE, related_name="authorization"
    )
    status = models.CharField(max_length=10, default=AuthorizationState.REQUIRED.value)
    coverage = models.ForeignKey(
        Coverage, null=True, blank=True, on_delete=models.SET_NULL, related_name="authorizations"
    )
    payer = models.CharField(max_length=200, blank=True, default="")
    adapter = models.CharField(max_length=40, default=MANUAL)
    number = models.CharField(max_length=64, blank=True, default="")
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True)
    units = models.PositiveSmallIntegerField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True, default="")
    requested_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", AuthorizationState), name="authorization_status_known"
            ),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True)
                | Q(valid_from__isnull=True)
                | Q(valid_until__gte=F("valid_from")),
                name="authorization_ends_after_start",
            ),
        ]
        indexes = [models.Index(fields=["status", "valid_until"], name="authorization_status")]

    def __str__(self) -> str:
        return f"authorization {self.public_id}"
