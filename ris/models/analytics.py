"""Facts of a day, counted from what happened; they can be thrown away and counted again."""

from __future__ import annotations

from django.db import models


class FactDay(models.Model):
    """A day that was counted, and when last."""

    day = models.DateField(unique=True)
    counted_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.day.isoformat()


class ExamFact(models.Model):
    """The exams done on a day, of one site, modality and priority.

    ``legs``: for each leg how many exams took how many minutes, so that medians over any period are
    exact. ``hours``: how many began in which hour of the day.
    """

    day = models.DateField()
    site = models.ForeignKey("ris.Site", null=True, on_delete=models.CASCADE, related_name="+")
    modality = models.CharField(max_length=16, blank=True, default="")
    priority = models.CharField(max_length=10, blank=True, default="")
    exams = models.PositiveIntegerField(default=0)
    legs = models.JSONField(default=dict)
    hours = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["day"], name="exam_fact_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.modality}"


class DeviceFact(models.Model):
    """A device's day: minutes open, booked and used; how its appointments ended."""

    day = models.DateField()
    device = models.ForeignKey("ris.Device", on_delete=models.CASCADE, related_name="+")
    open_minutes = models.PositiveIntegerField(default=0)
    booked_minutes = models.PositiveIntegerField(default=0)
    used_minutes = models.PositiveIntegerField(default=0)
    appointments = models.PositiveIntegerField(default=0)
    no_shows = models.PositiveIntegerField(default=0)
    canceled = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "device"], name="device_fact_once"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.device_id}"
