"""Documents received: kept as they came, with what they are about."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.documents import DocumentStatus
from ris.models.base import Public, known


class Document(Public):
    """A document of a patient, mostly of an order; those of a report belong to one version.

    ``report`` without ``version`` is what came with a draft that nobody signed yet. A document that
    was told only by where it is has a link and no content.
    """

    patient = models.ForeignKey("ris.Patient", on_delete=models.PROTECT, related_name="documents")
    order = models.ForeignKey(
        "ris.Order", null=True, on_delete=models.PROTECT, related_name="documents"
    )
    report = models.ForeignKey(
        "ris.Report", null=True, on_delete=models.PROTECT, related_name="documents"
    )
    version = models.PositiveIntegerField(null=True, blank=True)
    status = models.CharField(max_length=10, default=DocumentStatus.CURRENT.value)
    # What its sender calls it, and how often it told of it under that number.
    number = models.CharField(max_length=64, blank=True, default="")
    issuer = models.CharField(max_length=200, blank=True, default="")
    revision = models.PositiveIntegerField(default=1)
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="successors"
    )
    kind = models.CharField(max_length=60, blank=True, default="")
    title = models.CharField(max_length=200, blank=True, default="")
    completion = models.CharField(max_length=2, blank=True, default="")
    author = models.CharField(max_length=324, blank=True, default="")
    authored_at = models.DateTimeField(null=True, blank=True)
    media_type = models.CharField(max_length=100)
    file_name = models.CharField(max_length=200, blank=True, default="")
    content = models.BinaryField(blank=True, default=b"")
    link = models.CharField(max_length=2000, blank=True, default="")
    size = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64)
    source = models.CharField(max_length=200, blank=True, default="")
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", DocumentStatus), name="document_status_known"
            ),
            models.CheckConstraint(
                condition=Q(version=None) | Q(report__isnull=False),
                name="document_version_of_a_report",
            ),
        ]
        indexes = [models.Index(fields=["number", "issuer"], name="document_number")]

    def __str__(self) -> str:
        return f"document {self.public_id}"
