"""Resources as FHIR clients sent them, and the versions that were shown (FHIR R4 3.1.0)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.models.base import Versioned
from ris.models.prepared import Quick


class FhirResource(Versioned):
    """A resource of a type that the core has no table for, such as Observation or Coverage.

    ``content`` is the JSON as it came, without ``id`` and ``meta.versionId``; one that was deleted
    keeps its row, so that its address answers 410 and its history stays.
    """

    type = models.CharField(max_length=64)
    patient = models.ForeignKey(
        "ris.Patient", null=True, on_delete=models.PROTECT, related_name="fhir_resources"
    )
    content = models.TextField()
    source = models.CharField(max_length=200, blank=True, default="")
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["type", "public_id"], name="fhir_resource_type"),
            models.Index(fields=["type", "updated_at"], name="fhir_resource_updated"),
        ]

    def __str__(self) -> str:
        return f"{self.type}/{self.public_id}"


class FhirOverlay(Quick):
    """What a client sent of something the core has: a Patient, an order.

    ``received`` is its JSON as it came, ``shown`` what the core made of it right then. An element
    the core still shows as it did then is given back as it was received.
    """

    type = models.CharField(max_length=64)
    public_id = models.UUIDField()
    received = models.TextField()
    shown = models.TextField()
    source = models.CharField(max_length=200, blank=True, default="")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["type", "public_id"], name="fhir_overlay_of_one")
        ]

    def __str__(self) -> str:
        return f"{self.type}/{self.public_id} as received"


class FhirVersion(Quick):
    """A version of a resource as it was shown; ``content`` is empty where it was deleted."""

    type = models.CharField(max_length=64)
    public_id = models.UUIDField()
    version = models.CharField(max_length=64)
    method = models.CharField(max_length=6)  # POST, PUT, PATCH, DELETE, as Bundle.entry.request has
    at = models.DateTimeField()
    patient = models.ForeignKey(
        "ris.Patient", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    source = models.CharField(max_length=200, blank=True, default="")
    content = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["type", "public_id", "version"], name="fhir_version_once"
            ),
            models.CheckConstraint(
                condition=Q(method__in=["POST", "PUT", "PATCH", "DELETE"]),
                name="fhir_version_method_known",
            ),
        ]
        indexes = [
            models.Index(fields=["type", "at", "id"], name="fhir_version_type_at"),
            models.Index(fields=["at", "id"], name="fhir_version_at"),
        ]

    def __str__(self) -> str:
        return f"{self.type}/{self.public_id}/_history/{self.version}"
