"""Dose documents that arrive at the same moment, on either database."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from ris.domain.availability import Availability
from ris.domain.errors import RisError
from ris.models import DoseRecord, ExamDose, IrradiationEvent, StudyAvailability
from ris.services import execute
from tests import make, people
from tests.races.at_once import together
from tests.services.dosing import document, event
from tests.services.test_availability import tell

pytestmark = pytest.mark.django_db(transaction=True)


def test_reports_that_share_events_make_one_dose_however_they_race() -> None:
    make.site()
    make.device()
    order = make.performed()
    commands = [
        document(
            order,
            source_uid=f"2.25.7{number}",
            totals=(),
            events=tuple(event(f"2.25.8{uid}", "10") for uid in (number, number + 1, number + 2)),
            content_at=make.NOON + timedelta(minutes=number),
        )
        for number in range(1, 5)
    ]

    results = together(
        *(partial(execute, one, actor=people.ct1) for one in [*commands, commands[0]])
    )

    # Who lost a race may be asked to send again; then it is there once.
    for command, result in zip([*commands, commands[0]], results, strict=True):
        if isinstance(result, RisError):
            execute(command, actor=people.ct1)
    assert DoseRecord.objects.filter(order=order).count() == 4
    assert IrradiationEvent.objects.count() == 6
    (total,) = [one for one in ExamDose.objects.get().totals if one["measure"] == "dlp"]
    assert total["value"] == "60"


def test_notices_of_one_study_are_merged_however_they_race() -> None:
    results = together(
        *(partial(tell, "2.25.5", {f"2.25.1{n}": Availability.ONLINE}) for n in range(4))
    )

    assert not [one for one in results if isinstance(one, RisError)]
    assert StudyAvailability.objects.get().counts == {"ONLINE": 4}
