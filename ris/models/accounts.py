"""Logins and API clients."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models

from ris.models.base import Public
from ris.models.prepared import Quick


class User(AbstractUser):
    """A person with a login; roles are the groups named as ``ris.domain.actors.Role``."""

    theme = models.CharField(max_length=12, blank=True, default="")  # empty: as the system says
    preferences = models.JSONField(default=dict, blank=True)  # ris.domain.preferences

    class Meta(AbstractUser.Meta):
        pass


class ApiClient(Public):
    """An API client that proves who it is with a key of its own (SMART backend services).

    ``name`` is what the audit shows, and the protocol name of the endpoint that configures it.
    """

    name = models.CharField(max_length=100, unique=True)
    client_id = models.CharField(max_length=100, unique=True)
    jwks = models.JSONField(default=dict)  # public keys only (RFC 7517)
    jwks_uri = models.CharField(max_length=500, blank=True, default="")
    scopes = models.JSONField(default=list)
    addresses = models.JSONField(default=list)
    disabled_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class ClientAssertion(Quick):
    """An assertion that was accepted; until it expires its ``jti`` is not accepted again."""

    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="assertions")
    digest = models.CharField(max_length=64)  # SHA-256 of the jti, which may be of any length
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["client", "digest"], name="client_assertion_once")
        ]
        indexes = [models.Index(fields=["expires_at"], name="client_assertion_expires")]

    def __str__(self) -> str:
        return f"assertion of client {self.client_id}"


class ApiToken(Public):
    """A bearer token of an API client; only the SHA-256 of its text is stored.

    One that was issued to a client with a key lives for minutes and ends with the client.
    """

    client = models.CharField(max_length=100)
    api_client = models.ForeignKey(
        ApiClient, null=True, blank=True, on_delete=models.PROTECT, related_name="tokens"
    )
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    addresses = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.client
