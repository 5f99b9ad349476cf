"""Which exams of one patient go before which, and how far apart."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class ProcedureSequence(models.Model):
    """``then`` is done after ``first`` (without contrast before with it), this far apart."""

    first = models.ForeignKey(
        "ris.ProcedureDefinition", on_delete=models.CASCADE, related_name="followed_by"
    )
    then = models.ForeignKey(
        "ris.ProcedureDefinition", on_delete=models.CASCADE, related_name="preceded_by"
    )
    # From the end of the first to the start of the next.
    gap_minutes = models.PositiveIntegerField(default=0)
    gap_at_most_minutes = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["first", "then"], name="procedure_sequence_unique"),
            models.CheckConstraint(condition=~Q(first=F("then")), name="procedure_sequence_of_two"),
            models.CheckConstraint(
                condition=Q(gap_at_most_minutes__isnull=True)
                | Q(gap_at_most_minutes__gte=F("gap_minutes")),
                name="procedure_sequence_gap",
            ),
        ]

    def __str__(self) -> str:
        return f"sequence {self.pk}"
