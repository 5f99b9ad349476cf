"""The page on which a room's exams go later from one on: looked at first, then moved at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integration.hl7.er7 import Message
from ris.domain.scheduling import RecordArrival
from ris.models import Appointment, AuditEvent, Delivery, Order
from ris.services import execute, outbox
from tests import make, people
from tests.web.department import booked_at, today_at

As = Callable[[str], Client]


def appointment_of(order: Order) -> Appointment:
    return Appointment.objects.get(order=order)


def address(order: Order, more: str = "") -> str:
    return f"/board/later/{appointment_of(order).public_id}/{more}"


def form(page: str) -> dict[str, Any]:
    """What the page would send."""
    return {"to": re.findall(r'name="to" value="([^"]+)"', page), "reason": "transport is late"}


def three() -> list[Order]:
    """Of 20 minutes: the second after ten, the third after a gap."""
    return [
        booked_at(at, "CT1", patient=make.patient(f"LATE{number}"))
        for number, at in enumerate([today_at(14), today_at(14, 30), today_at(16)])
    ]


def starts(orders: list[Order]) -> list[datetime]:
    return [appointment_of(order).start_at for order in orders]


def test_exams_go_later_as_far_as_needed_and_each_is_told_as_a_move(as_: As, rooms: None) -> None:
    make.endpoint()
    orders = three()
    outbox.fan_out()
    Delivery.objects.all().delete()
    client = as_("scheduler")

    page = client.get(address(orders[0])).content.decode()
    answer = client.post(address(orders[0]), form(page))

    assert page.count("data-row") == 2
    assert re.findall(r'aria-current="true">(\d+) min', page) == ["30"]
    assert "the gap before it is enough" in page
    assert answer.status_code == 303
    assert answer["Location"].startswith("/board/?day=2026-03-02")
    assert starts(orders) == [today_at(14, 30), today_at(14, 50), today_at(16)]
    assert appointment_of(orders[0]).reason == "transport is late"
    outbox.fan_out()
    sent = [
        Message.from_bytes(bytes(row.payload)).get("SCH-2")
        for row in Delivery.objects.filter(message_type="SIU^S13").order_by("id")
    ]
    assert sorted(sent) == sorted(str(appointment_of(each).public_id) for each in orders[:2])
    assert AuditEvent.objects.filter(action="RelocateAppointments", outcome="success").exists()


def test_all_go_as_far_where_gaps_are_to_stay(as_: As, rooms: None) -> None:
    orders = three()
    client = as_("manager")
    where = address(orders[1], "?by=45")

    page = client.get(where).content.decode()
    client.post(where, form(page))

    assert starts(orders) == [today_at(14), today_at(15, 15), today_at(16, 45)]


def test_form_that_is_sent_twice_moves_once(as_: As, rooms: None) -> None:
    orders = three()
    client = as_("scheduler")
    sent = form(client.get(address(orders[0])).content.decode())

    client.post(address(orders[0]), sent)
    again = client.post(address(orders[0]), sent)

    assert again.status_code == 409
    assert "The list has changed: look at it again" in again.content.decode()
    assert starts(orders) == [today_at(14, 30), today_at(14, 50), today_at(16)]


def test_who_is_here_is_named_and_who_would_run_into_it_cannot(as_: As, rooms: None) -> None:
    orders = three()
    execute(
        RecordArrival(
            appointment=str(appointment_of(orders[1]).public_id), unchecked_reason="known here"
        ),
        actor=people.frontdesk,
    )
    client = as_("scheduler")

    page = client.get(address(orders[0])).content.decode()
    answer = client.post(address(orders[0]), form(page))

    assert "here already, or begun" in page
    assert "that time is taken by BERG, Anna" in page
    assert "1 exam cannot go there" in page
    assert "Move 1 exam<" not in page
    assert answer.status_code == 422
    assert starts(orders) == [today_at(14), today_at(14, 30), today_at(16)]


def test_nothing_goes_beyond_the_opening_hours(as_: As, rooms: None) -> None:
    order = booked_at(today_at(17, 40), "CT1")

    page = as_("scheduler").get(address(order)).content.decode()

    assert "the room is not open at that time" in page
    assert f"/board/move/{appointment_of(order).public_id}/" in page


@pytest.mark.parametrize("by", ["4", "241", "x", ""])
def test_minutes_are_5_to_240(by: str, as_: As, rooms: None) -> None:
    orders = three()

    answer = as_("scheduler").get(address(orders[0], f"?by={by}"))

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()


def test_exam_that_is_not_booked_cannot_be_where_it_begins(as_: As, rooms: None) -> None:
    orders = three()
    execute(
        RecordArrival(
            appointment=str(appointment_of(orders[0]).public_id), unchecked_reason="known here"
        ),
        actor=people.frontdesk,
    )

    answer = as_("scheduler").get(address(orders[0]))

    assert answer.status_code == 409
    assert "Only what is booked and not begun can be moved" in answer.content.decode()


def test_front_desk_sees_it_and_cannot_move_a_room(as_: As, rooms: None) -> None:
    orders = three()
    client = as_("frontdesk")
    page = client.get(address(orders[0])).content.decode()

    answer = client.post(address(orders[0]), form(page))

    assert "Moving is for the scheduler and the manager." in page
    assert answer.status_code == 403
    assert starts(orders) == [today_at(14), today_at(14, 30), today_at(16)]


def test_dialog_for_one_leads_to_it_for_those_who_may(as_: As, rooms: None) -> None:
    (order, *_) = three()
    key = appointment_of(order).public_id

    for login, leads in [("scheduler", True), ("frontdesk", False)]:
        page = as_(login).get(f"/board/move/{key}/").content.decode()
        assert (f"/board/later/{key}/" in page) is leads


def test_page_asks_as_often_however_many_exams(as_: As, rooms: None) -> None:
    (order, *_) = three()
    client = as_("scheduler")
    client.get(address(order))
    few = count(lambda: client.get(address(order, "?by=30")))
    booked_at(today_at(15), "CT1", patient=make.patient("LATE7"))
    booked_at(today_at(16, 30), "CT1", patient=make.patient("LATE8"))

    assert count(lambda: client.get(address(order, "?by=30"))) == few
    assert few <= 40


def count(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)
