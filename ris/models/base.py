"""What all tables share."""

from __future__ import annotations

import os
import time
import uuid

from django.db import models

from ris.models.prepared import Quick


def uuid7() -> uuid.UUID:
    """A UUID version 7 (RFC 9562 5.7): in order of time, so indexes stay dense."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


class Public(Quick):
    """A row the outside may name: by ``public_id``, never by its primary key."""

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class Versioned(Public):
    """A row whose changes are counted: FHIR's ETag, the page's optimistic lock, a cache key."""

    version = models.PositiveIntegerField(default=1)

    class Meta:
        abstract = True


def known(field: str, values: type) -> models.Q:
    """A check that ``field`` holds one of an enum's values (the schema is the last guard)."""
    return models.Q(**{f"{field}__in": [item.value for item in values]})  # type: ignore[attr-defined]
