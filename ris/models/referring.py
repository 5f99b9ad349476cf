"""Referring doctors: whose orders a login may see, what was taken note of, who was written to."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from ris.domain.referring import NoticeOccasion, NoticeState, NoticeTime
from ris.models.base import Public, known


class ReferrerAccess(Public):
    """A login sees the orders of a practitioner, or those of a practice, from here on."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="referrer_access"
    )
    practitioner = models.ForeignKey(
        "ris.Practitioner", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    service = models.CharField(max_length=64, blank=True, default="")  # Order.requesting_service
    granted_at = models.DateTimeField()
    granted_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(practitioner__isnull=False, service="")
                | (Q(practitioner__isnull=True) & ~Q(service="")),
                name="referrer_access_of_one",
            ),
            models.UniqueConstraint(
                fields=["user", "practitioner"],
                condition=Q(practitioner__isnull=False),
                name="referrer_access_practitioner_once",
            ),
            models.UniqueConstraint(
                fields=["user", "service"],
                condition=~Q(service=""),
                name="referrer_access_service_once",
            ),
        ]

    def __str__(self) -> str:
        return f"access {self.public_id}"


class ResultReceipt(Public):
    """A version as one login at the ordering side met it: opened, then acknowledged."""

    version = models.ForeignKey(
        "ris.ReportVersion", on_delete=models.PROTECT, related_name="receipts"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "user"], name="result_receipt_once")
        ]

    def __str__(self) -> str:
        return f"receipt {self.public_id}"


class NoticeChoice(Public):
    """Whether and when a login wants mail about results; without a row: not at all."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_choice"
    )
    when = models.CharField(max_length=8, default=NoticeTime.OFF.value)
    address = models.CharField(max_length=254, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=known("when", NoticeTime), name="notice_when_known")
        ]

    def __str__(self) -> str:
        return f"notices of user {self.user_id}"


class ResultNotice(Public):
    """One result to tell one doctor of: planned by its event, then sent alone or with others."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    order = models.ForeignKey("ris.Order", on_delete=models.CASCADE, related_name="+")
    # None: of a critical finding that was flagged before anybody began a report.
    report = models.ForeignKey(
        "ris.Report", null=True, on_delete=models.CASCADE, related_name="notices"
    )
    occasion = models.CharField(max_length=10)
    key = models.CharField(max_length=40)  # the version's number, or the critical result
    state = models.CharField(max_length=8, default=NoticeState.PLANNED.value)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True, default="")
    delivery = models.ForeignKey(
        "ris.Delivery", null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=known("occasion", NoticeOccasion), name="result_notice_occasion"
            ),
            models.CheckConstraint(
                condition=known("state", NoticeState), name="result_notice_state"
            ),
            models.UniqueConstraint(
                fields=["user", "report", "occasion", "key"], name="result_notice_once"
            ),
            models.UniqueConstraint(
                fields=["user", "key"],
                condition=models.Q(report=None),
                name="result_notice_without_report_once",
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"], name="result_notice_due")]

    def __str__(self) -> str:
        return f"notice {self.public_id}"
