"""Finding a time, booking it, and what happens when somebody is faster."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from ris.domain.patients import Sex
from ris.domain.scheduling import ProposeAppointment
from ris.models import Appointment, Device, Order, ScheduledProcedureStep
from ris.services import execute
from tests import make, people
from tests.web.department import booked_at, today_at

As = Callable[[str], Client]


def slot(device: str, at: datetime) -> str:
    """The value of a slot button."""
    return f"{Device.objects.get(ae_title=device).public_id} {at.isoformat()}"


def book(client: Client, step: ScheduledProcedureStep, value: str, **more: str) -> Any:
    form = {"slot": value, "version": str(step.version), **more}
    return client.post(f"/book/{step.public_id}/", form)


@pytest.fixture
def order(rooms: None) -> Order:
    return make.order()


def test_free_times_of_every_suitable_device_are_offered(as_: As, order: Order) -> None:
    step = make.step_of(order)

    page = as_("scheduler").get(f"/book/{step.public_id}/").content.decode()

    assert slot("CT1", today_at(12, 20)) in page
    assert slot("CT2", today_at(12, 20)) in page
    assert slot("CT1", today_at(11)) not in page, "the past is not offered"
    assert str(Device.objects.get(ae_title="US1").public_id) not in page


def test_what_was_asked_for_is_shown_to_who_looks_for_a_time(as_: As, order: Order) -> None:
    step = make.step_of(order)
    wish = ProposeAppointment(
        step=str(step.public_id), start_at=today_at(15), comment="after school"
    )
    execute(wish, actor=people.ehr)

    page = as_("scheduler").get(f"/book/{step.public_id}/").content.decode()

    assert "Asked for with the words: after school" in page
    assert slot("CT1", today_at(15)) in page, "a wish takes nothing"


def test_one_click_books(as_: As, order: Order) -> None:
    step = make.step_of(order)

    response = book(as_("frontdesk"), step, slot("CT1", today_at(14)))

    booked = make.step_of(order)
    assert response.status_code == 303
    assert response["Location"] == f"/orders/{order.public_id}/"
    assert (booked.status, booked.start_at) == ("SCHEDULED", today_at(14))
    assert booked.station_ae_title == "CT1"


def test_time_taken_meanwhile_offers_the_nearest_free_ones(as_: As, order: Order) -> None:
    step = make.step_of(order)
    booked_at(today_at(14), "CT1")

    response = book(as_("scheduler"), step, slot("CT1", today_at(14)))

    page = response.content.decode()
    assert response.status_code == 409
    assert "That time is taken" in page
    assert page.count("The nearest free times") == 1
    assert slot("CT2", today_at(14)) in page
    assert make.step_of(order).status == "PENDING"
    assert Appointment.objects.count() == 1


def test_second_scheduler_with_an_old_page_is_told(as_: As, order: Order) -> None:
    client = as_("scheduler")
    step = make.step_of(order)
    book(client, step, slot("CT1", today_at(14)))

    response = client.post(
        f"/book/{step.public_id}/", {"slot": slot("CT1", today_at(15)), "version": "99"}
    )

    assert response.status_code == 409
    assert make.step_of(order).start_at == today_at(14)


def test_page_from_before_the_booking_does_not_move_it(as_: As, order: Order) -> None:
    """A second tab, whose buttons were to book."""
    client = as_("scheduler")
    step = make.step_of(order)
    book(client, step, slot("CT1", today_at(14)))
    appointment = make.step_of(order).appointment
    assert appointment is not None

    moved = client.post(
        f"/book/{step.public_id}/",
        {"slot": slot("CT1", today_at(15)), "version": str(appointment.version)},
    )
    held = client.post(f"/book/{step.public_id}/", {"hold": slot("CT1", today_at(15))})

    assert (moved.status_code, held.status_code) == (409, 409)
    assert make.step_of(order).start_at == today_at(14)
    for text in (moved.content.decode(), held.content.decode()):
        assert "This step is scheduled already" in text
        told = re.sub("<[^>]+>", "", text)
        assert "Scheduler Muster booked it for Today 14:00 on CT1 (Today 12:00)." in told
        assert f'href="/orders/{order.public_id}/" data-focus' in text
        assert "T15:00" not in text, "no time is offered that would move it"


def other_time(at: datetime, device: str, **more: str) -> dict[str, str]:
    return {
        "day": at.date().isoformat(),
        "at": f"{at:%H:%M}",
        "device": str(Device.objects.get(ae_title=device).public_id),
        "minutes": "20",
        **more,
    }


def test_overbooking_needs_a_reason(as_: As, order: Order) -> None:
    booked_at(today_at(14), "CT1")
    step = make.step_of(order)

    response = as_("scheduler").post(
        f"/book/{step.public_id}/", other_time(today_at(14), "CT1", overbook="on", reason="")
    )

    assert response.status_code == 422
    assert "Booking over needs a reason." in response.content.decode()
    assert Appointment.objects.count() == 1


def test_scheduler_may_overbook_with_a_reason(as_: As, order: Order) -> None:
    booked_at(today_at(14), "CT1")
    step = make.step_of(order)

    response = as_("scheduler").post(
        f"/book/{step.public_id}/",
        other_time(today_at(14), "CT1", overbook="on", reason="Stroke alarm"),
    )

    appointment = make.step_of(order).appointment
    assert response.status_code == 303
    assert appointment is not None
    assert (appointment.overbooked, appointment.reason) == (True, "Stroke alarm")


def test_front_desk_may_not_overbook(as_: As, order: Order) -> None:
    booked_at(today_at(14), "CT1")
    step = make.step_of(order)

    response = as_("frontdesk").post(
        f"/book/{step.public_id}/",
        other_time(today_at(14), "CT1", overbook="on", reason="Please"),
    )

    assert response.status_code == 403
    assert Appointment.objects.count() == 1


def test_booked_step_is_moved(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT1")
    step = make.step_of(order)
    assert step.appointment is not None

    response = as_("scheduler").post(
        f"/book/{step.public_id}/",
        {
            "slot": slot("CT2", today_at(16)),
            "version": str(step.appointment.version),
            "moves": str(step.appointment.public_id),
        },
    )

    moved = make.step_of(order)
    assert response.status_code == 303
    assert (moved.start_at, moved.station_ae_title) == (today_at(16), "CT2")
    assert Appointment.objects.count() == 1


def test_move_dialog_is_a_fragment_and_moves(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT1")
    appointment = make.step_of(order).appointment
    assert appointment is not None
    client = as_("scheduler")
    address = f"/board/move/{appointment.public_id}/"

    dialog = client.get(address, headers={"HX-Request": "true"}).content.decode()
    response = client.post(
        address,
        {"slot": slot("CT1", today_at(15)), "version": str(appointment.version)},
    )

    assert "<html" not in dialog
    assert "Next free" in dialog
    assert response.status_code == 303
    assert make.step_of(order).start_at == today_at(15)


def test_the_next_free_times_begin_after_the_exam_s_own(as_: As, rooms: None) -> None:
    later = today_at(14) + timedelta(days=9)
    order = booked_at(later, "CT1")
    appointment = make.step_of(order).appointment
    assert appointment is not None

    page = as_("scheduler").get(f"/board/move/{appointment.public_id}/").content.decode()

    offered = re.findall(r'name="slot" value="\S+ (\S+)"', page)
    assert len(offered) == 6
    assert min(map(datetime.fromisoformat, offered)) > later
    assert {at[:10] for at in offered} == {later.date().isoformat()}


def test_move_onto_a_taken_time_is_refused_with_the_form(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT1")
    booked_at(today_at(15), "CT1")
    appointment = make.step_of(order).appointment
    assert appointment is not None

    response = as_("scheduler").post(
        f"/board/move/{appointment.public_id}/", other_time(today_at(15), "CT1")
    )

    assert response.status_code == 409
    assert "Nothing was moved" in response.content.decode()
    assert make.step_of(order).start_at == today_at(14)


def test_time_given_back_waits_to_be_booked_again(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14))
    appointment = make.step_of(order).appointment
    assert appointment is not None

    response = as_("frontdesk").post(
        f"/appointments/{appointment.public_id}/cancel/", {"reason": "Ill"}
    )

    assert response.status_code == 303
    assert make.step_of(order).status == "PENDING"


def test_board_shows_booking_in_its_room(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT2")

    page = as_("manager").get("/board/?view=table").content.decode()

    assert page.count(f'href="/orders/{order.public_id}/"') == 1
    assert "BERG, Anna" in page


def test_board_of_another_day(as_: As, rooms: None) -> None:
    tomorrow = today_at(9) + timedelta(days=1)
    order = booked_at(tomorrow)
    client = as_("scheduler")

    today = client.get("/board/?view=table").content.decode()
    other = client.get(f"/board/?view=table&day={tomorrow.date()}").content.decode()

    assert str(order.public_id) not in today
    assert str(order.public_id) in other


def test_finder_without_device_says_who_can_mend_it(as_: As, users: object) -> None:
    order = make.order()

    page = as_("scheduler").get(f"/book/{make.step_of(order).public_id}/").content.decode()

    assert "No device for this modality" in page


def test_arrival_is_recorded_once(as_: As, rooms: None) -> None:
    order = booked_at(today_at(12, 30))
    appointment = make.step_of(order).appointment
    assert appointment is not None
    client = as_("frontdesk")
    address = f"/appointments/{appointment.public_id}/arrive/"

    said = {"name": "Anna Berg", "birth_date": "3.5.1970"}
    first = client.post(address, said)
    second = client.post(address, said)

    assert (first.status_code, second.status_code) == (303, 409)
    assert make.step_of(order).status == "ARRIVED"


def test_late_patient_is_marked_and_may_be_a_no_show(as_: As, rooms: None) -> None:
    order = booked_at(today_at(11, 30))
    client = as_("frontdesk")
    page = client.get("/arrivals/").content.decode()
    appointment = make.step_of(order).appointment
    assert appointment is not None

    client.post(f"/appointments/{appointment.public_id}/no-show/")

    assert 'class="late"' in page
    assert "30 min late" in page
    assert make.step_of(order).status == "NO_SHOW"
    assert "Did not come" in client.get("/arrivals/").content.decode()


@pytest.mark.usefixtures("pregnancy")
def test_question_that_stops_a_booking_is_one_click_away_and_no_other_time_is_offered(
    as_: As,
) -> None:
    step = make.step_of(make.order(patient=make.patient("MRN7", sex=Sex.FEMALE)))

    answer = book(as_("scheduler"), step, slot("CT1", today_at(15)))

    page = answer.content.decode()
    assert answer.status_code == 409
    assert f'href="/safety/{step.public_id}/?next=/book/{step.public_id}/' in page
    assert "The nearest free times" not in page


def test_time_that_somebody_missed_is_not_said_to_be_booked_now(as_: As, rooms: None) -> None:
    order = booked_at(today_at(11, 30))
    key = make.appointment_of(order).public_id
    as_("frontdesk").post(f"/appointments/{key}/no-show/")

    page = as_("scheduler").get(f"/book/{make.step_of(order).public_id}/").content.decode()

    assert "Did not come" in page
    assert "now Today 11:30" not in re.sub(r"<[^>]+>", "", page)


@pytest.mark.parametrize("button", ["hold", "slot"])
def test_time_of_a_page_that_stood_open_over_night_is_not_booked(
    as_: As, rooms: None, button: str
) -> None:
    step = make.step_of(make.order())
    yesterday = slot("CT1", today_at(15) - timedelta(days=1))

    answer = as_("scheduler").post(
        f"/book/{step.public_id}/", {button: yesterday, "version": str(step.version)}
    )

    assert answer.status_code == 422
    assert "hat time is past" in answer.content.decode()
    assert not Appointment.objects.exists()


def test_set_of_a_page_that_stood_open_over_night_is_not_booked(as_: As, rooms: None) -> None:
    step = make.step_of(make.order())
    yesterday = slot("CT1", today_at(15) - timedelta(days=1))

    answer = as_("scheduler").post(
        f"/book/{step.public_id}/set/", {"items": f"{step.public_id} {yesterday}"}
    )

    assert answer.status_code == 422
    assert not Appointment.objects.exists()


def test_exam_is_not_moved_to_a_time_of_yesterday_that_a_page_still_offers(
    as_: As, rooms: None
) -> None:
    row = make.appointment_of(booked_at(today_at(14), "CT1"))
    yesterday = slot("CT1", today_at(15) - timedelta(days=1))

    answer = as_("scheduler").post(
        f"/board/move/{row.public_id}/", {"slot": yesterday, "version": str(row.version)}
    )

    assert answer.status_code == 422
    assert "That time is past." in answer.content.decode()
    assert Appointment.objects.get(pk=row.pk).start_at == today_at(14)


def test_time_that_began_while_it_was_read_aloud_is_booked(as_: As, rooms: None) -> None:
    step = make.step_of(make.order())
    begun = slot("CT1", today_at(12) - timedelta(minutes=5))

    answer = as_("scheduler").post(
        f"/book/{step.public_id}/", {"slot": begun, "version": str(step.version)}
    )

    assert answer.status_code == 303
    assert Appointment.objects.get().status == "BOOKED"
