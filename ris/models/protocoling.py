"""Protocols of the catalog, and how far the protocol of each requested procedure is."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from ris.domain.protocoling import ProtocolState
from ris.models.base import Public, Versioned, known


class ProtocolDefinition(Public):
    """How an exam may be done; its code goes to the scanner (0040,0008)."""

    code = models.CharField(max_length=64)
    scheme = models.CharField(max_length=64, blank=True, default="")
    meaning = models.CharField(max_length=64)  # (0008,0104), LO
    modality = models.CharField(max_length=16)
    contrast = models.CharField(max_length=64, blank=True, default="")
    pre_medication = models.CharField(max_length=64, blank=True, default="")
    instructions = models.TextField(blank=True, default="")
    duration_minutes = models.PositiveIntegerField(null=True, blank=True)
    procedures = models.JSONField(default=list, blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scheme", "code"], name="protocol_definition_unique")
        ]

    def __str__(self) -> str:
        return self.meaning


class Protocoling(Versioned):
    """What was decided on one requested procedure; without a row it waits, if it needs one."""

    procedure = models.OneToOneField(
        "ris.RequestedProcedure", on_delete=models.CASCADE, related_name="protocoling"
    )
    status = models.CharField(max_length=10, default=ProtocolState.WAITING.value)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    protocols = models.JSONField(default=list, blank=True)  # public ids, as set or proposed
    instructions = models.TextField(blank=True, default="")
    question = models.CharField(max_length=500, blank=True, default="")
    reject_reason = models.CharField(max_length=15, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")
    alternative = models.CharField(max_length=200, blank=True, default="")
    proposed_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    proposed_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=150, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", ProtocolState), name="protocoling_status_known"
            )
        ]
        indexes = [models.Index(fields=["status"], name="protocoling_status")]

    def __str__(self) -> str:
        return f"protocoling {self.pk}"
