"""How a peer's messages are rewritten, as versions that are never changed."""

from __future__ import annotations

from django.db import models


class MappingVersion(models.Model):
    """The mapping of an endpoint as somebody saved it; the endpoint names the one in force.

    A version is never changed, so a process may keep what it made of one for as long as it lives.
    Going back to an older one saves its content anew.
    """

    endpoint = models.ForeignKey(
        "ris.Endpoint", on_delete=models.CASCADE, related_name="mapping_versions"
    )
    number = models.PositiveIntegerField()
    content = models.JSONField(default=dict)
    note = models.CharField(max_length=200, blank=True, default="")
    actor = models.CharField(max_length=150, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "number"], name="mapping_version_unique")
        ]

    def __str__(self) -> str:
        return f"mapping version {self.number}"
