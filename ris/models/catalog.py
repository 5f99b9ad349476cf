"""The procedure catalog and code maps."""

from __future__ import annotations

from django.db import models

from ris.models.base import Public


class ProcedureDefinition(Public):
    """What can be ordered."""

    code = models.CharField(max_length=64)
    scheme = models.CharField(max_length=64, blank=True, default="")
    code_version = models.CharField(max_length=16, blank=True, default="")
    meaning = models.CharField(max_length=200)
    modality = models.CharField(max_length=16)
    duration_minutes = models.PositiveIntegerField(default=30)
    preparation = models.TextField(blank=True, default="")
    body_part = models.CharField(max_length=64, blank=True, default="")
    # Who reads it; empty: every radiologist.
    subspecialty = models.CharField(max_length=64, blank=True, default="", db_default="")
    contrast = models.CharField(max_length=64, blank=True, default="")
    laterality_required = models.BooleanField(default=False)
    # What booking it takes, besides its device and room.
    buffer_before_minutes = models.PositiveSmallIntegerField(default=0, db_default=0)
    buffer_after_minutes = models.PositiveSmallIntegerField(default=0, db_default=0)
    lead_hours = models.PositiveSmallIntegerField(default=0, db_default=0)  # earliest from now
    radiologist_present = models.BooleanField(default=False, db_default=False)
    required_skills = models.JSONField(default=list, blank=True, db_default=[])
    staff_required = models.PositiveSmallIntegerField(default=0, db_default=0)
    # Which gate waits for a radiologist's protocol: ProtocolNeed, empty for none.
    protocol_required = models.CharField(max_length=7, blank=True, default="", db_default="")
    # Which breast exam it is: BreastExam, empty for none. Its reports are assessed.
    breast_exam = models.CharField(max_length=12, blank=True, default="", db_default="")
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scheme", "code", "code_version"], name="procedure_definition_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(duration_minutes__gt=0), name="procedure_definition_duration"
            ),
        ]
        indexes = [models.Index(fields=["code"], name="procedure_definition_code")]

    def __str__(self) -> str:
        return self.meaning


class StepTemplate(models.Model):
    """A step that a procedure is made of; a procedure without any has one of its own modality."""

    definition = models.ForeignKey(
        ProcedureDefinition, on_delete=models.CASCADE, related_name="steps"
    )
    position = models.PositiveIntegerField(default=0)
    modality = models.CharField(max_length=16)
    description = models.CharField(max_length=64, blank=True, default="")
    duration_minutes = models.PositiveIntegerField(default=30)
    protocol_codes = models.JSONField(default=list, blank=True)
    # From the end of the step before it, where both are booked (a scan after an injection).
    gap_minutes = models.PositiveIntegerField(default=0, db_default=0)
    gap_at_most_minutes = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["definition", "position"], name="step_template_position_unique"
            )
        ]

    def __str__(self) -> str:
        return self.description or self.modality


class DeviceRule(models.Model):
    """Whether a procedure may be done on a device, and how long it takes there."""

    definition = models.ForeignKey(
        ProcedureDefinition, on_delete=models.CASCADE, related_name="device_rules"
    )
    device = models.ForeignKey(
        "ris.Device", on_delete=models.CASCADE, related_name="procedure_rules"
    )
    allowed = models.BooleanField(default=True)
    minutes = models.PositiveIntegerField(null=True, blank=True)  # null: as everywhere

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["definition", "device"], name="device_rule_unique"),
            models.CheckConstraint(
                condition=models.Q(minutes__isnull=True) | models.Q(minutes__gt=0),
                name="device_rule_minutes",
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.pk}"


class CodeMap(models.Model):
    """A peer's code and ours."""

    endpoint = models.ForeignKey(
        "ris.Endpoint", null=True, blank=True, on_delete=models.CASCADE, related_name="code_maps"
    )
    table = models.CharField(max_length=30)
    source_value = models.CharField(max_length=64)
    source_scheme = models.CharField(max_length=64, blank=True, default="")
    target = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "table", "source_scheme", "source_value"],
                condition=models.Q(endpoint__isnull=False),
                name="code_map_unique_for_endpoint",
            ),
            models.UniqueConstraint(
                fields=["table", "source_scheme", "source_value"],
                condition=models.Q(endpoint__isnull=True),
                name="code_map_unique_for_all",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table}: {self.source_value}"
