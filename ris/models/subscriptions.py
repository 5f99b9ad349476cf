"""Subscriptions of FHIR clients, and the numbered events each was told of (FHIR R4)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.subscriptions import Content, SubscriptionStatus
from ris.models.base import Versioned, known
from ris.models.exchange import Endpoint
from ris.models.prepared import Quick


class FhirSubscription(Versioned):
    """What a client wants to be told; its queue is that of its endpoint.

    ``headers`` may hold secrets: they are sent to the subscriber and shown to nobody.
    """

    endpoint = models.OneToOneField(Endpoint, on_delete=models.PROTECT, related_name="subscription")
    client = models.CharField(max_length=100)
    status = models.CharField(max_length=9, default=SubscriptionStatus.REQUESTED.value)
    error = models.TextField(blank=True, default="")
    failures = models.PositiveIntegerField(default=0)  # tries in a row that did not succeed
    criteria = models.TextField()
    topic = models.CharField(max_length=200, blank=True, default="")
    filters = models.JSONField(default=list)
    url = models.TextField()
    headers = models.JSONField(default=list)
    payload = models.CharField(max_length=40, blank=True, default="")
    content = models.CharField(max_length=13, blank=True, default="")
    heartbeat_seconds = models.PositiveIntegerField(default=0)
    timeout_seconds = models.PositiveIntegerField(default=0)
    max_count = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField(null=True, blank=True)
    # The base the client created it under: what notifications call this server.
    base = models.CharField(max_length=300, blank=True, default="")
    document = models.TextField(blank=True, default="")
    event_count = models.PositiveBigIntegerField(default=0)
    queued_at = models.DateTimeField(null=True, blank=True)  # the last notification, any kind
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", SubscriptionStatus), name="subscription_status_known"
            ),
            models.CheckConstraint(
                condition=known("content", Content) | Q(content=""),
                name="subscription_content_known",
            ),
        ]
        indexes = [models.Index(fields=["client", "id"], name="subscription_client")]

    def __str__(self) -> str:
        return f"{self.client}: {self.criteria[:80]}"


class FhirNotification(Quick):
    """One event of a subscription: the resource that was told of, under its number."""

    subscription = models.ForeignKey(
        FhirSubscription, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    number = models.PositiveBigIntegerField()
    event = models.ForeignKey(
        "ris.DomainEvent", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    focus_type = models.CharField(max_length=64)
    focus_id = models.CharField(max_length=64)
    at = models.DateTimeField()
    control_id = models.CharField(max_length=60)  # of the delivery that tells it

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "number"], name="notification_number_unique"
            )
        ]
        indexes = [
            models.Index(fields=["subscription", "control_id"], name="notification_control_id")
        ]

    def __str__(self) -> str:
        return f"{self.focus_type}/{self.focus_id} as event {self.number}"
