"""The front desk: identity checks, ticket numbers of the day, screens, and what a site prints."""

from __future__ import annotations

from django.db import models

from ris.domain.arrivals import LabelSize, WallKind, WallNames
from ris.models.base import Public, known


class IdentityCheck(models.Model):
    """Which identifiers somebody compared when a patient arrived, and found to agree."""

    appointment = models.ForeignKey(
        "ris.Appointment", on_delete=models.CASCADE, related_name="identity_checks"
    )
    checked = models.JSONField(default=list)
    reason = models.CharField(max_length=200, blank=True, default="")  # why fewer than two
    checked_by = models.CharField(max_length=200)
    checked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"identity check {self.pk}"


class Ticket(models.Model):
    """The number of a patient in the waiting room: counted anew each day at each site."""

    appointment = models.OneToOneField(
        "ris.Appointment", on_delete=models.CASCADE, related_name="ticket"
    )
    site = models.ForeignKey("ris.Site", null=True, on_delete=models.SET_NULL, related_name="+")
    day = models.DateField()
    number = models.PositiveIntegerField()
    called_at = models.DateTimeField(null=True, blank=True)
    called_to = models.CharField(max_length=64, blank=True, default="")
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "day", "number"], name="ticket_number_unique")
        ]
        indexes = [models.Index(fields=["day", "called_at"], name="ticket_day_called")]

    def __str__(self) -> str:
        return f"ticket {self.number}"


class DeskSettings(models.Model):
    """What a site's front desk prints and its waiting room shows."""

    site = models.OneToOneField("ris.Site", on_delete=models.CASCADE, related_name="desk")
    label = models.CharField(max_length=8, default=LabelSize.MEDIUM.value)
    names = models.CharField(max_length=8, default=WallNames.NUMBER.value)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("label", LabelSize), name="desk_label_known"),
            models.CheckConstraint(condition=known("names", WallNames), name="desk_names_known"),
        ]

    def __str__(self) -> str:
        return f"desk of site {self.site_id}"


class WallLink(Public):
    """A screen that shows a site's wall without a login, until it is revoked."""

    site = models.ForeignKey("ris.Site", on_delete=models.CASCADE, related_name="wall_links")
    kind = models.CharField(max_length=7)
    name = models.CharField(max_length=80)
    issued_by = models.CharField(max_length=200)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("kind", WallKind), name="wall_kind_known")
        ]

    def __str__(self) -> str:
        return self.name
