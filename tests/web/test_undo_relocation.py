"""What moved at once goes back at once: a room that was emptied, a room that ran late."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client

from ris.domain.resources import BeginDowntime
from ris.domain.scheduling import AddClosure, RescheduleAppointment
from ris.models import Appointment, DomainEvent, Order
from ris.services import execute
from tests import make, people
from tests.web.department import arrive, booked_at, today_at
from tests.web.test_board_pages import appointment_of, device

As = Callable[[str], Client]
ADDRESS = "/board/relocate/?room=CT1&from=2026-03-02T13:00&to=2026-03-02T18:00"


def places(orders: list[Order]) -> list[tuple[str, datetime]]:
    rows = [Appointment.objects.select_related("device").get(order=order) for order in orders]
    return [(row.device.ae_title if row.device else "", row.start_at) for row in rows]


def token(client: Client, address: str = "/board/close/") -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get(address).content.decode())
    return html.unescape(found.group(1)) if found else ""


def relocated(client: Client) -> str:
    """Everything moves as it is proposed; returns the token of the Undo button."""
    page = client.get(ADDRESS).content.decode()
    sent = dict(re.findall(r'name="(to-[^"]+)" value="([^"]+)"', page))
    keys = re.findall(r'name="move" value="([^"]+)"', page)
    answer = client.post(ADDRESS, {**sent, "move": keys, "reason": "Tube"})
    assert answer.status_code == 303
    return token(client)


@pytest.fixture
def down(rooms: None) -> list[Order]:
    """Two exams, one of somebody who is here, in a room that is down."""
    orders = [booked_at(today_at(14), "CT1"), booked_at(today_at(15), "CT1")]
    arrive(orders[0])
    execute(
        BeginDowntime(
            resource=str(device("CT1").resource.public_id),
            reason="Tube",
            start_at=today_at(13),
            end_at=today_at(18),
        ),
        actor=people.scheduler,
    )
    return orders


def test_room_that_was_emptied_is_as_before(as_: As, down: list[Order]) -> None:
    before = places(down)
    client = as_("scheduler")
    text = relocated(client)
    assert [place for place, _at in places(down)] == ["CT2", "CT2"]

    answer = client.post("/undo/", {"token": text, "next": "/board/"})

    assert (answer.status_code, answer["Location"]) == (303, "/board/")
    assert places(down) == before
    assert [appointment_of(order).reason for order in down] == ["", ""]
    assert [appointment_of(order).status for order in down] == ["ARRIVED", "BOOKED"]
    assert "2 exams were moved back." in client.get("/board/close/").content.decode()
    assert DomainEvent.objects.filter(name="AppointmentMoved").count() == 4


def test_delay_is_taken_back_with_all_exams(as_: As, rooms: None) -> None:
    orders = [booked_at(today_at(14), "CT1"), booked_at(today_at(14, 20), "CT1")]
    before, client = places(orders), as_("manager")
    address = f"/board/later/{appointment_of(orders[0]).public_id}/"
    page = client.get(address).content.decode()
    client.post(address, {"to": re.findall(r'name="to" value="([^"]+)"', page)})
    assert places(orders) != before

    client.post("/undo/", {"token": token(client)})

    assert places(orders) == before


def test_one_that_was_changed_since_keeps_all_where_they_are(as_: As, down: list[Order]) -> None:
    client = as_("scheduler")
    text = relocated(client)
    row = appointment_of(down[1])
    execute(
        RescheduleAppointment(
            appointment=str(row.public_id), start_at=row.start_at + timedelta(hours=1)
        ),
        actor=people.frontdesk,
    )
    now = places(down)

    answer = client.post("/undo/", {"token": text})

    assert answer.status_code == 409
    assert "t was changed since" in answer.content.decode()
    assert places(down) == now


def test_place_that_was_given_away_since_keeps_all_where_they_are(as_: As, rooms: None) -> None:
    orders = [booked_at(today_at(14), "CT1"), booked_at(today_at(15), "CT1")]
    client = as_("scheduler")
    text = relocated(client)
    booked_at(today_at(15), "CT1", patient=make.patient("MRN901"))
    now = places(orders)

    answer = client.post("/undo/", {"token": text})

    assert answer.status_code == 409
    assert "othing was moved" in answer.content.decode()
    assert "that time is taken" in answer.content.decode()
    assert places(orders) == now


def test_room_that_was_closed_since_is_not_gone_back_to(as_: As, rooms: None) -> None:
    orders = [booked_at(today_at(14), "CT1")]
    client = as_("scheduler")
    text = relocated(client)
    execute(
        AddClosure(
            resource=str(device("CT1").resource.public_id),
            start_at=today_at(13),
            end_at=today_at(18),
            reason="building work",
        ),
        actor=people.scheduler,
    )

    answer = client.post("/undo/", {"token": text})

    assert answer.status_code == 409
    assert "building work" in answer.content.decode()
    assert places(orders) == [("CT2", today_at(14))]


def test_whole_days_of_a_room_go_back_as_well(as_: As, rooms: None) -> None:
    orders = [
        booked_at(today_at(13) + number * timedelta(minutes=20), "CT1",
                  patient=make.patient(f"MANY{number}"))
        for number in range(9)
    ]  # fmt: skip
    before, client = places(orders), as_("scheduler")

    client.post("/undo/", {"token": relocated(client)})

    assert places(orders) == before


def test_front_desk_has_no_such_button(as_: As, down: list[Order]) -> None:
    text = relocated(as_("scheduler"))

    answer = as_("frontdesk").post("/undo/", {"token": text})

    assert answer.status_code == 403
