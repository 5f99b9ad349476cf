"""Appointments, bookings, hours and closures; free slots are computed, never stored."""

from __future__ import annotations

from datetime import time

from django.db import models
from django.db.models import F, Q

from ris.domain.scheduling import (
    UNTIL_FURTHER_NOTICE,
    Answer,
    AppointmentStatus,
    ClosureKind,
    NumberKind,
    Participant,
)
from ris.models.base import Public, Versioned, known
from ris.models.prepared import Quick


class Appointment(Versioned):
    """A time agreed for a patient.

    One that is only held may have no patient yet. One that is proposed has no time yet: its start
    is the wish if there is one, else when it was asked for, and takes nothing.
    """

    patient = models.ForeignKey(
        "ris.Patient",
        null=True,
        on_delete=models.PROTECT,
        related_name="appointments",
        db_index=False,
    )
    # What it is or was for; the steps are let go when it is canceled.
    order = models.ForeignKey(
        "ris.Order", null=True, on_delete=models.SET_NULL, related_name="appointments"
    )
    status = models.CharField(max_length=10, default=AppointmentStatus.HELD.value)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    device = models.ForeignKey(
        "ris.Device", null=True, on_delete=models.PROTECT, related_name="appointments"
    )
    overbooked = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True, default="")
    comment = models.CharField(max_length=500, blank=True, default="")
    held_by = models.CharField(max_length=200, blank=True, default="")  # the actor's name
    expires_at = models.DateTimeField(null=True, blank=True)
    arrived_at = models.DateTimeField(null=True, blank=True)
    # Its scheduler said that it should never have been made; it is canceled as well.
    voided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("status", AppointmentStatus), name="appointment_status_known"
            ),
            models.CheckConstraint(
                condition=Q(end_at__gt=F("start_at")), name="appointment_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(patient__isnull=False)
                | Q(
                    status__in=[
                        AppointmentStatus.HELD.value,
                        AppointmentStatus.EXPIRED.value,
                        AppointmentStatus.CANCELED.value,
                    ]
                ),
                name="appointment_of_a_patient",
            ),
        ]
        indexes = [
            models.Index(fields=["start_at", "status"], name="appointment_start_status"),
            # A day of some states: SQLite would rather look up every appointment of a state.
            models.Index(fields=["status", "start_at"], name="appointment_status_start"),
            models.Index(fields=["patient", "start_at"], name="appointment_patient_start"),
            models.Index(fields=["status", "expires_at"], name="appointment_status_expiry"),
            models.Index(fields=["updated_at"], name="appointment_updated"),
        ]

    def __str__(self) -> str:
        return f"appointment {self.public_id}"


class AppointmentNumber(models.Model):
    """What a scheduling system calls an appointment (SCH-1, SCH-2); several steps may share it."""

    appointment = models.ForeignKey(Appointment, on_delete=models.CASCADE, related_name="numbers")
    kind = models.CharField(max_length=6)
    value = models.CharField(max_length=64)
    issuer = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["appointment", "kind"], name="appointment_number_unique"
            ),
            models.CheckConstraint(
                condition=known("kind", NumberKind), name="appointment_number_kind_known"
            ),
        ]
        indexes = [models.Index(fields=["value", "issuer"], name="appointment_number_value")]

    def __str__(self) -> str:
        return f"{self.kind} number of appointment {self.appointment_id}"


class AppointmentAnswer(Public):
    """What a participant said to an appointment; the newest of each is what counts."""

    appointment = models.ForeignKey(Appointment, on_delete=models.CASCADE, related_name="answers")
    participant = models.CharField(max_length=7)
    key = models.UUIDField()  # public id of the patient, device or room
    answer = models.CharField(max_length=9)
    comment = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("participant", Participant), name="answer_participant_known"
            ),
            models.CheckConstraint(condition=known("answer", Answer), name="answer_known"),
        ]
        indexes = [
            models.Index(fields=["key"], name="answer_key"),
            models.Index(fields=["updated_at"], name="answer_updated"),
        ]

    def __str__(self) -> str:
        return f"answer {self.public_id}"


class Booking(Quick):
    """A resource taken for an interval.

    Two live bookings of one resource never overlap: an exclusion constraint on PostgreSQL and a
    trigger on SQLite see to that (migration ``no_double_booking``). One that was booked over on
    purpose is not ``exclusive`` and stands outside the rule.
    """

    resource = models.ForeignKey(
        "ris.Resource", on_delete=models.PROTECT, related_name="bookings", db_index=False
    )
    appointment = models.ForeignKey(Appointment, on_delete=models.CASCADE, related_name="bookings")
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    live = models.BooleanField(default=True)
    exclusive = models.BooleanField(default=True)
    # Kept free around it for preparing and cleaning, as agreed when it was booked.
    before_minutes = models.PositiveSmallIntegerField(default=0, db_default=0)
    after_minutes = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(end_at__gt=F("start_at")), name="booking_ends_after_start"
            ),
        ]
        indexes = [models.Index(fields=["resource", "start_at"], name="booking_resource_start")]

    def __str__(self) -> str:
        return f"booking {self.pk}"


class ResourceHours(models.Model):
    """When a resource is open on a weekday, in site-local time; closing at 0:00 is midnight."""

    resource = models.ForeignKey("ris.Resource", on_delete=models.CASCADE, related_name="hours")
    weekday = models.PositiveSmallIntegerField()  # 0 is Monday
    opens = models.TimeField()
    closes = models.TimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(weekday__lte=6), name="hours_weekday"),
            models.CheckConstraint(
                condition=Q(closes__gt=F("opens")) | Q(closes=time(0)),
                name="hours_close_after_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.weekday} {self.opens}-{self.closes}"


class Closure(models.Model):
    """An interval in which a resource is closed; its end may not be known yet."""

    resource = models.ForeignKey("ris.Resource", on_delete=models.CASCADE, related_name="closures")
    kind = models.CharField(
        max_length=8, default=ClosureKind.CLOSURE.value, db_default=ClosureKind.CLOSURE.value
    )
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()  # UNTIL_FURTHER_NOTICE where nobody knows
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(end_at__gt=F("start_at")), name="closure_ends_after_start"
            ),
            models.CheckConstraint(condition=known("kind", ClosureKind), name="closure_kind_known"),
        ]
        indexes = [models.Index(fields=["resource", "start_at"], name="closure_resource_start")]

    def __str__(self) -> str:
        return f"closure {self.pk}"

    @property
    def open_ended(self) -> bool:
        """Nobody knows yet when it ends."""
        return self.end_at >= UNTIL_FURTHER_NOTICE


class Block(Public):
    """Time of a resource kept for some: weekly in site-local time, or one stretch.

    Who may have it: whoever fits one of the lists, where all that are not empty must fit. Without
    any it is for nobody. Shortly before it starts it is open to all (``release_hours_before``,
    computed and never stored), or when somebody releases it.
    """

    resource = models.ForeignKey("ris.Resource", on_delete=models.CASCADE, related_name="blocks")
    label = models.CharField(max_length=64)
    weekday = models.PositiveSmallIntegerField(null=True, blank=True)  # 0 is Monday
    opens = models.TimeField(null=True, blank=True)
    closes = models.TimeField(null=True, blank=True)  # 0:00 is midnight
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True)  # the last day
    start_at = models.DateTimeField(null=True, blank=True)
    end_at = models.DateTimeField(null=True, blank=True)
    procedures = models.JSONField(default=list, blank=True)  # codes of the catalog
    modalities = models.JSONField(default=list, blank=True)
    priorities = models.JSONField(default=list, blank=True)
    groups = models.JSONField(default=list, blank=True)  # words of requester or department
    release_hours_before = models.PositiveIntegerField(null=True, blank=True)  # null: never
    released_at = models.DateTimeField(null=True, blank=True)
    released_days = models.JSONField(default=list, blank=True)  # of a weekly one, ISO dates

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    weekday__isnull=False,
                    weekday__lte=6,
                    opens__isnull=False,
                    closes__isnull=False,
                    start_at__isnull=True,
                    end_at__isnull=True,
                )
                | Q(
                    weekday__isnull=True,
                    opens__isnull=True,
                    closes__isnull=True,
                    start_at__isnull=False,
                    end_at__isnull=False,
                ),
                name="block_weekly_or_once",
            ),
            models.CheckConstraint(
                condition=Q(opens__isnull=True) | Q(closes__gt=F("opens")) | Q(closes=time(0)),
                name="block_closes_after_open",
            ),
            models.CheckConstraint(
                condition=Q(start_at__isnull=True) | Q(end_at__gt=F("start_at")),
                name="block_ends_after_start",
            ),
        ]
        indexes = [models.Index(fields=["resource", "weekday"], name="block_resource_weekday")]

    def __str__(self) -> str:
        return self.label
