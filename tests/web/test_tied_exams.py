"""What is said where times are left out because exams of the patient belong together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.domain.exam_sets import SequenceProcedures
from ris.domain.orders import ProcedureRequest
from ris.domain.values import Code
from ris.models import ScheduledProcedureStep
from ris.services import execute
from tests import make, people
from tests.web.department import today_at

As = Callable[[str], Client]
WORDS = "Only times are offered that keep what the catalog wants between this exam and:"


@pytest.fixture
def steps(rooms: None) -> tuple[ScheduledProcedureStep, ScheduledProcedureStep]:
    contrast = Code("CTCONTRAST", "TEST", "CT with contrast")
    first, then = make.definition(), make.definition(contrast)
    execute(
        SequenceProcedures(first=first, then=then, gap_at_most_minutes=60), actor=people.manager
    )
    patient = make.patient("TIED1")
    parts = (ProcedureRequest(code=contrast, steps=(make.step_request(),)),)
    one = make.booked(today_at(13), patient=patient)
    other = make.booked(today_at(14), patient=patient, procedures=parts)
    return make.step_of(one), make.step_of(other)


def test_pages_that_move_say_why_times_are_left_out_and_lead_to_both(
    as_: As, steps: tuple[ScheduledProcedureStep, ScheduledProcedureStep]
) -> None:
    one, other = steps
    appointment = make.appointment_of(other.procedure.order).public_id
    client = as_("scheduler")
    together = f"/book/{other.public_id}/?with={one.public_id}&amp;next="

    pages = [
        client.get(address).content.decode()
        for address in (f"/book/{other.public_id}/", f"/board/move/{appointment}/")
    ]

    for page in pages:
        assert WORDS in page
        assert "<strong>CT head without contrast</strong>" in page
        assert together in page
    both = client.get(f"/book/{other.public_id}/?with={one.public_id}&next=").content.decode()
    assert f'value="{one.public_id}" checked' in both


def test_pages_of_an_exam_that_belongs_to_nothing_say_nothing(as_: As, rooms: None) -> None:
    step = make.step_of(make.booked(today_at(13)))

    assert WORDS not in as_("scheduler").get(f"/book/{step.public_id}/").content.decode()
