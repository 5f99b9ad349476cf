"""The two nights of the year in which the clock is changed, on every page where a time is typed.

Berlin: on 29 March 2:00 is 3:00, so it is never 2:30; on 25 October 3:00 is 2:00 again, so it is
2:30 twice.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings

from ris.domain.patient_links import MakePatientLink
from ris.domain.resources import ReserveBlock
from ris.domain.scheduling import SetResourceHours
from ris.models import (
    Appointment,
    AppointmentLink,
    Block,
    Closure,
    Device,
    Order,
    Patient,
    ProcedureDefinition,
    Site,
)
from ris.selectors.patient_links import visit
from ris.selectors.patient_messages import values_of
from ris.services import execute
from ris.services.patient_links import token_of
from tests import make, people
from tests.web.department import booked_at

As = Callable[[str], Client]
SPRING, AUTUMN = "2026-03-29", "2026-10-25"
FIRST = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
SECOND = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
ASKED = "It is 02:30 twice that night: say which is meant."
TAKEN = "That time is taken"
NEVER = "The clock is put forward that night: it is never 02:30."


@pytest.fixture(autouse=True)
def berlin(settings: Settings, rooms: None) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    Site.objects.update(time_zone="Europe/Berlin")


def device(ae_title: str = "CT1") -> Device:
    return Device.objects.select_related("resource", "room__resource").get(ae_title=ae_title)


def appointment_of(order: Order) -> Appointment:
    return Appointment.objects.filter(order=order).latest("id")


def typed(day: str, at: str = "02:30", ae_title: str = "CT1", **more: str) -> dict[str, str]:
    return {
        "day": day,
        "at": at,
        "device": str(device(ae_title).public_id),
        "minutes": "20",
        "overbook": "on",
        "reason": "Stroke alarm",
        **more,
    }


def words(response: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", response.content.decode())))


def radios(response: Any, name: str) -> list[tuple[str, bool]]:
    """What can be chosen by a name, and whether it is."""
    found = re.findall(rf'<input[^>]*name="{name}"[^>]*>', response.content.decode())
    values = [re.search(r'value="(\w+)"', each) for each in found]
    return [
        (value[1], " checked" in each) for each, value in zip(found, values, strict=True) if value
    ]


# --- booking and moving


def test_time_that_the_clock_jumps_over_is_refused_in_words(as_: As) -> None:
    step = make.step_of(make.order())
    client = as_("scheduler")

    booked = client.post(f"/book/{step.public_id}/", typed(SPRING))
    asked = client.post(f"/book/{step.public_id}/", typed(SPRING, ask="1"))

    for response in (booked, asked):
        assert response.status_code == 422
        assert NEVER in words(response)
        assert radios(response, "at-turn") == []
    assert Appointment.objects.count() == 0


@pytest.mark.parametrize(("turn", "start_at"), [("first", FIRST), ("second", SECOND)])
def test_of_a_time_that_comes_twice_the_one_that_is_chosen_is_booked(
    as_: As, turn: str, start_at: datetime
) -> None:
    order = make.order()
    step = make.step_of(order)
    client = as_("scheduler")

    asked = client.post(f"/book/{step.public_id}/", typed(AUTUMN))
    before = Appointment.objects.count()
    done = client.post(f"/book/{step.public_id}/", typed(AUTUMN, **{"at-turn": turn}), follow=True)

    assert (asked.status_code, before) == (422, 0)
    assert ASKED in words(asked)
    assert "02:30, the first (UTC+2)" in words(asked)
    assert "02:30, the second (UTC+1)" in words(asked)
    assert radios(asked, "at-turn") == [("first", False), ("second", False)]
    assert make.step_of(order).start_at == start_at
    assert f"It is 02:30 twice that night; this is the {turn}." in words(done)


def test_an_ordinary_time_is_not_asked_about(as_: As) -> None:
    order = make.order()
    step = make.step_of(order)
    client = as_("scheduler")

    page = client.get(f"/book/{step.public_id}/")
    client.post(f"/book/{step.public_id}/", typed(AUTUMN, "04:30", **{"at-turn": "second"}))

    assert "twice" not in words(page)
    assert make.step_of(order).start_at == datetime(2026, 10, 25, 3, 30, tzinfo=UTC)


def test_what_stands_against_the_second_one_is_asked_of_the_second(as_: As) -> None:
    opens = SetResourceHours(
        resource=str(device().resource.public_id), hours=((6, time(0), time(0)),)
    )
    execute(opens, actor=people.admin)
    booked_at(SECOND, "CT1")
    step = make.step_of(make.order())
    client = as_("scheduler")

    first, second = (
        client.post(
            f"/book/{step.public_id}/",
            typed(AUTUMN, ask="1", **{"at-turn": turn}),
            follow=True,
        )
        for turn in ("first", "second")
    )

    assert TAKEN not in words(first)
    assert TAKEN in words(second)
    assert radios(second, "at-turn") == [("first", False), ("second", True)]


def test_the_move_dialog_shows_which_one_an_exam_has_and_keeps_it(as_: As) -> None:
    order = booked_at(SECOND, "CT1")
    row = appointment_of(order)
    client = as_("scheduler")
    address = f"/board/move/{row.public_id}/"

    page = client.get(address)
    other_room = typed(AUTUMN, ae_title="CT2", version=str(row.version), **{"at-turn": "second"})
    moved = client.post(address, other_room, follow=True)

    assert "25 Oct 02:30 UTC+1" in words(page)
    assert radios(page, "at-turn") == [("first", False), ("second", True)]
    row.refresh_from_db()
    assert (row.start_at, row.device) == (SECOND, device("CT2"))
    assert "this is the second" in words(moved)


def test_visits_of_a_series_ask_about_the_one_that_comes_twice(as_: As) -> None:
    step = make.step_of(make.order())
    client = as_("scheduler")
    form = {
        "day": "2026-10-24",
        "at": "02:30",
        "device": str(device().public_id),
        "visits": "2",
        "every": "1",
    }

    answer = client.post(f"/book/{step.public_id}/series/", form)

    assert answer.status_code == 422
    assert ASKED in words(answer)
    assert radios(answer, "at-turn") == [("first", False), ("second", False)]


def test_a_wish_of_a_new_order_is_asked_about(as_: As) -> None:
    patient = Patient.objects.get(pk=make.order().patient_id)
    exam = str(ProcedureDefinition.objects.get(code="CTHEAD").public_id)
    form = {
        "patient": str(patient.public_id),
        "procedure": exam,
        "priority": "ROUTINE",
        "reason": "Headache",
        "when": "wish",
        "wished_day": AUTUMN,
        "wished_at": "02:30",
        "token": "t1",
    }

    answer = as_("scheduler").post("/orders/new/", form)

    assert answer.status_code == 422
    assert ASKED in words(answer)
    assert radios(answer, "wished_at-turn") == [("first", False), ("second", False)]


# --- the board


def drop(client: Client, order: Order, start: str, ae_title: str = "CT1") -> Any:
    row = appointment_of(order)
    form = {
        "start": start,
        "device": str(device(ae_title).public_id),
        "version": str(row.version),
        "reason": "Stroke alarm",
    }
    return client.post(f"/board/drop/{row.public_id}/", form)


def test_an_exam_dropped_on_a_time_that_comes_twice_is_asked_about(as_: As) -> None:
    order = booked_at(datetime(2026, 10, 25, 3, tzinfo=UTC), "CT1")
    client = as_("scheduler")

    answer = drop(client, order, "2026-10-25T02:30")
    stays = appointment_of(order).start_at
    chosen = drop(client, order, answer.json()["turns"][1]["start"])

    assert answer.status_code == 422
    assert answer.json()["error"] == ASKED
    assert answer.json()["turns"] == [
        {"start": "2026-10-25T02:30+02:00", "words": "02:30, the first (UTC+2)"},
        {"start": "2026-10-25T02:30+01:00", "words": "02:30, the second (UTC+1)"},
    ]
    assert stays == datetime(2026, 10, 25, 3, tzinfo=UTC)
    assert chosen.status_code == 200
    assert appointment_of(order).start_at == SECOND


def test_the_board_is_told_the_instant_and_what_the_clock_shows(as_: As) -> None:
    """Drawn as long as it is, though the clock goes back meanwhile."""
    order = booked_at(FIRST + timedelta(minutes=20), "CT1")
    execute_at = as_("scheduler")

    told = execute_at.get("/board/events/?from=2026-10-25&to=2026-10-26").json()["events"]

    event = next(each for each in told if each["id"] == str(appointment_of(order).public_id))
    assert (event["start"], event["end"]) == ("2026-10-25T02:50", "2026-10-25T03:10")
    assert event["extendedProps"]["at"] == "2026-10-25T02:50+02:00"
    assert event["extendedProps"]["hours"] == ["02:50 UTC+2", "02:10 UTC+1"]


def test_on_any_other_day_the_board_says_nothing_of_it(as_: As) -> None:
    booked_at(datetime(2026, 10, 26, 9, tzinfo=UTC), "CT1")

    told = as_("scheduler").get("/board/events/?from=2026-10-26&to=2026-10-27").json()["events"]

    assert [each["extendedProps"]["hours"] for each in told if "extendedProps" in each] == [[]]


# --- closing time


def closing(**said: str) -> dict[str, str]:
    return {
        "what": "down",
        "room": str(device().resource.public_id),
        "day": AUTUMN,
        "begins": "02:30",
        "ends": "02:45",
        "reason": "Tube",
        **said,
    }


def test_time_closed_from_the_board_is_asked_about_at_both_ends(as_: As) -> None:
    client = as_("scheduler")

    asked = client.post("/board/close/", closing())
    before = Closure.objects.count()
    done = client.post("/board/close/", closing(**{"begins-turn": "second", "ends-turn": "second"}))

    assert (asked.status_code, before) == (422, 0)
    assert radios(asked, "begins-turn") == [("first", False), ("second", False)]
    assert radios(asked, "ends-turn") == [("first", False), ("second", False)]
    assert done.status_code == 303
    row = Closure.objects.get()
    assert (row.start_at, row.end_at) == (SECOND, SECOND + timedelta(minutes=15))


def test_where_exams_could_go_is_asked_for_the_time_that_was_closed(as_: As) -> None:
    first, second = booked_at(FIRST, "CT1"), booked_at(SECOND, "CT1")
    client = as_("scheduler")
    turns = {"begins-turn": "second", "ends-turn": "second"}

    done = client.post("/board/close/", closing(**turns), follow=True)

    page = done.content.decode()
    assert str(appointment_of(second).public_id) in page
    assert str(appointment_of(first).public_id) not in page


@pytest.mark.parametrize("form", ["close", "down", "reserve"])
def test_resources_are_not_closed_at_a_time_that_never_is(as_: As, form: str) -> None:
    address = f"/resources/{device().resource.public_id}/"
    said = {"starts": f"{SPRING}T02:30", "ends": f"{SPRING}T02:30", "reason": "Tube", "label": "X"}

    answer = as_("manager").post(f"{address}{form}/", said)

    assert answer.status_code == 422
    assert NEVER in words(answer)
    assert not Closure.objects.exists()
    assert not Block.objects.exists()


def test_resources_are_closed_at_the_one_that_is_chosen(as_: As) -> None:
    address = f"/resources/{device().resource.public_id}/"
    said = {"starts": f"{AUTUMN}T02:30", "ends": f"{AUTUMN}T04:00", "reason": "Tube"}
    client = as_("manager")

    asked = client.post(f"{address}close/", said)
    before = Closure.objects.count()
    client.post(f"{address}close/", {**said, "starts-turn": "second"})

    assert (asked.status_code, before) == (422, 0)
    assert radios(asked, "starts-turn") == [("first", False), ("second", False)]
    assert Closure.objects.get().start_at == SECOND
    assert "Sun 25 Oct 02:30 UTC+1" in words(client.get(address))


def reserved(start_at: datetime) -> Block:
    execute(
        ReserveBlock(
            label="Night",
            resource=str(device().resource.public_id),
            start_at=start_at,
            end_at=datetime(2026, 10, 25, 4, tzinfo=UTC),
        ),
        actor=people.manager,
    )
    return Block.objects.get()


def test_kept_time_shows_which_one_it_begins_at(as_: As) -> None:
    block = reserved(SECOND)

    page = as_("manager").get(f"/resources/blocks/{block.public_id}/")

    assert radios(page, "starts-turn") == [("first", False), ("second", True)]


def upload(client: Client, text: str) -> Any:
    file = SimpleUploadedFile("file.csv", text.encode())
    return client.post("/resources/files/reserved/", {"file": file, "apply": "1"})


def test_a_file_of_kept_time_says_which_one_and_changes_nothing_when_read_again(as_: As) -> None:
    client = as_("manager")
    reserved(SECOND)

    text = client.get("/resources/files/reserved.csv").content.decode("utf-8-sig")
    again = upload(client, text)

    assert "2026-10-25 02:30+01:00" in text
    assert again.status_code in {200, 303}
    assert [row.start_at for row in Block.objects.all()] == [SECOND]


@pytest.mark.parametrize(
    ("starts", "why"),
    [
        (
            f"{AUTUMN} 02:30",
            "That time comes twice: write 2026-10-25 02:30+02:00 or 2026-10-25 02:30+01:00.",
        ),
        (f"{SPRING} 02:30", NEVER),
    ],
)
def test_a_file_with_a_time_that_is_not_once_is_refused_by_its_row(
    as_: As, starts: str, why: str
) -> None:
    text = f"kind,resource,label,starts,ends\ndevice,CT1,Night,{starts},2026-10-25 06:00\n"

    answer = upload(as_("manager"), text)

    assert why in words(answer)
    assert not Block.objects.exists()


# --- what patients get to read


def test_the_patients_page_says_which_one_is_meant(as_: As) -> None:
    order = booked_at(SECOND, "CT1")
    key = execute(
        MakePatientLink(appointment=str(appointment_of(order).public_id)), actor=people.frontdesk
    )
    token = token_of(AppointmentLink.objects.get(public_id=key))
    phone = Client()
    phone.post(f"/p/{token}/", {"born": "1970-05-03"})

    page = words(phone.get(f"/p/{token}/"))

    assert "02:30 UTC+1" in page
    assert "It is 02:30 twice that night; this is the second." in page


def test_messages_and_labels_say_which_one_is_meant(as_: As) -> None:
    order = booked_at(SECOND, "CT1")
    label = as_("frontdesk").get(f"/labels/order/{order.public_id}/")

    said = values_of(visit(appointment_of(order)), SECOND, "de")
    printed = subprocess.run(
        [shutil.which("pdftotext") or "pdftotext", "-", "-"],
        input=label.content,
        check=True,
        capture_output=True,
    ).stdout.decode()

    assert said["time"] == "02:30 UTC+1"
    assert "25 Oct 2026 02:30 UTC+1" in re.sub(r"\s+", " ", printed)
