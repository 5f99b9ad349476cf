"""The slot finder: holds, reasons, filters, sets, series and the waiting list."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import OPERATOR
from ris.domain.resources import SaveGroup
from ris.domain.scheduling import CancelAppointment
from ris.models import (
    Appointment,
    Device,
    DeviceRule,
    Order,
    ProcedureDefinition,
    ResourceGroup,
    ScheduledProcedureStep,
    SlotOffer,
    WaitingEntry,
)
from ris.services import execute
from ris.services.scheduling import offer_freed
from tests import make, people
from tests.web.department import booked_at, today_at

As = Callable[[str], Client]
BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())


def slot(device: str, at: datetime) -> str:
    return f"{Device.objects.get(ae_title=device).public_id} {at.isoformat()}"


def address(step: ScheduledProcedureStep, more: str = "") -> str:
    return f"/book/{step.public_id}/{more}"


@pytest.fixture
def order(rooms: None) -> Order:
    return make.order()


@pytest.fixture
def step(order: Order) -> ScheduledProcedureStep:
    return make.step_of(order)


# --- holding


def test_a_click_holds_and_the_next_books(as_: As, step: ScheduledProcedureStep) -> None:
    client = as_("frontdesk")

    held = client.post(address(step), {"hold": slot("CT1", today_at(14))})
    page = client.get(held["Location"]).content.decode()
    hold = Appointment.objects.get()
    booked = client.post(address(step), {"confirm": str(hold.public_id), "comment": "by taxi"})

    assert (held.status_code, booked.status_code) == (303, 303)
    assert "Held by" in page
    assert f'data-countdown="{hold.expires_at.isoformat()}"' in page  # type: ignore[union-attr]
    hold.refresh_from_db()
    assert (hold.status, hold.start_at, hold.comment) == ("BOOKED", today_at(14), "by taxi")


def test_who_holds_a_time_is_told_by_name(as_: As, step: ScheduledProcedureStep) -> None:
    client = as_("frontdesk")

    held = client.post(address(step), {"hold": slot("CT1", today_at(14))})

    assert "Held by Frontdesk Muster." in client.get(held["Location"]).content.decode()


def test_what_is_held_can_be_let_go(as_: As, step: ScheduledProcedureStep) -> None:
    client = as_("scheduler")
    client.post(address(step), {"hold": slot("CT1", today_at(14))})

    client.post(address(step), {"release": str(Appointment.objects.get().public_id)})

    assert Appointment.objects.get().status == "CANCELED"
    assert "Held by" not in client.get(address(step)).content.decode()


def test_another_click_moves_the_hold(as_: As, step: ScheduledProcedureStep) -> None:
    client = as_("scheduler")
    client.post(address(step), {"hold": slot("CT1", today_at(14))})

    client.post(address(step), {"hold": slot("CT2", today_at(15))})

    statuses = Appointment.objects.order_by("id").values_list("status", flat=True)
    assert list(statuses) == ["EXPIRED", "HELD"]


def test_a_hold_that_ran_out_is_told_and_the_next_three_are_offered(
    as_: As, step: ScheduledProcedureStep, noon: time_machine.Traveller
) -> None:
    client = as_("scheduler")
    client.post(address(step), {"hold": slot("CT1", today_at(14))})
    hold = Appointment.objects.get()
    noon.shift(timedelta(minutes=6))

    late = client.post(address(step), {"confirm": str(hold.public_id)})

    page = late.content.decode()
    assert late.status_code == 409
    assert "This hold is over" in page
    assert page.count("The nearest free times") == 1
    assert make.step_of(step.procedure.order).status == "PENDING"


def test_a_time_taken_meanwhile_is_not_held(as_: As, step: ScheduledProcedureStep) -> None:
    booked_at(today_at(14), "CT1")

    response = as_("scheduler").post(address(step), {"hold": slot("CT1", today_at(14))})

    page = response.content.decode()
    nearest = page.partition("The nearest free times")[2].partition("</form>")[0]
    assert response.status_code == 409
    assert nearest.count("<button") == 3


# --- looking


def test_the_first_five_of_six_weeks_come_first(as_: As, step: ScheduledProcedureStep) -> None:
    page = as_("scheduler").get(address(step)).content.decode()

    first = page.partition('id="soonest-title"')[2].partition("</div>")[0]
    assert first.count("<button") == 5
    assert first.count('data-key="f"') == 1


def test_rooms_and_parts_of_the_day_narrow_the_search(
    as_: As, step: ScheduledProcedureStep
) -> None:
    room = Device.objects.get(ae_title="CT2")

    page = (
        as_("scheduler")
        .get(address(step), {"where": f"device:{room.public_id}", "part": "MORNING"})
        .content.decode()
    )

    tomorrow = today_at(8) + timedelta(days=1)
    assert slot("CT2", tomorrow) in page
    assert slot("CT1", tomorrow) not in page
    assert slot("CT2", today_at(14)) not in page


def test_device_of_two_groups_is_offered_once_and_with_its_own_minutes(
    as_: As, step: ScheduledProcedureStep
) -> None:
    one = Device.objects.select_related("resource").get(ae_title="CT1")
    for name in ("Big scanners", "Scanners"):
        execute(SaveGroup(name=name, members=(str(one.resource.public_id),)), actor=OPERATOR)
    definition = ProcedureDefinition.objects.get(code="CTHEAD")
    DeviceRule.objects.create(definition=definition, device=one, minutes=40)
    client = as_("scheduler")

    everywhere = client.get(address(step)).content.decode()
    group = ResourceGroup.objects.get(name="Scanners")
    inside = client.get(address(step), {"where": f"group:{group.public_id}"}).content.decode()

    options = re.findall(r'<option value="(?:group|device)[^>]*>([^<]*)<', everywhere)
    assert options == ["Big scanners", "Scanners", "CT room", "CT room two"]
    tomorrow = today_at(8) + timedelta(days=1)
    assert slot("CT1", tomorrow) in inside
    assert slot("CT1", tomorrow + timedelta(minutes=20)) not in inside
    assert slot("CT2", tomorrow) not in inside


@pytest.mark.parametrize(
    ("hour", "words"),
    [
        (14, ["That time is taken", "The patient has another appointment at that time"]),
        (3, ["That time is past", "The room is not open at that time"]),
        (16, ["Nothing stands against this time."]),
    ],
)
def test_any_time_can_be_asked_about(as_: As, rooms: None, hour: int, words: list[str]) -> None:
    patient = make.patient("MRN7")
    booked_at(today_at(14), "CT1", patient=patient)
    own = make.step_of(make.order(patient=patient))
    room = Device.objects.get(ae_title="CT1")

    page = (
        as_("frontdesk")
        .get(
            address(own),
            {
                "day": today_at(0).date().isoformat(),
                "at": f"{hour:02}:00",
                "device": str(room.public_id),
            },
        )
        .content.decode()
    )

    for each in words:
        assert each in page


@pytest.mark.parametrize(
    ("hour", "words"),
    [(14, ["That time is taken"]), (16, ["Nothing stands against this time."])],
)
def test_a_time_months_ahead_can_be_asked_about(
    as_: As, rooms: None, hour: int, words: list[str]
) -> None:
    """Later than what is looked through for the first that is free."""
    at = today_at(14) + timedelta(days=70)
    booked_at(at, "CT1")
    own = make.step_of(make.order())
    said = {
        "day": at.date().isoformat(),
        "at": f"{hour:02}:00",
        "device": str(Device.objects.get(ae_title="CT1").public_id),
    }

    page = as_("frontdesk").get(address(own), said).content.decode()

    for each in words:
        assert each in page
    assert "The room is not open" not in page


def test_asking_about_a_time_leads_to_an_address_without_secrets(
    as_: As, step: ScheduledProcedureStep
) -> None:
    form = {"ask": "1", "day": "2026-03-03", "at": "03:15", "device": "x", "version": "1"}

    response = as_("frontdesk").post(address(step), form)

    assert response.status_code == 303
    assert response["Location"] == address(step, "?day=2026-03-03&at=03%3A15&device=x#any-time")


def test_nonsense_in_the_address_is_passed_over(as_: As, step: ScheduledProcedureStep) -> None:
    odd = {
        "day": "x",
        "at": "25:99",
        "device": "y",
        "where": "site:z",
        "part": "NIGHT",
        "with": "q",
    }

    assert as_("scheduler").get(address(step), odd).status_code == 200


def test_whoever_may_not_book_sees_but_cannot(as_: As, step: ScheduledProcedureStep) -> None:
    client = as_("radiologist")

    page = client.get(address(step)).content.decode()
    refused = client.post(address(step), {"hold": slot("CT1", today_at(14))})

    assert "booking is for the scheduler" in page
    assert refused.status_code == 403
    assert not Appointment.objects.exists()


def test_the_page_asks_a_bounded_number_of_queries(as_: As, step: ScheduledProcedureStep) -> None:
    client = as_("scheduler")
    client.get(address(step))
    for number in range(6):
        make.device(f"CTQ{number}", "CT", room=f"CT extra {number}")
        booked_at(today_at(14), f"CTQ{number}")

    with CaptureQueriesContext(connection) as asked:
        client.get(address(step))

    assert len(asked) <= BUDGETS["page_book"], len(asked)


# --- more than one


def test_all_exams_of_a_patient_are_booked_on_one_day(as_: As, rooms: None) -> None:
    patient = make.patient("MRN8")
    one, two = (make.step_of(make.order(patient=patient)) for _ in range(2))
    client = as_("scheduler")

    page = client.get(address(one), {"with": str(two.public_id)}).content.decode()
    value = page.partition('name="items" value="')[2].partition('"')[0]
    response = client.post(address(one, "set/"), {"items": value})

    assert response.status_code == 303
    starts = list(Appointment.objects.order_by("start_at").values_list("start_at", flat=True))
    assert starts == [today_at(12, 20), today_at(12, 40)]


def test_a_series_is_booked_and_its_conflicts_are_named(
    as_: As, step: ScheduledProcedureStep
) -> None:
    booked_at(today_at(14) + timedelta(days=7), "CT1")
    form = {
        "day": today_at(14).date().isoformat(),
        "at": "14:00",
        "device": str(Device.objects.get(ae_title="CT1").public_id),
        "visits": "3",
        "every": "7",
    }
    client = as_("scheduler")

    refused = client.post(address(step, "series/"), form)
    booked = client.post(address(step, "series/"), {**form, "those_that_fit": "on"}, follow=True)

    assert refused.status_code == 409
    assert "2026-03-09 14:00: that time is taken" in refused.content.decode()
    assert "2 visits booked." in booked.content.decode()
    assert "2026-03-09 14:00: that time is taken." in booked.content.decode()


def test_an_offer_of_the_waiting_list_is_taken_here(as_: As, order: Order) -> None:
    going = booked_at(today_at(14) + timedelta(days=3), "CT1")
    step = make.step_of(order)
    client = as_("scheduler")
    client.post(address(step, "wait/"), {"notice_hours": "24", "day_parts": ["AFTERNOON"]})
    appointment = str(make.appointment_of(going).public_id)
    execute(CancelAppointment(appointment=appointment), actor=people.scheduler)
    offer_freed()

    page = client.get(address(step)).content.decode()
    client.post(address(step, "wait/"), {"accept": str(SlotOffer.objects.get().public_id)})

    assert "A time became free" in page
    assert WaitingEntry.objects.get().status == "SERVED"
    assert make.step_of(order).start_at == today_at(14) + timedelta(days=3)


def test_waiting_days_that_run_backwards_are_said_at_the_field(
    as_: As, step: ScheduledProcedureStep
) -> None:
    form = {"earliest": "2026-03-09", "latest": "2026-03-04", "notice_hours": "2"}

    response = as_("scheduler").post(address(step, "wait/"), form)

    assert response.status_code == 422
    assert "The last day is before the first." in response.content.decode()
