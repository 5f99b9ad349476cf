"""What all web processes have to know of each other, for an hour or less."""

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


class SharedCache(models.Model):
    """The table of Django's database cache: who failed to log in, who tried how often."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "ris_shared_cache"

    def __str__(self) -> str:
        return "an entry of the cache"
