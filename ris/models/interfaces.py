"""What administrators watch: traffic by the minute, alerts, edits of messages, runs over many."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.exchange import Direction, RunState
from ris.domain.interfaces import AlertKind
from ris.models.base import Public, known
from ris.models.exchange import Delivery, Endpoint, InboundMessage


class Traffic(models.Model):
    """What passed one connection within a few minutes, counted afterwards by the clock.

    Pages add these rows up instead of counting messages, so what they cost does not grow with the
    archive, and taking a message in costs nothing for it.
    """

    # ``in:hl7:7`` or ``out:12``; of senders that nobody registered ``in:hl7:-``.
    link = models.CharField(max_length=40)
    endpoint = models.ForeignKey(
        Endpoint, null=True, on_delete=models.CASCADE, related_name="traffic"
    )
    start_at = models.DateTimeField()
    messages = models.PositiveIntegerField(default=0)  # received, or delivered
    refused = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)  # by our fault; or tries that did not reach it
    # How many answers took how long, by the limits of ris.domain.interfaces.LIMITS.
    answers = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["link", "start_at"], name="traffic_once"),
        ]
        indexes = [models.Index(fields=["start_at"], name="traffic_start")]

    def __str__(self) -> str:
        return f"{self.link} {self.start_at:%Y-%m-%d %H:%M}"


class InterfaceAlert(Public):
    """Something wrong with a connection, for as long as it lasts; it names no patient."""

    endpoint = models.ForeignKey(
        Endpoint, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts"
    )
    kind = models.CharField(max_length=20)
    detail = models.CharField(max_length=200, blank=True, default="")
    since = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("kind", AlertKind), name="alert_kind_known"),
            models.UniqueConstraint(
                fields=["endpoint", "kind"],
                condition=Q(ended_at=None),
                name="alert_once_while_it_lasts",
            ),
        ]
        indexes = [models.Index(fields=["ended_at", "since"], name="alert_ended")]

    def __str__(self) -> str:
        return f"{self.kind} since {self.since:%Y-%m-%d %H:%M}"


class MessageEdit(models.Model):
    """A message that a person changed: what it was, what it became, who and why.

    A table of its own, so that taking in what nobody edits costs nothing for it.
    """

    before_message = models.ForeignKey(
        InboundMessage, null=True, on_delete=models.PROTECT, related_name="edits"
    )
    after_message = models.ForeignKey(
        InboundMessage, null=True, on_delete=models.PROTECT, related_name="edited_from"
    )
    before_delivery = models.ForeignKey(
        Delivery, null=True, on_delete=models.PROTECT, related_name="edits"
    )
    after_delivery = models.ForeignKey(
        Delivery, null=True, on_delete=models.PROTECT, related_name="edited_from"
    )
    reason = models.CharField(max_length=200)
    actor = models.CharField(max_length=150)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"edited {self.at:%Y-%m-%d %H:%M} by {self.actor}"


class MessageRun(Public):
    """Many messages applied or sent again, one after the other and not faster than told."""

    direction = models.CharField(max_length=3)
    filters = models.JSONField(default=dict)
    reason = models.CharField(max_length=200)
    per_minute = models.PositiveIntegerField()
    actor = models.CharField(max_length=150)
    state = models.CharField(max_length=8, default=RunState.RUNNING.value)
    # Primary keys: what came after the run was started does not belong to it.
    last_id = models.BigIntegerField()
    cursor = models.BigIntegerField(default=0)
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("state", RunState), name="run_state_known"),
            models.CheckConstraint(condition=known("direction", Direction), name="run_direction"),
        ]
        indexes = [models.Index(fields=["state", "id"], name="run_state")]

    def __str__(self) -> str:
        return f"{self.direction} {self.done} of {self.total}"
