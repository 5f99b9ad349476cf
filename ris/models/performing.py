"""What was performed: MPPS objects or a technologist's clicks, series, dose."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from ris.domain.corrections import CorrectionKind
from ris.domain.performing import Match, Origin, PerformedStatus
from ris.models.base import Public, known
from ris.models.prepared import Quick

_WITHOUT_ORDER = frozenset({Match.UNMATCHED.value, Match.UNSCHEDULED.value, Match.MISMATCH.value})
_TAKING_AWAY = (CorrectionKind.UNLINKED.value, CorrectionKind.MOVED.value)


class PerformedProcedureStep(Public):
    """A performed procedure step (PS3.3 B.17.2), with all the modality said in ``dataset``."""

    sop_instance_uid = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=12, default=PerformedStatus.IN_PROGRESS.value)
    # How it really ended, if people know better than the device; empty: as the device said.
    revised_status = models.CharField(max_length=12, blank=True, default="", db_default="")
    revised_ended_at = models.DateTimeField(null=True, blank=True)
    # Ended without an image, for a reason that leaves its steps to be done: it counts for none.
    abandoned = models.BooleanField(default=False, db_default=False)
    match = models.CharField(max_length=12, default=Match.UNMATCHED.value)
    origin = models.CharField(max_length=6, default=Origin.MPPS.value)
    order = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.PROTECT, related_name="performed"
    )
    patient = models.ForeignKey(
        "ris.Patient", null=True, blank=True, on_delete=models.PROTECT, related_name="performed"
    )
    steps = models.ManyToManyField("ris.ScheduledProcedureStep", related_name="performed")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    station_ae_title = models.CharField(max_length=16)
    station_name = models.CharField(max_length=16, blank=True, default="")
    location = models.CharField(max_length=16, blank=True, default="")
    modality = models.CharField(max_length=16, blank=True, default="")
    performed_step_id = models.CharField(max_length=64, blank=True, default="")
    study_id = models.CharField(max_length=64, blank=True, default="")
    study_instance_uid = models.CharField(max_length=64, blank=True, default="")
    patient_identifier = models.CharField(max_length=64, blank=True, default="")
    patient_issuer = models.CharField(max_length=200, blank=True, default="")
    patient_name = models.CharField(max_length=324, blank=True, default="")
    patient_birth_date = models.CharField(max_length=10, blank=True, default="")
    patient_sex = models.CharField(max_length=16, blank=True, default="", db_default="")
    other_identifiers = models.JSONField(null=True, blank=True)  # [[value, issuer], ...]
    references = models.JSONField(default=list, blank=True)
    description = models.CharField(max_length=200, blank=True, default="")
    procedure_codes = models.JSONField(default=list, blank=True)
    protocol_codes = models.JSONField(default=list, blank=True)
    comments = models.TextField(blank=True, default="")
    discontinuation_reason = models.JSONField(default=dict, blank=True)
    dataset = models.JSONField(default=dict, blank=True)
    flags = models.JSONField(default=list, blank=True)
    resolved_note = models.CharField(max_length=500, blank=True, default="")
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", PerformedStatus), name="performed_status_known"
            ),
            models.CheckConstraint(condition=known("match", Match), name="performed_match_known"),
            models.CheckConstraint(
                condition=known("origin", Origin), name="performed_origin_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    revised_status__in=[
                        "",
                        PerformedStatus.COMPLETED.value,
                        PerformedStatus.DISCONTINUED.value,
                    ]
                ),
                name="performed_revised_status_known",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="performed_ends_after_start",
            ),
        ]
        indexes = [
            models.Index(fields=["study_instance_uid"], name="performed_study"),
            models.Index(fields=["status", "started_at"], name="performed_status_started"),
            # Whole: SQLite uses a partial index only for a value that stands in the statement.
            models.Index(fields=["match", "resolved_at", "started_at"], name="performed_open"),
            models.Index(fields=["updated_at"], name="performed_updated"),
        ]

    def __str__(self) -> str:
        return f"performed step {self.public_id}"

    @property
    def effective_status(self) -> str:
        """How it stands, as far as anybody knows."""
        return self.revised_status or self.status

    @property
    def counts(self) -> bool:
        """Whether its steps follow it; people may say that it was something after all."""
        return not self.abandoned or bool(self.revised_status)

    @property
    def was_taken_away(self) -> bool:
        """Whether people said that it belongs to none of the orders it seemed to be for."""
        return (
            self.match in _WITHOUT_ORDER
            and self.corrections.filter(undone_at=None, kind__in=_TAKING_AWAY).exists()
        )

    @property
    def effective_end(self) -> datetime | None:
        return self.revised_ended_at or self.ended_at


class PerformedSeries(Quick):
    performed = models.ForeignKey(
        PerformedProcedureStep, on_delete=models.CASCADE, related_name="series"
    )
    series_instance_uid = models.CharField(max_length=64)
    protocol_name = models.CharField(max_length=64, blank=True, default="")
    description = models.CharField(max_length=64, blank=True, default="")
    modality = models.CharField(max_length=16, blank=True, default="")
    retrieve_ae_title = models.CharField(max_length=16, blank=True, default="")
    performing_physician = models.CharField(max_length=324, blank=True, default="")
    operators = models.JSONField(default=list, blank=True)
    instance_count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["performed", "series_instance_uid"], name="performed_series_unique"
            )
        ]

    def __str__(self) -> str:
        return self.series_instance_uid
