"""Dose documents, their irradiation events, the dose of exams, and reference levels."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from ris.domain.dose import ANY_AGE, ANY_WEIGHT, DoseKind, DoseMatch, DoseSource
from ris.models.base import Public, known


class DoseRecord(Public):
    """One dose document: a structured report, what an MPPS said, or what a person typed in.

    All documents are kept; which of them count is a rule (``ris.domain.dose_totals``).
    """

    study_instance_uid = models.CharField(max_length=64, db_index=True, blank=True, default="")
    performed = models.ForeignKey(
        "ris.PerformedProcedureStep",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="doses",
    )
    source = models.CharField(max_length=10)
    source_uid = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16)
    order = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.SET_NULL, related_name="doses"
    )
    procedure = models.ForeignKey(
        "ris.RequestedProcedure",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="doses",
    )
    match = models.CharField(max_length=9, default=DoseMatch.WAITING.value)
    joined_by = models.CharField(max_length=60, blank=True, default="")
    message = models.ForeignKey(
        "ris.InboundMessage",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="doses",
    )
    accession_number = models.CharField(max_length=64, blank=True, default="", db_index=True)
    accession_issuer = models.CharField(max_length=200, blank=True, default="")
    patient_identifier = models.CharField(max_length=64, blank=True, default="", db_index=True)
    patient_issuer = models.CharField(max_length=200, blank=True, default="")
    patient_name = models.CharField(max_length=324, blank=True, default="")
    patient_birth_date = models.CharField(max_length=10, blank=True, default="")
    performed_uids = models.JSONField(default=list, blank=True)
    ae_title = models.CharField(max_length=16, blank=True, default="")
    station_name = models.CharField(max_length=16, blank=True, default="")
    device = models.CharField(max_length=200, blank=True, default="")
    device_uid = models.CharField(max_length=64, blank=True, default="")
    title = models.CharField(max_length=200, blank=True, default="")
    scope = models.CharField(max_length=20, blank=True, default="")
    scope_uid = models.CharField(max_length=64, blank=True, default="")
    content_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    totals = models.JSONField(default=list, blank=True)
    identified = models.BooleanField(default=True)  # every event of it has a UID
    predecessors = models.JSONField(default=list, blank=True)
    flags = models.JSONField(default=list, blank=True)
    note = models.CharField(max_length=500, blank=True, default="")
    entered_by = models.CharField(max_length=150, blank=True, default="")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    content_digest = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("match", DoseMatch), name="dose_match_known"),
            models.CheckConstraint(condition=known("source", DoseSource), name="dose_source_known"),
            models.CheckConstraint(condition=known("kind", DoseKind), name="dose_kind_known"),
        ]
        indexes = [
            models.Index(fields=["match", "created_at"], name="dose_match_created"),
            models.Index(fields=["updated_at"], name="dose_updated"),
            models.Index(fields=["content_at"], name="dose_content_at"),
            # When it was given, as searches say it.
            models.Index(Coalesce("started_at", "content_at", "created_at"), name="dose_effective"),
        ]

    def __str__(self) -> str:
        return f"dose {self.public_id}"


class IrradiationEvent(models.Model):
    """An irradiation event; told by any number of documents, there once (DOSE-05).

    Its values are those of ``record``, the latest document that tells of it.
    """

    event_uid = models.CharField(max_length=64, unique=True)
    record = models.ForeignKey(DoseRecord, on_delete=models.CASCADE, related_name="own_events")
    records = models.ManyToManyField(DoseRecord, related_name="events")
    started_at = models.DateTimeField(null=True, blank=True)
    details = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.event_uid


class ExamDose(models.Model):
    """The dose of an order as the rule makes it of its documents; made anew with every change."""

    order = models.OneToOneField("ris.Order", on_delete=models.CASCADE, related_name="dose")
    totals = models.JSONField(default=list, blank=True)
    left_out = models.JSONField(default=dict, blank=True)
    notes = models.JSONField(default=list, blank=True)
    exceeded = models.JSONField(default=list, blank=True)
    # Every total with the level it was compared with, above it or not.
    compared = models.JSONField(default=list, blank=True, db_default=[])
    alerted_at = models.DateTimeField(null=True, blank=True)  # told once per exam
    # Who looked at the alert, and what was above its level then.
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    acknowledged_note = models.CharField(max_length=500, blank=True, default="", db_default="")
    acknowledged_exceeded = models.JSONField(default=list, blank=True, db_default=[])
    # What was known of a pregnancy then, as DICOM says it (0010,21C0); empty: nothing.
    pregnancy = models.CharField(max_length=1, blank=True, default="", db_default="")
    started_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(fields=["alerted_at"], name="exam_dose_alerted"),
            models.Index(fields=["updated_at"], name="exam_dose_updated"),
            models.Index(fields=["started_at"], name="exam_dose_started"),
            models.Index(
                fields=["alerted_at"],
                condition=models.Q(acknowledged_at__isnull=True, alerted_at__isnull=False),
                name="exam_dose_to_be_looked_at",
            ),
        ]

    def __str__(self) -> str:
        return f"dose of order {self.order_id}"


class DoseReferenceLevel(Public):
    """A diagnostic reference level of a catalog procedure (ICRP 135)."""

    definition = models.ForeignKey(
        "ris.ProcedureDefinition", on_delete=models.CASCADE, related_name="reference_levels"
    )
    measure = models.CharField(max_length=24)
    value = models.DecimalField(max_digits=14, decimal_places=4)
    from_age = models.PositiveSmallIntegerField(default=0)
    to_age = models.PositiveSmallIntegerField(default=ANY_AGE)
    from_kg = models.PositiveSmallIntegerField(default=0, db_default=0)
    to_kg = models.PositiveSmallIntegerField(default=ANY_WEIGHT, db_default=ANY_WEIGHT)
    origin = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["definition", "measure", "from_age", "to_age", "from_kg", "to_kg"],
                name="dose_level_unique",
            ),
            models.CheckConstraint(condition=Q(value__gt=0), name="dose_level_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.value}"
