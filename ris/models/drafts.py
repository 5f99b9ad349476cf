"""What somebody has typed and not sent yet."""

from __future__ import annotations

from django.db import models

from ris.models.base import Public


class OrderDraft(Public):
    """An order that is being entered; removed when it is sent, or after a week."""

    owner = models.ForeignKey("ris.User", on_delete=models.CASCADE, related_name="order_drafts")
    patient_key = models.UUIDField(null=True, blank=True)  # public id; a merge is followed on use
    title = models.CharField(max_length=200, blank=True, default="")
    content = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["updated_at"], name="order_draft_updated")]

    def __str__(self) -> str:
        return f"draft {self.public_id}"
