"""Reports, their immutable versions, critical results."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from ris.domain.reporting import ReportStatus, VersionKind
from ris.models.base import Public, known, uuid7


class Report(Public):
    """A report on one or more requested procedures, with the draft that is being written."""

    order = models.ForeignKey("ris.Order", on_delete=models.PROTECT, related_name="reports")
    procedures = models.ManyToManyField("ris.RequestedProcedure", related_name="reports")
    status = models.CharField(max_length=12, default=ReportStatus.DRAFT.value)
    draft = models.JSONField(default=dict, blank=True)
    draft_revision = models.PositiveIntegerField(default=0)
    draft_saved_at = models.DateTimeField(null=True, blank=True)
    # Where the draft came from, if it was not written here (ris.domain.results.Particulars).
    particulars = models.JSONField(null=True, blank=True)
    # The template it was begun with and what was answered (ris.domain.report_templates.DraftForm).
    form = models.JSONField(null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="reports"
    )
    # Whose text the report began from, if that was a resident; and since when it waits for an
    # attending radiologist, or what one wrote when it was given back.
    resident = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="reports_as_resident",
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    # Who is to sign it with the resident; nobody named: whoever reads it next.
    attending = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    returned_at = models.DateTimeField(null=True, blank=True)
    returned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    return_note = models.CharField(max_length=1000, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", ReportStatus), name="report_status_known"
            )
        ]
        indexes = [
            models.Index(fields=["updated_at"], name="report_updated"),
            models.Index(
                fields=["sent_at"],
                condition=models.Q(sent_at__isnull=False),
                name="report_sent",
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.public_id}"


class ReportVersion(models.Model):
    """What was signed; never changed afterwards."""

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    # Its document is known outside by this (FHIR DocumentReference and Binary).
    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    kind = models.CharField(max_length=12)
    sections = models.JSONField()
    reason = models.CharField(max_length=500, blank=True, default="")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    signer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    signed_at = models.DateTimeField()
    # As what, and how it was made sure (ris.domain.signatures); empty if it was signed elsewhere.
    signed_as = models.CharField(max_length=10, blank=True, default="", db_default="")
    signed_with = models.CharField(max_length=16, blank=True, default="", db_default="")
    resident = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    content_hash = models.CharField(max_length=64)
    # Over this version and the seal of the one before; empty for those of earlier releases.
    seal = models.CharField(max_length=64, blank=True, default="", db_default="")
    particulars = models.JSONField(null=True, blank=True)
    # Codes of what was answered: code, scheme, meaning, value, unit, and the value's own code.
    coded = models.JSONField(default=list, blank=True, db_default=[])
    # The template it was written with: its public id, the number of its version, its name.
    template = models.JSONField(null=True, blank=True)
    # Who was told of critical findings by then (ris.domain.critical.communication_line).
    communications = models.JSONField(default=list, blank=True, db_default=[])

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["report", "number"], name="report_version_unique"),
            models.CheckConstraint(
                condition=known("kind", VersionKind), name="report_version_kind_known"
            ),
            models.CheckConstraint(
                condition=models.Q(number__gte=1), name="report_version_from_one"
            ),
        ]
        indexes = [models.Index(fields=["signed_at"], name="report_version_signed")]

    def __str__(self) -> str:
        return f"version {self.number}"


class CriticalResult(Public):
    """A critical finding and whom it was told."""

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="critical_results")
    finding = models.TextField()
    told = models.CharField(max_length=200)
    by = models.CharField(max_length=30, default="phone")
    read_back = models.BooleanField(default=False)
    told_at = models.DateTimeField()
    told_by = models.CharField(max_length=150, blank=True, default="")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["updated_at"], name="critical_result_updated")]

    def __str__(self) -> str:
        return f"critical result {self.public_id}"
