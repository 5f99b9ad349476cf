"""Who reads what: leases on reports, what each reader reads, and the times reports are due."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from ris.domain.orders import Priority
from ris.domain.patients import PatientClass
from ris.domain.reading import LeaseEnd
from ris.models.base import known


class ReadingLease(models.Model):
    """One reader at one report. It is over when its page is silent or it is ended."""

    report = models.ForeignKey("ris.Report", on_delete=models.CASCADE, related_name="leases")
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="readings"
    )
    taken_at = models.DateTimeField()
    alive_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_how = models.CharField(max_length=10, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="")  # of who took it over

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["report"],
                condition=Q(ended_at__isnull=True),
                name="reading_lease_one_reader",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ended_how="")
                | Q(ended_at__isnull=False) & known("ended_how", LeaseEnd),
                name="reading_lease_ended_somehow",
            ),
        ]
        indexes = [
            # The timer looks at those that go on, however many there were.
            models.Index(
                fields=["alive_at"],
                condition=Q(ended_at__isnull=True),
                name="reading_lease_going_on",
            )
        ]

    def __str__(self) -> str:
        return f"lease {self.pk}"


class ReadingScope(models.Model):
    """What somebody reads; an empty list is all."""

    reader = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reading_scope"
    )
    subspecialties = models.JSONField(default=list, blank=True)
    modalities = models.JSONField(default=list, blank=True)
    sites = models.JSONField(default=list, blank=True)  # public ids

    def __str__(self) -> str:
        return f"scope {self.pk}"


class ReadingSkip(models.Model):
    """An exam that waits behind the others of somebody's list for a while."""

    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reading_skips"
    )
    procedure = models.ForeignKey(
        "ris.RequestedProcedure", on_delete=models.CASCADE, related_name="skips"
    )
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reader", "procedure"], name="reading_skip_once")
        ]
        indexes = [models.Index(fields=["until"], name="reading_skip_until")]

    def __str__(self) -> str:
        return f"skip {self.pk}"


class ReadingTarget(models.Model):
    """How soon exams of a priority and class of patient are to be final; empty: any."""

    priority = models.CharField(max_length=10, blank=True, default="")
    patient_class = models.CharField(max_length=1, blank=True, default="")
    minutes = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["priority", "patient_class"], name="reading_target_once"
            ),
            models.CheckConstraint(
                condition=Q(priority="") | known("priority", Priority),
                name="reading_target_priority",
            ),
            models.CheckConstraint(
                condition=Q(patient_class="") | known("patient_class", PatientClass),
                name="reading_target_class",
            ),
            models.CheckConstraint(condition=Q(minutes__gte=1), name="reading_target_some_time"),
        ]

    def __str__(self) -> str:
        return f"target {self.pk}"
