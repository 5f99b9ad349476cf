"""Messages to patients planned by the timers of several workers at once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from ris.domain.actors import TIMER
from ris.domain.patient_messages import Occasion, SendPatientMessages
from ris.models import PatientMessage
from ris.services import execute
from tests import make
from tests.races.at_once import together
from tests.services.patient_messages import build, carrier

pytestmark = [pytest.mark.wire, pytest.mark.django_db(transaction=True)]


def test_two_workers_that_plan_the_same_reminders_plan_each_once_and_neither_fails() -> None:
    build()
    carrier()
    first = (timezone.now() + timedelta(hours=6)).replace(minute=0, second=0, microsecond=0)
    for number in range(6):
        make.booked(
            first + timedelta(minutes=30 * number),
            patient=make.patient(f"M{number}", email="anna@example.org", language="en"),
        )

    results = together(*[partial(execute, SendPatientMessages(), actor=TIMER)] * 4)

    assert [result for result in results if isinstance(result, Exception)] == []
    planned = PatientMessage.objects.filter(occasion=Occasion.REMINDER.value)
    assert planned.count() == planned.values("appointment").distinct().count() == 6
