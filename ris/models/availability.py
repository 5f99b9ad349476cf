"""What archives said they have of each study."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.availability import ImagesState
from ris.models.base import Public, known


class StudyAvailability(Public):
    """The images of a study, as far as an archive told of them."""

    study_instance_uid = models.CharField(max_length=64, unique=True)
    order = models.ForeignKey(
        "ris.Order", null=True, blank=True, on_delete=models.SET_NULL, related_name="availability"
    )
    images = models.CharField(max_length=11, default=ImagesState.UNKNOWN.value)
    counts = models.JSONField(default=dict, blank=True)  # by availability
    comparison = models.JSONField(default=dict, blank=True)
    # The only performed steps it names were ended as the wrong worklist entry.
    unavailable_expected = models.BooleanField(default=False)
    performed_uids = models.JSONField(default=list, blank=True)
    told_by = models.CharField(max_length=16, blank=True, default="")
    first_told_at = models.DateTimeField()
    last_told_at = models.DateTimeField()
    resolved_note = models.CharField(max_length=500, blank=True, default="")
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("images", ImagesState), name="study_images_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["last_told_at"],
                condition=Q(resolved_at__isnull=True),
                name="availability_open",
            ),
        ]

    def __str__(self) -> str:
        return self.study_instance_uid


class SeriesAvailability(models.Model):
    """A series of it; the instances are one packed value, not a row each."""

    study = models.ForeignKey(StudyAvailability, on_delete=models.CASCADE, related_name="series")
    series_instance_uid = models.CharField(max_length=64)
    counts = models.JSONField(default=dict, blank=True)
    retrieve_ae_titles = models.JSONField(default=list, blank=True)
    instances = models.BinaryField(default=b"")  # UID → availability, JSON, deflated

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "series_instance_uid"], name="series_availability_unique"
            )
        ]

    def __str__(self) -> str:
        return self.series_instance_uid
