"""What happened: domain events, the audit trail, worklist queries. Append only."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.models.base import uuid7
from ris.models.prepared import Quick


class DomainEvent(Quick):
    """A change that was made, and what the outside is told from.

    Picked up by ``fanned_out_at`` being empty, never by "id greater than the last seen": ids commit
    out of order.
    """

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(max_length=60)
    version = models.PositiveSmallIntegerField(default=1)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=40)
    order = models.ForeignKey(
        "ris.Order",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="events",
        db_index=False,
    )
    patient = models.ForeignKey(
        "ris.Patient",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="events",
        db_index=False,
    )
    payload = models.JSONField(default=dict)
    actor_kind = models.CharField(max_length=10)
    actor_name = models.CharField(max_length=150)
    actor_endpoint = models.ForeignKey(
        "ris.Endpoint",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    message = models.ForeignKey(
        "ris.InboundMessage", null=True, blank=True, on_delete=models.PROTECT, related_name="events"
    )
    correlation = models.CharField(max_length=40, blank=True, default="")
    at = models.DateTimeField()
    fanned_out_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["id"], condition=Q(fanned_out_at__isnull=True), name="event_to_fan_out"
            ),
            models.Index(fields=["order", "id"], name="event_order"),
            models.Index(fields=["patient", "id"], name="event_patient"),
            models.Index(fields=["subject_type", "subject_id"], name="event_subject"),
        ]

    def __str__(self) -> str:
        return self.name


class AuditEvent(Quick):
    """Who did or read what, from where, with what result (PS3.15 A.5; FHIR AuditEvent)."""

    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=10)
    actor_name = models.CharField(max_length=150)
    address = models.CharField(max_length=100, blank=True, default="")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=100, blank=True, default="")
    order = models.ForeignKey(
        "ris.Order",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="audit",
        db_index=False,
    )
    patients = models.JSONField(default=list)  # public ids; several for a list or a query
    patient = models.ForeignKey(
        "ris.Patient",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="audit",
        db_index=False,
    )
    outcome = models.CharField(max_length=20, default="success")
    detail = models.JSONField(default=dict)
    correlation = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["at"], name="audit_at"),
            models.Index(fields=["patient", "at"], name="audit_patient_at"),
            models.Index(fields=["order", "at"], name="audit_order_at"),
            models.Index(fields=["actor_name", "at"], name="audit_actor_at"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_name}"


class WorklistQueryLog(models.Model):
    """A worklist query as it came, its keys as decoded, and what was answered.

    ``identifier`` is the dataset's own bytes in ``transfer_syntax``, so that the query can be read
    and asked again; ``elements`` are the offending ones of a refusal.
    """

    at = models.DateTimeField()
    # An AE title, or over HTTP the name of a client, which may be longer.
    calling_ae_title = models.CharField(max_length=100)
    called_ae_title = models.CharField(max_length=16, blank=True, default="")
    address = models.CharField(max_length=100, blank=True, default="")
    # With defaults in the database: a release before these columns may still be writing.
    identifier = models.BinaryField(default=b"", db_default=b"")
    transfer_syntax = models.CharField(max_length=64, blank=True, default="", db_default="")
    keys = models.JSONField(default=dict)
    matches = models.PositiveIntegerField(default=0)
    steps = models.JSONField(default=list)  # primary keys of the steps answered
    status = models.PositiveIntegerField(default=0)
    comment = models.CharField(max_length=64, blank=True, default="", db_default="")
    elements = models.CharField(max_length=200, blank=True, default="", db_default="")
    truncated = models.BooleanField(default=False)
    duration_ms = models.FloatField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["at"], name="query_at"),
            models.Index(fields=["calling_ae_title", "at"], name="query_calling_at"),
            # Few fail; without it a device that never does has all its queries looked through.
            models.Index(
                fields=["calling_ae_title", "at"], condition=Q(status__gt=0), name="query_failed"
            ),
        ]

    def __str__(self) -> str:
        return f"query of {self.calling_ae_title}"


class DeviceRefusal(models.Model):
    """What a device was refused outside its queries and messages: associations, odd requests.

    One row for each kind of refusal of each caller, counted up, so that a scanner that keeps trying
    does not fill the database. ``status`` is the DIMSE status, or result, source and diagnostic of
    an A-ASSOCIATE-RJ.
    """

    ae_title = models.CharField(max_length=16)
    address = models.CharField(max_length=100, blank=True, default="")
    operation = models.CharField(max_length=20)
    status = models.CharField(max_length=12, blank=True, default="")
    reason = models.CharField(max_length=100, blank=True, default="")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["ae_title", "address", "operation", "status", "reason"],
                name="device_refusal_unique",
            )
        ]
        indexes = [models.Index(fields=["last_at"], name="device_refusal_last")]

    def __str__(self) -> str:
        return f"{self.operation} of {self.ae_title}"


class WorklistSighting(models.Model):
    """That a device was shown a step in a given version: first, last, how often.

    One row per (step, device, version) instead of one per answer: a scanner asks every minute.
    """

    step = models.ForeignKey(
        "ris.ScheduledProcedureStep", on_delete=models.CASCADE, related_name="sightings"
    )
    ae_title = models.CharField(max_length=100)  # or the name of an HTTP client
    step_version = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["step", "ae_title", "step_version"], name="sighting_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.ae_title} saw {self.step_id}"
