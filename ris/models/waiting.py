"""The waiting list, and what is offered to those on it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from ris.domain.waiting import OfferStatus, WaitingStatus
from ris.models.base import Public, known


class WaitingEntry(Public):
    """A step whose patient would come when something becomes free."""

    step = models.ForeignKey(
        "ris.ScheduledProcedureStep", on_delete=models.CASCADE, related_name="waiting"
    )
    status = models.CharField(max_length=9, default=WaitingStatus.WAITING.value)
    # Kept beside the entry so that who comes next is one look into an index.
    modality = models.CharField(max_length=16)
    rank = models.PositiveSmallIntegerField()  # of the order's priority; 0 is the most urgent
    since = models.DateTimeField()
    earliest = models.DateField(null=True, blank=True)
    latest = models.DateField(null=True, blank=True)
    day_parts = models.JSONField(default=list, blank=True)  # empty: any
    notice_hours = models.PositiveSmallIntegerField(default=24)
    comment = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", WaitingStatus), name="waiting_status_known"
            ),
            models.CheckConstraint(
                condition=Q(earliest__isnull=True)
                | Q(latest__isnull=True)
                | Q(latest__gte=F("earliest")),
                name="waiting_ends_after_start",
            ),
            models.UniqueConstraint(
                fields=["step"],
                condition=Q(status=WaitingStatus.WAITING.value),
                name="waiting_once",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "modality", "rank", "since"], name="waiting_in_turn")
        ]

    def __str__(self) -> str:
        return f"waiting {self.public_id}"


class SlotOffer(Public):
    """A time that became free, held for one of those who wait."""

    entry = models.ForeignKey(WaitingEntry, on_delete=models.CASCADE, related_name="offers")
    # What holds the time; it is let go when the offer is declined or runs out.
    hold = models.OneToOneField(
        "ris.Appointment", null=True, on_delete=models.SET_NULL, related_name="offer"
    )
    device = models.ForeignKey("ris.Device", on_delete=models.PROTECT, related_name="+")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    status = models.CharField(max_length=8, default=OfferStatus.OPEN.value)
    expires_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("status", OfferStatus), name="offer_known"),
            models.CheckConstraint(
                condition=Q(end_at__gt=F("start_at")), name="offer_ends_after_start"
            ),
            models.UniqueConstraint(
                fields=["entry"],
                condition=Q(status=OfferStatus.OPEN.value),
                name="offer_one_at_a_time",
            ),
        ]
        indexes = [models.Index(fields=["status", "expires_at"], name="offer_status_expiry")]

    def __str__(self) -> str:
        return f"offer {self.public_id}"


class FreedTime(models.Model):
    """Time that a removal gave back: a closure, a holiday, a downtime, time kept for some.

    What a booking gives back is seen at the booking itself; what is removed leaves no row behind,
    so the waiting list finds it here.
    """

    resource = models.ForeignKey("ris.Resource", on_delete=models.CASCADE, related_name="+")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(end_at__gt=F("start_at")), name="freed_time_ends_after_start"
            )
        ]
        indexes = [models.Index(fields=["at"], name="freed_time_at")]

    def __str__(self) -> str:
        return f"freed {self.start_at:%Y-%m-%d %H:%M}"
