"""Report templates with their versions, and macros."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.models.base import Public


class ReportTemplate(Public):
    """A template of one login, or of the site; what it holds is in its versions."""

    owner = models.ForeignKey(
        "ris.User", null=True, blank=True, on_delete=models.CASCADE, related_name="report_templates"
    )
    name = models.CharField(max_length=120)
    language = models.CharField(max_length=16, default="en")
    modalities = models.JSONField(default=list, blank=True)
    procedures = models.JSONField(default=list, blank=True)  # codes of the catalog
    regions = models.JSONField(default=list, blank=True)
    sites = models.JSONField(default=list, blank=True)  # names
    automatic = models.BooleanField(default=False)
    retired_at = models.DateTimeField(null=True, blank=True)
    number = models.PositiveIntegerField(default=0)  # of the newest version

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=Q(owner__isnull=False, retired_at__isnull=True),
                name="report_template_name_of_login",
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(owner__isnull=True, retired_at__isnull=True),
                name="report_template_name_of_site",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ReportTemplateVersion(models.Model):
    """What a template held; never changed, for reports were begun with it."""

    template = models.ForeignKey(ReportTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    content = models.JSONField()
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["template", "number"], name="report_template_version_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"


class ReportMacro(Public):
    """A text under a short name."""

    owner = models.ForeignKey(
        "ris.User", null=True, blank=True, on_delete=models.CASCADE, related_name="report_macros"
    )
    name = models.CharField(max_length=30)
    text = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=Q(owner__isnull=False),
                name="report_macro_name_of_login",
            ),
            models.UniqueConstraint(
                fields=["name"], condition=Q(owner__isnull=True), name="report_macro_name_of_site"
            ),
        ]

    def __str__(self) -> str:
        return self.name
