"""What the clock has made due."""

from __future__ import annotations

from django.utils import timezone

from ris.domain.scheduling import AppointmentStatus
from ris.models import Appointment


def holds_due() -> bool:
    """Whether a held slot's time is over."""
    return Appointment.objects.filter(
        status=AppointmentStatus.HELD.value, expires_at__lte=timezone.now()
    ).exists()
