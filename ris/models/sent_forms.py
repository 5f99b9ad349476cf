"""Forms that were sent, which all web processes have to know of for an hour."""

from __future__ import annotations

from django.db import models


class SentForm(models.Model):
    """A form that was sent, and what came of it: sent again, it is not carried out again."""

    key = models.CharField(max_length=64, unique=True)
    owner = models.UUIDField()  # of the request that carries it out
    made = models.CharField(max_length=64, blank=True, default="")  # public id; empty: under way
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"form {self.key[:8]}"
