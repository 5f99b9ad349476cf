"""What was asked about an order, by whom, and what was answered."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.models.base import Public


class OrderQuestion(Public):
    """A question about an order; without an answer the order needs information."""

    order = models.ForeignKey(
        "ris.Order", on_delete=models.CASCADE, related_name="questions", db_index=False
    )
    text = models.TextField()
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    answer = models.TextField(blank=True, default="")
    answered_by = models.CharField(max_length=200, blank=True, default="")
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["order"], name="question_order"),
            models.Index(
                fields=["order"],
                condition=Q(answered_at__isnull=True),
                name="question_open",
            ),
        ]

    def __str__(self) -> str:
        return f"question {self.public_id}"
