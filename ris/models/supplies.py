"""What is used up in the rooms: the catalog, what was used for each step, reactions to it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.supplies import Agent, Route, Severity, SupplyKind
from ris.models.base import Public, known


class Supply(Public):
    """A contrast agent, drug or material."""

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=16, default="ml")
    kind = models.CharField(max_length=8, default=SupplyKind.MATERIAL.value)
    agent = models.CharField(max_length=12, blank=True, default="")
    concentration = models.DecimalField(max_digits=8, decimal_places=3, null=True, blank=True)
    lot_required = models.BooleanField(default=False)
    route = models.CharField(max_length=4, blank=True, default="")
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("kind", SupplyKind), name="supply_kind_known"),
            models.CheckConstraint(condition=known("agent", Agent), name="supply_agent_known"),
            models.CheckConstraint(
                condition=Q(concentration__isnull=True) | Q(concentration__gt=0),
                name="supply_concentration",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SupplyDefault(models.Model):
    """What a procedure usually takes."""

    definition = models.ForeignKey(
        "ris.ProcedureDefinition", on_delete=models.CASCADE, related_name="supplies"
    )
    supply = models.ForeignKey(Supply, on_delete=models.CASCADE, related_name="defaults")
    amount = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["definition", "supply"], name="supply_default_unique"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="supply_default_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} of supply {self.supply_id}"


class SupplyUse(Public):
    """Something that was used for a step, as it was recorded; replaced and never changed."""

    step = models.ForeignKey(
        "ris.ScheduledProcedureStep", on_delete=models.CASCADE, related_name="supplies"
    )
    supply = models.ForeignKey(Supply, on_delete=models.PROTECT, related_name="uses")
    code = models.CharField(max_length=64)
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=16)
    kind = models.CharField(max_length=8)
    agent = models.CharField(max_length=12, blank=True, default="")
    concentration = models.DecimalField(max_digits=8, decimal_places=3, null=True, blank=True)
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    lot = models.CharField(max_length=40, blank=True, default="")
    expires_on = models.DateField(null=True, blank=True)
    route = models.CharField(max_length=4, blank=True, default="")
    recorded_by = models.CharField(max_length=200)
    recorded_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True, blank=True)
    replaced_by = models.CharField(max_length=200, blank=True, default="")
    reason = models.CharField(max_length=200, blank=True, default="")  # of the correction

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="supply_use_amount"),
            models.CheckConstraint(
                condition=Q(route__in=["", *[route.value for route in Route]]),
                name="supply_use_route_known",
            ),
        ]
        indexes = [models.Index(fields=["lot"], name="supply_use_lot")]

    def __str__(self) -> str:
        return f"{self.amount} {self.unit} {self.name}"


class Reaction(Public):
    """What a patient did not bear, with the coded word for it (PS3.16 CID 9300)."""

    step = models.ForeignKey(
        "ris.ScheduledProcedureStep", on_delete=models.CASCADE, related_name="reactions"
    )
    supply = models.ForeignKey(
        Supply, null=True, blank=True, on_delete=models.PROTECT, related_name="reactions"
    )
    code = models.JSONField(default=dict)
    severity = models.CharField(max_length=8)
    note = models.CharField(max_length=1000, blank=True, default="")
    occurred_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("severity", Severity), name="reaction_severity_known"
            )
        ]

    def __str__(self) -> str:
        return f"reaction {self.public_id}"
