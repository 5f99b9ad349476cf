"""Patients, identifiers, visits."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.patients import PatientClass, Sex
from ris.models.base import Public, Versioned, known
from ris.models.prepared import Quick


class Patient(Versioned):
    """A person. Names are kept in DICOM's form per group; ``name_key`` is folded for search."""

    name = models.CharField(max_length=324)  # three groups of 64, five components, DICOM PN form
    name_key = models.CharField(max_length=648, blank=True, default="")
    birth_date = models.CharField(max_length=10, blank=True, default="")  # ISO, to its precision
    sex = models.CharField(max_length=1, blank=True, default="")
    deceased = models.BooleanField(default=False)
    phone = models.CharField(max_length=250, blank=True, default="")
    email = models.CharField(max_length=250, blank=True, default="")
    address = models.CharField(max_length=500, blank=True, default="")
    language = models.CharField(max_length=60, blank=True, default="")
    weight_kg = models.FloatField(null=True, blank=True)
    height_m = models.FloatField(null=True, blank=True)
    allergies = models.JSONField(default=list, blank=True)
    alerts = models.JSONField(default=list, blank=True)
    pregnancy_status = models.CharField(max_length=1, blank=True, default="")
    special_needs = models.CharField(max_length=64, blank=True, default="")
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged_from"
    )

    class Meta:
        indexes = [
            models.Index(
                # Prefix search (LIKE "DOE%") on PostgreSQL needs this operator class.
                fields=["name_key"],
                name="patient_name_key",
                opclasses=["varchar_pattern_ops"],
            ),
            models.Index(fields=["birth_date"], name="patient_birth_date"),
        ]
        constraints = [
            models.CheckConstraint(condition=known("sex", Sex), name="patient_sex_known"),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=models.F("id")),
                name="patient_not_merged_into_itself",
            ),
        ]

    def __str__(self) -> str:
        return f"patient {self.public_id}"


class PatientIdentifier(Quick):
    """A number an authority knows a patient by."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="identifiers")
    value = models.CharField(max_length=64)
    issuer = models.CharField(max_length=200, blank=True, default="")
    type = models.CharField(max_length=10, blank=True, default="")
    primary = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "type", "value"], name="patient_identifier_unique"
            ),
            models.UniqueConstraint(
                fields=["patient"],
                condition=Q(primary=True),
                name="patient_one_primary_identifier",
            ),
        ]
        indexes = [models.Index(fields=["value"], name="patient_identifier_value")]

    def __str__(self) -> str:
        return f"identifier {self.pk}"


class Visit(Public):
    """An encounter."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="visits")
    number = models.CharField(max_length=64)
    issuer = models.CharField(max_length=200, blank=True, default="")
    patient_class = models.CharField(max_length=1, default=PatientClass.UNKNOWN.value)
    location = models.CharField(max_length=200, blank=True, default="")
    attending = models.CharField(max_length=324, blank=True, default="")
    referring = models.CharField(max_length=324, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "number"], name="visit_unique"),
            models.CheckConstraint(
                condition=known("patient_class", PatientClass), name="visit_class_known"
            ),
        ]

    def __str__(self) -> str:
        return f"visit {self.public_id}"
