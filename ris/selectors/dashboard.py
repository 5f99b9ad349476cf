"""The numbers of the home page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from ris.domain.orders import Priority, StepStatus
from ris.domain.scheduling import AppointmentStatus
from ris.models import Appointment, Endpoint, ScheduledProcedureStep
from ris.selectors import order_lists, reading
from ris.selectors.calendar import midnight
from ris.selectors.order_lists import Tab
from ris.selectors.reading import Pile


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Today's patients by where they are."""

    expected: int
    late: int
    arrived: int
    in_progress: int
    done: int
    no_show: int


def day() -> Day:
    today = timezone.localdate()
    zone = timezone.get_default_timezone()
    start, end = midnight(today, zone), midnight(today + timedelta(days=1), zone)
    appointments = Appointment.objects.filter(start_at__gte=start, start_at__lt=end)
    status = Counter(appointments.values_list("status", flat=True))
    steps = Counter(
        ScheduledProcedureStep.objects.filter(start_at__gte=start, start_at__lt=end).values_list(
            "status", flat=True
        )
    )
    return Day(
        expected=status[AppointmentStatus.BOOKED.value],
        late=appointments.filter(
            status=AppointmentStatus.BOOKED.value, start_at__lt=timezone.now()
        ).count(),
        arrived=steps[StepStatus.ARRIVED.value] + steps[StepStatus.READY.value],
        in_progress=steps[StepStatus.STARTED.value],
        done=steps[StepStatus.COMPLETED.value],
        no_show=status[AppointmentStatus.NO_SHOW.value],
    )


def urgent_to_schedule() -> int:
    return order_lists.in_tab(Tab.TO_SCHEDULE).filter(priority=Priority.STAT.value).count()


def urgent_to_read(user_id: int | None) -> int:
    return reading.in_pile(Pile.UNREAD, user_id).filter(order__priority=Priority.STAT.value).count()


def paused_endpoints() -> list[str]:
    return list(
        Endpoint.objects.filter(active=True, paused=True)
        .order_by("name")
        .values_list("name", flat=True)
    )
