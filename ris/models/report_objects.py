"""The DICOM objects that signed versions of reports became: their UIDs, given once."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.report_objects import ObjectKind
from ris.models.base import Public, known
from ris.models.exchange import Endpoint
from ris.models.reporting import Report


class ReportObject(Public):
    """One object: a version of a report, of a kind, in a study.

    The UID is given before the object leaves for the first time, and every receiver and every
    repetition has the same. All versions of a report in a study are one series for each kind.
    """

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="objects_made")
    number = models.PositiveIntegerField()  # of the version
    kind = models.CharField(max_length=11)
    study_instance_uid = models.CharField(max_length=64)
    series_instance_uid = models.CharField(max_length=64)
    sop_instance_uid = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["number", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["report", "number", "kind", "study_instance_uid"],
                name="report_object_unique",
            ),
            models.CheckConstraint(
                condition=known("kind", ObjectKind), name="report_object_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.sop_instance_uid


class CommitmentRequest(models.Model):
    """An archive was asked to take responsibility for an object (PS3.4 J.3).

    Answered without a ``reason`` it did; the reasons are those of PS3.3 C.14.1.1.
    """

    made = models.ForeignKey(ReportObject, on_delete=models.PROTECT, related_name="commitments")
    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="+")
    transaction_uid = models.CharField(max_length=64, unique=True)
    asked_at = models.DateTimeField()
    is_open = models.BooleanField(default=False)  # it took the request, and is waited for
    answered_at = models.DateTimeField(null=True, blank=True)
    reason = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__isnull=True) | Q(answered_at__isnull=False),
                name="commitment_reason_answers",
            ),
        ]

    def __str__(self) -> str:
        return self.transaction_uid
