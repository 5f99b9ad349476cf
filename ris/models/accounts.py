"""Logins and API clients."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models

from ris.models.base import Public


class User(AbstractUser):
    """A person with a login; roles are the groups named as ``ris.domain.actors.Role``."""

    theme = models.CharField(max_length=12, blank=True, default="")

    class Meta(AbstractUser.Meta):
        pass


class ApiToken(Public):
    """A bearer token of an API client; only the SHA-256 of its text is stored."""

    client = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    addresses = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.client
