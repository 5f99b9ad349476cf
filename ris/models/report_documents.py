"""The letterheads of sites, and the document that was made of each signed version of a report."""

from __future__ import annotations

from django.db import models

from ris.models.base import Public
from ris.models.facility import Site
from ris.models.reporting import Report


class Letterhead(Public):
    """What stands at the head of a site's reports; a change is a new row, and none is changed.

    A version is printed with the one that stood when it was signed.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="letterheads")
    number = models.PositiveIntegerField()
    institution = models.CharField(max_length=120, blank=True, default="")
    department = models.CharField(max_length=120, blank=True, default="")
    address = models.CharField(max_length=500, blank=True, default="")
    phone = models.CharField(max_length=80, blank=True, default="")
    email = models.CharField(max_length=120, blank=True, default="")
    web = models.CharField(max_length=200, blank=True, default="")
    footer = models.CharField(max_length=300, blank=True, default="")
    logo = models.BinaryField(blank=True, default=b"")  # PNG, drawn anew by this system
    since = models.DateTimeField()
    changed_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["site", "number"], name="letterhead_number_unique"),
            models.CheckConstraint(
                condition=models.Q(number__gte=1), name="letterhead_number_from_one"
            ),
        ]

    def __str__(self) -> str:
        return f"letterhead {self.number}"


class ReportDocument(Public):
    """The bytes of a signed version, made once: every page and every receiver has these."""

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="printed")
    number = models.PositiveIntegerField()  # of the version
    media_type = models.CharField(max_length=60)
    content = models.BinaryField()
    size = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)  # SHA-256
    letterhead = models.ForeignKey(
        Letterhead, null=True, on_delete=models.PROTECT, related_name="documents"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["report", "number", "media_type"], name="report_document_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"document of version {self.number}"
