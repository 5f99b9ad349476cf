"""Patients, identifiers, visits."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.patients import PatientClass, ReviewState, Sex, VisitStatus
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
    # What its keeper calls an allergy by (IAM-7) → its text above; empty once it was taken away.
    allergy_numbers = models.JSONField(default=dict, blank=True, db_default={})
    alerts = models.JSONField(default=list, blank=True)
    pregnancy_status = models.CharField(max_length=1, blank=True, default="")
    special_needs = models.CharField(max_length=400, blank=True, default="")
    mother_birth_name = models.CharField(max_length=324, blank=True, default="", db_default="")
    ethnic_group = models.CharField(max_length=64, blank=True, default="", db_default="")
    comments = models.TextField(blank=True, default="", db_default="")
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged_from"
    )
    # The hospital deleted this person (ADT^A29); marked here, for what was done stays done.
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                # Prefix search (LIKE "DOE%") on PostgreSQL needs this operator class.
                fields=["name_key"],
                name="patient_name_key",
                opclasses=["varchar_pattern_ops"],
            ),
            models.Index(fields=["birth_date"], name="patient_birth_date"),
            models.Index(fields=["updated_at"], name="patient_updated"),
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
    # The record it came with by a merge: a number that finds the patient and is used no more.
    former = models.ForeignKey(
        Patient, null=True, blank=True, on_delete=models.PROTECT, related_name="former_identifiers"
    )
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
    status = models.CharField(
        max_length=12, default=VisitStatus.UNKNOWN.value, db_default=VisitStatus.UNKNOWN.value
    )
    patient_class = models.CharField(max_length=1, default=PatientClass.UNKNOWN.value)
    location = models.CharField(max_length=200, blank=True, default="")
    prior_location = models.CharField(max_length=200, blank=True, default="", db_default="")
    attending = models.CharField(max_length=324, blank=True, default="")
    referring = models.CharField(max_length=324, blank=True, default="")
    account = models.CharField(max_length=64, blank=True, default="", db_default="")
    account_issuer = models.CharField(max_length=200, blank=True, default="", db_default="")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # The same visit under another number (ADT^A42); its orders are there.
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged_from"
    )
    # What a person decided about the orders that were open when the visit ended.
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    settled_note = models.CharField(max_length=500, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "number"], name="visit_unique"),
            models.CheckConstraint(
                condition=known("patient_class", PatientClass), name="visit_class_known"
            ),
            models.CheckConstraint(
                condition=known("status", VisitStatus), name="visit_status_known"
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=models.F("id")),
                name="visit_not_merged_into_itself",
            ),
        ]
        indexes = [
            models.Index(fields=["account"], name="visit_account"),
            models.Index(fields=["status", "ended_at"], name="visit_status_ended"),
            models.Index(fields=["updated_at"], name="visit_updated"),
        ]

    def __str__(self) -> str:
        return f"visit {self.public_id}"


class PatientLink(Public):
    """Two records that the hospital says are of one person, kept apart all the same (ADT^A24).

    Once a pair, with the lower key first; what was linked and unlinked when is in the journal.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="links")
    other = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="linked_from")
    source = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["patient", "other"], name="patient_link_unique"),
            models.CheckConstraint(
                condition=Q(patient__lt=models.F("other")), name="patient_link_lower_key_first"
            ),
        ]

    def __str__(self) -> str:
        return f"link {self.public_id}"


class DemographicReview(Public):
    """What a sender without authority says otherwise of a patient, for a person to decide.

    Values are text: a name in DICOM's form, a date in ISO form, ``yes`` or ``no`` for death.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="reviews")
    message = models.ForeignKey(
        "ris.InboundMessage",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="demographic_reviews",
    )
    sender = models.CharField(max_length=150, blank=True, default="")
    field = models.CharField(max_length=20)
    stored = models.CharField(max_length=500, blank=True, default="")
    said = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=8, default=ReviewState.OPEN.value)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=150, blank=True, default="")
    note = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("state", ReviewState), name="review_state_known"
            ),
            models.UniqueConstraint(
                fields=["patient", "field", "said"],
                condition=Q(state=ReviewState.OPEN.value),
                name="review_open_once",
            ),
        ]
        indexes = [
            models.Index(fields=["patient", "field"], name="review_patient_field"),
            models.Index(fields=["state", "created_at"], name="review_state_created"),
        ]

    def __str__(self) -> str:
        return f"review of {self.field}"
