"""Peer systems, messages in, deliveries out."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.exchange import DeliveryState, Direction, MessageState, Protocol, ReplyState
from ris.models.base import Public, known
from ris.models.prepared import Quick


class Endpoint(Public):
    """A peer system and how to talk to it."""

    name = models.CharField(max_length=60)
    protocol = models.CharField(max_length=8)
    direction = models.CharField(max_length=3)
    protocol_name = models.CharField(max_length=200, blank=True, default="")
    host = models.CharField(max_length=250, blank=True, default="")
    port = models.PositiveIntegerField(null=True, blank=True)
    version = models.CharField(max_length=10, blank=True, default="")
    character_set = models.CharField(max_length=60, blank=True, default="")
    time_zone = models.CharField(max_length=60, blank=True, default="")
    sends = models.JSONField(default=list, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    # The number of the MappingVersion in force; 0: messages are taken and written as they are.
    mapping_version = models.PositiveIntegerField(default=0, db_default=0)
    active = models.BooleanField(default=True)
    paused = models.BooleanField(default=False)
    paused_reason = models.CharField(max_length=200, blank=True, default="")
    paused_at = models.DateTimeField(null=True, blank=True)
    # When it is to be reported: ris.domain.interfaces.Watch, as far as it differs.
    watch = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["protocol", "direction", "name"], name="endpoint_unique"
            ),
            models.UniqueConstraint(
                fields=["protocol", "direction", "protocol_name"],
                condition=~Q(protocol_name=""),
                name="endpoint_protocol_name_unique",
            ),
            models.CheckConstraint(condition=known("protocol", Protocol), name="endpoint_protocol"),
            models.CheckConstraint(
                condition=known("direction", Direction), name="endpoint_direction"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class InboundMessage(Public):
    """A message as it came, what was answered, and what became of it."""

    endpoint = models.ForeignKey(
        Endpoint,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="messages",
        db_index=False,  # message_endpoint serves for it
    )
    protocol = models.CharField(max_length=8)
    sender = models.CharField(max_length=200, blank=True, default="")
    peer = models.CharField(max_length=100, blank=True, default="")
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    message_type = models.CharField(max_length=60, blank=True, default="")
    raw = models.BinaryField()
    state = models.CharField(max_length=8, default=MessageState.RECEIVED.value)
    reply_state = models.CharField(max_length=11, default=ReplyState.NOT_DUE.value)
    reply = models.BinaryField(default=b"")
    outcome = models.CharField(max_length=20, blank=True, default="")
    error = models.TextField(blank=True, default="")
    error_path = models.CharField(max_length=200, blank=True, default="")
    error_id = models.CharField(max_length=40, blank=True, default="")
    # The same key came before with other content: a sender that reset its counter, or worse.
    key_reused = models.BooleanField(default=False)
    repeats = models.PositiveIntegerField(default=0)  # how often the stored answer was given again
    correlation = models.CharField(max_length=40, blank=True, default="")
    orders = models.ManyToManyField("ris.Order", related_name="messages")
    patient = models.ForeignKey(
        "ris.Patient", null=True, blank=True, on_delete=models.SET_NULL, related_name="messages"
    )
    received_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    resolved_note = models.CharField(max_length=500, blank=True, default="")
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["protocol", "sender", "key", "digest"],
                condition=~Q(key=""),
                name="message_once",
            ),
            models.CheckConstraint(
                condition=known("state", MessageState), name="message_state_known"
            ),
            models.CheckConstraint(
                condition=known("reply_state", ReplyState), name="message_reply_known"
            ),
        ]
        indexes = [
            # Asked for with every message; SQLite cannot use the partial unique index for it.
            models.Index(fields=["key", "sender"], name="message_key"),
            models.Index(fields=["received_at"], name="message_received"),
            # The newest of one peer, however seldom it sends.
            models.Index(fields=["endpoint", "id"], name="message_endpoint"),
            models.Index(fields=["state", "received_at"], name="message_state_received"),
            models.Index(fields=["correlation"], name="message_correlation"),
        ]

    def __str__(self) -> str:
        return f"{self.message_type} {self.key}"


class Delivery(Public):
    """A message that must leave; the row is the queue."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="deliveries")
    event = models.ForeignKey(
        "ris.DomainEvent", null=True, on_delete=models.PROTECT, related_name="deliveries"
    )
    order = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries"
    )
    # What is told of several orders at once belongs to the timeline of each.
    further_orders = models.ManyToManyField(
        "ris.Order", blank=True, related_name="further_deliveries"
    )
    report = models.ForeignKey(
        "ris.Report", null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries"
    )
    patient = models.ForeignKey(
        "ris.Patient", null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries"
    )
    lane = models.CharField(max_length=100)
    control_id = models.CharField(max_length=60)
    message_type = models.CharField(max_length=60, blank=True, default="")
    payload = models.BinaryField()
    state = models.CharField(max_length=9, default=DeliveryState.PENDING.value)
    attempt_count = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    lease_token = models.CharField(max_length=40, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("state", DeliveryState), name="delivery_state_known"
            ),
            models.UniqueConstraint(
                fields=["endpoint", "control_id"], name="delivery_control_id_unique"
            ),
            # One in flight per lane: the schema's word, not only the relay's.
            models.UniqueConstraint(
                fields=["endpoint", "lane"],
                condition=Q(state=DeliveryState.LEASED.value),
                name="delivery_one_in_flight",
            ),
        ]
        indexes = [
            # Whole and not only of what is open: SQLite uses a partial index only for a state that
            # stands in the statement.
            models.Index(fields=["endpoint", "lane", "id"], name="delivery_lane"),
            models.Index(fields=["endpoint", "state", "id"], name="delivery_endpoint_state"),
            models.Index(fields=["created_at"], name="delivery_created"),
            models.Index(fields=["state", "due_at"], name="delivery_state_due"),
        ]

    def __str__(self) -> str:
        return f"{self.message_type} {self.control_id}"


class DeliveryAttempt(Quick):
    """One try, begun before it is made, so that a crash counts as a try."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    result = models.CharField(max_length=10, blank=True, default="")
    reply = models.BinaryField(default=b"")
    error = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="attempt_number_unique")
        ]
        indexes = [models.Index(fields=["started_at"], name="attempt_started")]

    def __str__(self) -> str:
        return f"attempt {self.number}"


class ConfigurationVersion(models.Model):
    """The site configuration as it was before a file was applied (`ris configure --rollback`)."""

    content = models.TextField()
    stored_at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=150, blank=True, default="")

    def __str__(self) -> str:
        return f"configuration of {self.stored_at}"
