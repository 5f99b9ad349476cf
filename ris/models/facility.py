"""Sites, rooms, devices, practitioners, and the resources they are for the calendar."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from ris.domain.facility import ResourceKind
from ris.models.base import Public, known


class Site(Public):
    name = models.CharField(max_length=100, unique=True)
    institution = models.CharField(max_length=64, blank=True, default="")
    time_zone = models.CharField(max_length=60, blank=True, default="")
    address = models.CharField(max_length=500, blank=True, default="")
    patient_id_issuer = models.CharField(max_length=200, blank=True, default="")
    # Times that would leave a gap too short for any exam are not offered.
    avoids_gaps = models.BooleanField(default=False, db_default=False)

    def __str__(self) -> str:
        return self.name


class Resource(Public):
    """Something that can be booked once at a time."""

    kind = models.CharField(max_length=6)
    name = models.CharField(max_length=64)
    # Out of use for good: keeps its past, is offered nowhere.
    active = models.BooleanField(default=True, db_default=True)
    site = models.ForeignKey(Site, null=True, on_delete=models.PROTECT, related_name="resources")
    # Kept free around each booking: cleaning, turnaround.
    buffer_before_minutes = models.PositiveSmallIntegerField(default=0, db_default=0)
    buffer_after_minutes = models.PositiveSmallIntegerField(default=0, db_default=0)
    # No shorter gap is left where a time is offered; 0: as the site says (``avoids_gaps``).
    gap_minutes = models.PositiveSmallIntegerField(default=0, db_default=0)
    open_on_holidays = models.BooleanField(default=False, db_default=False)
    note = models.CharField(max_length=500, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("kind", ResourceKind), name="resource_kind_known"
            ),
            models.UniqueConstraint(fields=["kind", "name"], name="resource_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class Room(Public):
    site = models.ForeignKey(Site, null=True, on_delete=models.PROTECT, related_name="rooms")
    name = models.CharField(max_length=64, unique=True)
    resource = models.OneToOneField(Resource, on_delete=models.PROTECT, related_name="room")

    def __str__(self) -> str:
        return self.name


class Device(Public):
    """A modality, known to the network by its AE title (0040,0001)."""

    ae_title = models.CharField(max_length=16, unique=True)
    station_name = models.CharField(max_length=16, blank=True, default="")
    modality = models.CharField(max_length=16)
    room = models.ForeignKey(Room, null=True, on_delete=models.PROTECT, related_name="devices")
    resource = models.OneToOneField(Resource, on_delete=models.PROTECT, related_name="device")
    address = models.CharField(max_length=100, blank=True, default="")
    character_sets = models.JSONField(default=list, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        indexes = [models.Index(fields=["modality"], name="device_modality")]

    def __str__(self) -> str:
        return self.ae_title


class Practitioner(Public):
    """A physician or other person who orders, performs or reads."""

    name = models.CharField(max_length=324)
    identifier = models.CharField(max_length=64, blank=True, default="")
    issuer = models.CharField(max_length=200, blank=True, default="")
    phone = models.CharField(max_length=250, blank=True, default="")
    email = models.CharField(max_length=250, blank=True, default="")
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="practitioner",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "identifier"],
                condition=~models.Q(identifier=""),
                name="practitioner_identifier_unique",
            )
        ]
        indexes = [models.Index(fields=["identifier"], name="practitioner_identifier")]

    def __str__(self) -> str:
        return self.name


class StaffMember(Public):
    """Somebody who is booked: what they can do, in words that procedures ask for."""

    resource = models.OneToOneField(Resource, on_delete=models.PROTECT, related_name="staff")
    practitioner = models.ForeignKey(
        Practitioner, null=True, blank=True, on_delete=models.SET_NULL, related_name="staff"
    )
    name = models.CharField(max_length=64)
    skills = models.JSONField(default=list, blank=True)
    active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class ResourceGroup(Public):
    """Resources under one name ("MR scanners"), for rules, blocks, searches and rights."""

    name = models.CharField(max_length=64, unique=True)
    members = models.ManyToManyField(Resource, related_name="groups", blank=True)

    def __str__(self) -> str:
        return self.name


class Holiday(Public):
    """A day on which a site, or every site, is closed but for what is open on holidays."""

    site = models.ForeignKey(Site, null=True, on_delete=models.CASCADE, related_name="holidays")
    date = models.DateField()
    name = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "date"],
                condition=models.Q(site__isnull=False),
                name="holiday_of_site_unique",
            ),
            models.UniqueConstraint(
                fields=["date"],
                condition=models.Q(site__isnull=True),
                name="holiday_of_all_unique",
            ),
        ]
        indexes = [models.Index(fields=["date"], name="holiday_date")]

    def __str__(self) -> str:
        return f"{self.date} {self.name}"
