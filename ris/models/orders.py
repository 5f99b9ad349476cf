"""Orders, requested procedures, scheduled procedure steps, and the counters that number them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.orders import OrderStatus, Priority, Stage, StepStatus
from ris.models.base import Public, Versioned, known


class Counter(models.Model):
    """A series of numbers that never repeats."""

    name = models.CharField(max_length=30, unique=True)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Order(Versioned):
    """An imaging service request: what the referring side asked for."""

    patient = models.ForeignKey(
        "ris.Patient", on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    visit = models.ForeignKey(
        "ris.Visit", null=True, blank=True, on_delete=models.SET_NULL, related_name="orders"
    )
    placer_order_number = models.CharField(max_length=64, blank=True, default="")
    placer_issuer = models.CharField(max_length=200, blank=True, default="")
    filler_order_number = models.CharField(max_length=64)
    filler_issuer = models.CharField(max_length=200, blank=True, default="")
    accession_number = models.CharField(max_length=16)
    accession_issuer = models.CharField(max_length=200, blank=True, default="")
    group_number = models.CharField(max_length=64, blank=True, default="")
    # The requisition that several orders came under (ORC-8), by the placer's number of it.
    parent_order_number = models.CharField(max_length=64, blank=True, default="", db_default="")
    parent_issuer = models.CharField(max_length=200, blank=True, default="", db_default="")
    replaces = models.ManyToManyField(
        "self", symmetrical=False, related_name="replaced_by", blank=True
    )
    status = models.CharField(max_length=20, default=OrderStatus.ACTIVE.value)
    priority = models.CharField(max_length=10, default=Priority.ROUTINE.value)
    reason = models.TextField(blank=True, default="")
    reason_code = models.JSONField(default=dict, blank=True)
    comments = models.TextField(blank=True, default="")
    requester = models.CharField(max_length=324, blank=True, default="")
    requester_identifier = models.CharField(max_length=64, blank=True, default="")
    requester_issuer = models.CharField(max_length=200, blank=True, default="")
    requesting_service = models.CharField(max_length=64, blank=True, default="")
    requesting_service_code = models.JSONField(default=dict, blank=True, db_default={})
    referring = models.CharField(max_length=324, blank=True, default="")
    transport = models.CharField(max_length=64, blank=True, default="")
    entered_by = models.CharField(max_length=324, blank=True, default="")
    entering_location = models.CharField(max_length=64, blank=True, default="", db_default="")
    callback_phone = models.CharField(max_length=250, blank=True, default="")
    clinical_information = models.TextField(blank=True, default="", db_default="")
    patient_state = models.CharField(max_length=64, blank=True, default="", db_default="")
    confidentiality = models.CharField(max_length=64, blank=True, default="", db_default="")
    patient_confidentiality = models.CharField(max_length=64, blank=True, default="", db_default="")
    # Language in which an interpreter is needed (BCP 47), empty for none.
    interpreter_language = models.CharField(max_length=20, blank=True, default="", db_default="")
    ordered_at = models.DateTimeField()
    source = models.ForeignKey(
        "ris.Endpoint", null=True, blank=True, on_delete=models.SET_NULL, related_name="orders"
    )
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    # Its placer wanted it canceled and was refused, for its exam had begun: {"at", "reason"}.
    cancel_asked = models.JSONField(null=True, blank=True)
    # What safety answers tell a scanner (ToldOfSafety), on the row the worklist reads anyway.
    safety = models.JSONField(default=dict, blank=True, db_default={})

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", OrderStatus), name="order_status_known"
            ),
            models.CheckConstraint(
                condition=known("priority", Priority), name="order_priority_known"
            ),
            models.UniqueConstraint(
                fields=["placer_issuer", "placer_order_number"],
                condition=~Q(placer_order_number=""),
                name="order_placer_unique",
            ),
            models.UniqueConstraint(
                fields=["filler_issuer", "filler_order_number"], name="order_filler_unique"
            ),
            models.UniqueConstraint(
                fields=["accession_issuer", "accession_number"], name="order_accession_unique"
            ),
        ]
        indexes = [
            models.Index(fields=["accession_number"], name="order_accession"),
            # Every message that names an order asks for these; SQLite cannot use the partial
            # unique index for a number it learns later, and no peer repeats our issuer.
            models.Index(fields=["placer_order_number"], name="order_placer"),
            models.Index(fields=["filler_order_number"], name="order_filler"),
            models.Index(fields=["status", "ordered_at"], name="order_status_ordered"),
            models.Index(fields=["patient", "ordered_at"], name="order_patient_ordered"),
            models.Index(fields=["updated_at"], name="order_updated"),
            models.Index(fields=["group_number"], name="order_group"),
            models.Index(fields=["parent_order_number"], name="order_parent"),
            # What a referring doctor, or a practice, ordered: the only orders they are shown.
            models.Index(fields=["requester_identifier", "ordered_at"], name="order_requester"),
            models.Index(fields=["requesting_service", "ordered_at"], name="order_service"),
        ]

    def __str__(self) -> str:
        return self.accession_number


class EarlyCancellation(Public):
    """A cancellation that came before its order: refused, and remembered for a while.

    The order that then comes is accepted and canceled at once, or the ``procedures`` of it that are
    named. ``message`` is the refused message, which administrators see until its order came.
    """

    placer_order_number = models.CharField(max_length=64)
    placer_issuer = models.CharField(max_length=200, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    procedures = models.JSONField(default=list, blank=True, db_default=[])
    message = models.ForeignKey(
        "ris.InboundMessage", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    order = models.ForeignKey(
        Order, null=True, on_delete=models.SET_NULL, related_name="early_cancellations"
    )

    class Meta:
        indexes = [models.Index(fields=["placer_order_number"], name="early_cancellation_number")]

    def __str__(self) -> str:
        return f"early cancellation {self.pk}"


class RequestedProcedure(Public):
    """What is read and reported on as one; keeps the code it was ordered with."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="procedures")
    procedure_id = models.CharField(max_length=16, unique=True)
    study_instance_uid = models.CharField(max_length=64, unique=True)
    definition = models.ForeignKey(
        "ris.ProcedureDefinition",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="procedures",
    )
    code_value = models.CharField(max_length=64, blank=True, default="")
    code_scheme = models.CharField(max_length=64, blank=True, default="")
    code_meaning = models.CharField(max_length=200, blank=True, default="")
    code_version = models.CharField(max_length=16, blank=True, default="")
    description = models.CharField(max_length=200, blank=True, default="")
    laterality = models.CharField(max_length=1, blank=True, default="")
    stage = models.CharField(max_length=12, default=Stage.REQUESTED.value)
    performed_at = models.DateTimeField(null=True, blank=True)  # when the last step ended

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("stage", Stage), name="procedure_stage_known"),
            models.CheckConstraint(
                condition=Q(laterality__in=["", "L", "R", "B", "U"]),
                name="procedure_laterality_known",
            ),
        ]
        indexes = [
            models.Index(fields=["stage", "performed_at"], name="procedure_stage_performed"),
            models.Index(fields=["code_value"], name="procedure_code"),
            models.Index(fields=["updated_at"], name="procedure_updated"),
        ]

    def __str__(self) -> str:
        return self.procedure_id


class ScheduledProcedureStep(Versioned):
    """What one station is to do."""

    procedure = models.ForeignKey(
        RequestedProcedure, on_delete=models.CASCADE, related_name="steps"
    )
    step_id = models.CharField(max_length=16, unique=True)
    status = models.CharField(max_length=12, default=StepStatus.PENDING.value)
    # What the step was before it was started, so that a wrong start can be undone.
    status_before_start = models.CharField(max_length=12, blank=True, default="")
    modality = models.CharField(max_length=16, blank=True, default="")
    device = models.ForeignKey(
        "ris.Device", null=True, blank=True, on_delete=models.PROTECT, related_name="steps"
    )
    station_ae_title = models.CharField(max_length=16, blank=True, default="")
    station_name = models.CharField(max_length=16, blank=True, default="")
    location = models.CharField(max_length=16, blank=True, default="")
    start_at = models.DateTimeField(null=True, blank=True)
    duration_minutes = models.PositiveIntegerField(default=30)
    description = models.CharField(max_length=64, blank=True, default="")
    protocol_codes = models.JSONField(default=list, blank=True)
    performing_physician = models.CharField(max_length=324, blank=True, default="")
    pre_medication = models.CharField(max_length=64, blank=True, default="")
    contrast_agent = models.CharField(max_length=64, blank=True, default="")
    comments = models.TextField(blank=True, default="")
    # The placer asked for this time; kept when a scheduler has to decide.
    wished_at = models.DateTimeField(null=True, blank=True)
    announced = models.BooleanField(default=False)  # the archive was told of this step
    appointment = models.ForeignKey(
        "ris.Appointment", null=True, blank=True, on_delete=models.SET_NULL, related_name="steps"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("status", StepStatus), name="step_status_known"),
            models.CheckConstraint(
                # A time is required once past PENDING; what was canceled before needs none.
                condition=Q(status__in=[StepStatus.PENDING.value, StepStatus.CANCELED.value])
                | Q(start_at__isnull=False),
                name="step_start_once_scheduled",
            ),
        ]
        indexes = [
            # The worklist: a station's day, a modality's days, everybody's days.
            models.Index(fields=["station_ae_title", "start_at"], name="step_station_start"),
            models.Index(fields=["modality", "start_at"], name="step_modality_start"),
            models.Index(fields=["start_at"], name="step_start"),
            models.Index(fields=["status", "start_at"], name="step_status_start"),
            models.Index(fields=["updated_at"], name="step_updated"),
        ]

    def __str__(self) -> str:
        return self.step_id
