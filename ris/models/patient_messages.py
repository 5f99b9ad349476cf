"""Links and messages for patients: who may see what, what was told, who does not want any."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from ris.domain.patient_links import LinkPurpose
from ris.domain.patient_messages import CHANGES, Channel, Occasion, PatientMessageState
from ris.models.base import Public, known

_PLANNED = Q(state=PatientMessageState.PLANNED.value)
_IS_CHANGE = Q(occasion__in=sorted(each.value for each in CHANGES))


class PatientPolicy(Public):
    """What patients of a site may do at their page; without a site: of all others."""

    site = models.OneToOneField(
        "ris.Site", null=True, on_delete=models.CASCADE, related_name="patient_policy"
    )
    key = models.CharField(max_length=40, unique=True)  # the site's public id, or "all"
    active = models.BooleanField(default=True)
    phone = models.CharField(max_length=40, blank=True, default="")
    bring = models.TextField(blank=True, default="")
    notice_hours = models.PositiveIntegerField(default=24)
    days_ahead = models.PositiveIntegerField(default=28)
    keep_hours = models.PositiveIntegerField(default=48)
    may_move = models.BooleanField(default=True)
    may_cancel = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"patient policy {self.pk}"


class AppointmentLink(Public):
    """The page of one appointment; of its token only the digest is kept."""

    appointment = models.ForeignKey(
        "ris.Appointment", on_delete=models.CASCADE, related_name="links"
    )
    purpose = models.CharField(max_length=10, default=LinkPurpose.VISIT.value)
    nonce = models.CharField(max_length=32)
    digest = models.CharField(max_length=64, unique=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    misses = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("purpose", LinkPurpose), name="link_purpose_known"
            ),
            models.UniqueConstraint(
                fields=["appointment", "purpose"],
                condition=Q(revoked_at__isnull=True),
                name="link_one_of_a_purpose",
            ),
        ]

    def __str__(self) -> str:
        return f"link {self.public_id}"


class PatientMessageRule(Public):
    """Whether and when an occasion is told: of a procedure, else of a site, else of all."""

    occasion = models.CharField(max_length=12)
    channel = models.CharField(max_length=8)
    site = models.ForeignKey("ris.Site", null=True, on_delete=models.CASCADE, related_name="+")
    procedure = models.ForeignKey(
        "ris.ProcedureDefinition", null=True, on_delete=models.CASCADE, related_name="+"
    )
    active = models.BooleanField(default=True)
    hours_before = models.PositiveIntegerField(default=0)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    names_exam = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("occasion", Occasion), name="rule_occasion"),
            models.CheckConstraint(condition=known("channel", Channel), name="rule_channel"),
            models.CheckConstraint(
                condition=Q(site__isnull=True) | Q(procedure__isnull=True),
                name="rule_of_site_or_procedure",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.occasion} by {self.channel}"


class PatientMessageText(Public):
    """The words of an occasion in one language, where a site has its own."""

    occasion = models.CharField(max_length=12)
    channel = models.CharField(max_length=8)
    language = models.CharField(max_length=8)
    subject = models.CharField(max_length=200, blank=True, default="")
    body = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["occasion", "channel", "language"], name="message_text_once"
            ),
            models.CheckConstraint(condition=known("occasion", Occasion), name="text_occasion"),
            models.CheckConstraint(condition=known("channel", Channel), name="text_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.occasion} by {self.channel} in {self.language}"


class ContactChoice(Public):
    """Whether a patient wants messages by a channel; without a row: as the rules say."""

    patient = models.ForeignKey(
        "ris.Patient", on_delete=models.CASCADE, related_name="contact_choices"
    )
    channel = models.CharField(max_length=8)
    wanted = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["patient", "channel"], name="contact_choice_once"),
            models.CheckConstraint(condition=known("channel", Channel), name="choice_channel"),
        ]

    def __str__(self) -> str:
        return f"choice {self.public_id}"


class PatientMessage(Public):
    """One message: planned by a change or by the clock, then sent or dropped."""

    patient = models.ForeignKey("ris.Patient", on_delete=models.CASCADE, related_name="messages_to")
    order = models.ForeignKey("ris.Order", null=True, on_delete=models.CASCADE, related_name="+")
    appointment = models.ForeignKey(
        "ris.Appointment", on_delete=models.CASCADE, related_name="patient_messages"
    )
    occasion = models.CharField(max_length=12)
    channel = models.CharField(max_length=8)
    state = models.CharField(max_length=8, default=PatientMessageState.PLANNED.value)
    start_at = models.DateTimeField()  # of the appointment, as the message tells it
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True, default="")
    delivery = models.ForeignKey(
        "ris.Delivery", null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("state", PatientMessageState), name="patient_message_state"
            ),
            models.CheckConstraint(
                condition=known("occasion", Occasion), name="patient_message_occasion"
            ),
            models.CheckConstraint(
                condition=known("channel", Channel), name="patient_message_channel"
            ),
            # Of a burst of changes one message is planned; of reminders one for each time.
            models.UniqueConstraint(
                fields=["appointment", "channel"],
                condition=_PLANNED & _IS_CHANGE,
                name="patient_message_one_change",
            ),
            models.UniqueConstraint(
                fields=["appointment", "channel", "occasion", "start_at"],
                condition=~_IS_CHANGE,
                name="patient_message_once_for_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"], name="patient_message_due"),
            models.Index(fields=["patient", "id"], name="patient_message_patient"),
        ]

    def __str__(self) -> str:
        return f"patient message {self.public_id}"
