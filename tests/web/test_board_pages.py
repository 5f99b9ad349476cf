"""The board's pages: what the calendar is told, what a drop does, closed time, relocation."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import OPERATOR
from ris.domain.exam_sets import SequenceProcedures
from ris.domain.facility import RegisterRoom, RegisterSite
from ris.domain.orders import ProcedureRequest
from ris.domain.resources import BeginDowntime, ReserveBlock
from ris.domain.values import Code
from ris.models import Appointment, AuditEvent, Closure, Device, Order, Room, Site
from ris.services import execute
from tests import make, people
from tests.web.department import arrive, booked_at, today_at

As = Callable[[str], Client]
BUDGETS: dict[str, int] = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
DAY = "from=2026-03-02&to=2026-03-03"


def told(client: Client, more: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/board/events/?{DAY}{more}").json()["events"]
    return found


def exams(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event.get("display") != "background"]


def shut(events: list[dict[str, Any]], pattern: str) -> list[dict[str, Any]]:
    return [event for event in events if pattern in event["classNames"]]


def device(ae_title: str) -> Device:
    return Device.objects.select_related("resource").get(ae_title=ae_title)


def appointment_of(order: Order) -> Appointment:
    return Appointment.objects.get(order=order)


def drop(client: Client, order: Order, at: datetime, ae_title: str, **more: str) -> Any:
    row = appointment_of(order)
    form = {
        "start": f"{at:%Y-%m-%dT%H:%M}",
        "device": str(device(ae_title).public_id),
        "version": str(row.version),
        **more,
    }
    return client.post(f"/board/drop/{row.public_id}/", form)


def test_exam_is_told_with_local_time_and_state_in_words(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT2")

    (event,) = exams(told(as_("scheduler")))

    assert (event["start"], event["resourceIds"]) == (
        "2026-03-02T14:00",
        [str(device("CT2").public_id)],
    )
    assert event["editable"] is True
    assert event["extendedProps"]["status"] == "Booked"
    assert event["extendedProps"]["order"] == str(order.public_id)


def test_who_may_not_move_sees_the_same_but_cannot_drag(as_: As, rooms: None) -> None:
    booked_at(today_at(14), "CT2")

    (event,) = exams(told(as_("radiologist")))

    assert event["editable"] is False


def test_patients_that_were_told_of_are_audited_once_for_a_page(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT2")
    client = as_("scheduler")
    AuditEvent.objects.all().delete()

    told(client)
    client.get(f"/board/events/?{DAY}", headers={"X-Ris-Poll": "1"})

    row = AuditEvent.objects.get(action="ViewBoard")
    assert row.patients == [str(order.patient.public_id)]


def test_closed_kept_and_down_time_is_told_with_its_words(as_: As, rooms: None) -> None:
    room = str(device("CT1").resource.public_id)
    begin, end = today_at(15), today_at(16)
    execute(
        BeginDowntime(resource=room, reason="Tube", start_at=begin, end_at=end),
        actor=people.manager,
    )
    execute(
        ReserveBlock(label="Trauma", resource=room, start_at=end, end_at=end + timedelta(hours=1)),
        actor=people.manager,
    )

    events = told(as_("scheduler"))

    (down,) = shut(events, "shut-down")
    (kept,) = shut(events, "shut-kept")
    assert (down["title"], down["start"], down["end"]) == (
        "Down: Tube",
        "2026-03-02T15:00",
        "2026-03-02T16:00",
    )
    assert kept["title"] == "Kept: Trauma"
    assert shut(events, "shut-hours")


def test_filters_narrow_the_rooms(as_: As, rooms: None) -> None:
    booked_at(today_at(14), "CT2")
    client = as_("scheduler")

    assert exams(told(client, "&room=CT1")) == []
    assert exams(told(client, "&modality=US")) == []
    assert exams(told(client, "&site=no-such&group=neither")) == []
    assert len(exams(told(client, "&modality=CT&room=CT2"))) == 1


def test_number_of_queries_does_not_grow_with_exams_or_days(as_: As, rooms: None) -> None:
    client = as_("scheduler")
    booked_at(today_at(13), "CT1")
    told(client)
    few = count_of(lambda: told(client))
    for hour in (14, 15, 16):
        booked_at(today_at(hour), "CT1")
        booked_at(today_at(hour), "CT2")

    week = count_of(lambda: client.get("/board/events/?from=2026-03-02&to=2026-03-09"))

    assert week <= few <= 15


def count_of(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


@pytest.mark.parametrize(
    ("address", "budget"),
    [
        ("/board/", "page_board"),
        ("/board/?view=week", "page_board"),
        (f"/board/events/?{DAY}", "page_board_events"),
        ("/board/close/", "page_board_close"),
        ("/board/print/", "page_board_print"),
        ("/board/relocate/?room=CT1", "page_board_relocate"),
    ],
)
def test_page_asks_few_times(address: str, budget: str, as_: As, rooms: None) -> None:
    client = as_("scheduler")
    booked_at(today_at(14), "CT1")
    make.order()
    client.get(address)

    assert count_of(lambda: client.get(address)) <= BUDGETS[budget]


def test_dropped_exam_is_moved(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT2")

    answer = drop(as_("frontdesk"), order, today_at(15), "CT1")

    row = appointment_of(order)
    assert answer.json() == {"appointment": str(row.public_id), "version": row.version}
    assert (row.start_at, row.device) == (today_at(15), device("CT1"))


def test_drop_on_taken_time_is_refused_with_the_reason(as_: As, rooms: None) -> None:
    booked_at(today_at(15), "CT1")
    order = booked_at(today_at(14), "CT2")

    answer = drop(as_("scheduler"), order, today_at(15), "CT1")

    assert answer.status_code == 409
    assert answer.json()["error"] == "That time is taken."
    assert appointment_of(order).start_at == today_at(14)


def test_drop_of_an_old_version_is_refused(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT2")

    answer = drop(as_("scheduler"), order, today_at(15), "CT2", version="99")

    assert answer.status_code == 409
    assert "meanwhile" in answer.json()["error"]


def test_room_of_another_modality_is_refused(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT2")

    answer = drop(as_("scheduler"), order, today_at(15), "US1")

    assert answer.status_code == 422
    assert appointment_of(order).device == device("CT2")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-40T99:99"])
def test_drop_at_no_time_is_refused(text: str, as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT2")

    answer = drop(as_("scheduler"), order, today_at(15), "CT1", start=text)

    assert answer.status_code == 422


def test_radiologist_moves_nothing(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT2")

    answer = drop(as_("radiologist"), order, today_at(15), "CT1")

    assert answer.status_code == 403
    assert appointment_of(order).start_at == today_at(14)


def test_exam_that_waits_is_booked_where_it_is_dropped(as_: As, rooms: None) -> None:
    order = make.order()
    step = make.step_of(order)
    client = as_("scheduler")
    assert f'data-step="{step.public_id}"' in client.get("/board/").content.decode()

    answer = client.post(
        f"/board/place/{step.public_id}/",
        {
            "start": "2026-03-02T15:00",
            "device": str(device("CT1").public_id),
            "version": str(step.version),
        },
    )

    assert answer.status_code == 200
    assert appointment_of(order).start_at == today_at(15)


def test_closing_a_room_leads_to_where_its_exams_could_go(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT1")
    client = as_("scheduler")

    answer = client.post(
        "/board/close/",
        {
            "what": "down",
            "room": str(device("CT1").resource.public_id),
            "day": "2026-03-02",
            "begins": "13:00",
            "ends": "18:00",
            "reason": "Tube",
        },
    )

    assert answer.status_code == 303
    assert answer["Location"].startswith("/board/relocate/?room=CT1&from=2026-03-02T13")
    assert Closure.objects.get().reason == "Tube"
    page = client.get(answer["Location"]).content.decode()
    assert "Proposed" in page
    assert f'value="{appointment_of(order).public_id}"' in page


def test_times_of_a_room_are_those_of_its_site(as_: As, rooms: None) -> None:
    site = Site.objects.create(name="Tokyo", time_zone="Asia/Tokyo")
    Room.objects.filter(devices__ae_title="CT1").update(site=site)
    booked_at(datetime(2026, 3, 3, 5, tzinfo=UTC), "CT1")
    client = as_("scheduler")

    answer = client.post(
        "/board/close/",
        {
            "what": "down",
            "room": str(device("CT1").resource.public_id),
            "day": "2026-03-03",
            "begins": "13:00",
            "ends": "18:00",
            "reason": "Tube",
        },
    )

    begin = datetime(2026, 3, 3, 4, tzinfo=UTC)
    assert Closure.objects.get().start_at == begin
    assert answer["Location"].startswith("/board/relocate/?room=CT1&from=2026-03-03T13")
    page = client.get("/board/relocate/?room=CT1&from=2026-03-03T13:00").content.decode()
    assert 'name="from" value="2026-03-03T13:00"' in page
    assert 'name="to" value="2026-03-04T00:00"' in page


def test_ticked_exams_are_moved_where_they_were_proposed(as_: As, rooms: None) -> None:
    moved, stays = booked_at(today_at(14), "CT1"), booked_at(today_at(15), "CT1")
    client = as_("scheduler")
    address = "/board/relocate/?room=CT1&from=2026-03-02T13:00&to=2026-03-02T18:00"
    page = client.get(address).content.decode()
    key = str(appointment_of(moved).public_id)
    places = dict(re.findall(r'name="(to-[^"]+)" value="([^"]+)"', page))

    answer = client.post(address, {**places, "move": [key], "reason": "Tube"})

    assert answer.status_code == 303
    assert appointment_of(moved).device == device("CT2")
    assert appointment_of(moved).start_at == today_at(14)
    assert appointment_of(stays).device == device("CT1")


def test_exams_of_a_room_that_is_down_go_to_another_site_only_if_one_says_so(
    as_: As, rooms: None
) -> None:
    execute(RegisterSite(name="South"), actor=OPERATOR)
    execute(RegisterRoom(name="CT south", site="South"), actor=OPERATOR)
    make.device("CT2", room="CT south")
    order = booked_at(today_at(14), "CT1")
    arrived = booked_at(today_at(15), "CT1", patient=make.patient("MRN777"))
    arrive(arrived)
    address = "/board/relocate/?room=CT1&from=2026-03-02T13:00&to=2026-03-02T18:00"
    client = as_("scheduler")

    near, far = (client.get(f"{address}{more}").content.decode() for more in ("", "&others=1"))

    assert re.findall(r'name="to-([^"]+)"', near) == []
    assert "also at other sites" in near
    assert re.findall(r'name="to-([^"]+)"', far) == [str(appointment_of(order).public_id)]


def test_exam_that_has_to_leave_is_not_offered_the_time_it_has(as_: As, rooms: None) -> None:
    booked_at(today_at(14), "CT1")
    booked_at(today_at(14), "CT2", patient=make.patient("MRN777"))
    address = "/board/relocate/?room=CT1&from=2026-03-02T13:00&to=2026-03-02T16:00&same=1"

    page = as_("scheduler").get(address).content.decode()

    (place,) = re.findall(r'name="to-[^"]+" value="([^"]+)"', page)
    assert "14:00" not in place
    assert "same time" not in page


def test_patient_who_is_here_goes_along_and_is_marked(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT1")
    arrive(order)

    page = as_("scheduler").get("/board/relocate/?room=CT1").content.decode()

    assert f'name="move" value="{appointment_of(order).public_id}"' in page
    assert "Arrived" in page
    assert "Still to place" not in page


def test_patient_who_is_here_and_has_no_place_can_be_moved_by_hand(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT1")
    arrive(order)
    Device.objects.filter(ae_title="CT2").update(active=False)

    page = as_("scheduler").get("/board/relocate/?room=CT1").content.decode()

    assert "no other device does this exam" in page
    assert f"/board/move/{appointment_of(order).public_id}/?next=" in page


def test_who_is_here_is_moved_from_arrivals_and_order_and_stays_checked_in(
    as_: As, rooms: None
) -> None:
    order = booked_at(today_at(14), "CT1")
    arrive(order)
    row = appointment_of(order)
    client, address = as_("frontdesk"), f"/board/move/{row.public_id}/"

    lists = [client.get("/arrivals/"), client.get(f"/orders/{order.public_id}/")]
    dialog = client.get(address).content.decode()
    (slot, *_rest) = re.findall(r'name="slot" value="([^"]+)"', dialog)
    other_day = client.post(
        address,
        {
            "version": row.version,
            "day": "2026-03-03",
            "at": "14:00",
            "device": str(device("CT2").public_id),
            "minutes": "20",
        },
    )
    answer = client.post(address, {"slot": slot, "version": row.version, "next": "/arrivals/"})

    assert [f"{address}?next=" in each.content.decode() for each in lists] == [True, True]
    assert "the patient stays checked in" in dialog
    assert {each.split()[1][:10] for each in [slot, *_rest]} == {"2026-03-02"}
    assert other_day.status_code == 409
    assert "take the arrival back first" in other_day.content.decode()
    assert (answer.status_code, answer["Location"]) == (303, "/arrivals/")
    assert appointment_of(order).status == "ARRIVED"


def test_exam_that_has_begun_has_no_way_to_be_moved(as_: As, rooms: None) -> None:
    order = booked_at(today_at(14), "CT1")
    arrive(order)
    execute(make.start(order), actor=people.ct1)
    key = appointment_of(order).public_id
    client = as_("scheduler")

    page = client.get(f"/board/move/{key}/").content.decode()
    lists = [client.get("/arrivals/"), client.get(f"/orders/{order.public_id}/")]

    assert 'name="slot"' not in page
    assert "stays in its room" in page
    assert [f"/board/move/{key}/" in each.content.decode() for each in lists] == [False, False]


def test_day_sheet_has_a_page_for_each_room_with_exams(as_: As, rooms: None) -> None:
    booked_at(today_at(14), "CT1")
    booked_at(today_at(14), "CT2")

    page = as_("frontdesk").get("/board/print/").content.decode()

    assert page.count('class="sheet panel"') == 2


def test_radiologist_closes_nothing(as_: As, rooms: None) -> None:
    assert as_("radiologist").get("/board/close/").status_code == 403


def test_static_text_is_compressed_and_pages_are_not(as_: As) -> None:
    client = as_("scheduler")

    style = client.get("/static/ris/board.css", headers={"Accept-Encoding": "gzip"})
    page = client.get("/board/", headers={"Accept-Encoding": "gzip"})

    assert style["Content-Encoding"] == "gzip"
    assert b"#calendar" in gzip.decompress(style.content)
    assert int(style["Content-Length"]) == len(style.content)
    assert "Content-Encoding" not in page


def test_time_that_would_part_tied_exams_is_not_offered(as_: As, rooms: None) -> None:
    contrast = Code("CTCONTRAST", "TEST", "CT with contrast")
    first, then = make.definition(), make.definition(contrast)
    execute(
        SequenceProcedures(first=first, then=then, gap_at_most_minutes=60), actor=people.manager
    )
    patient = make.patient("MRN900")
    parts = (ProcedureRequest(code=contrast, steps=(make.step_request(),)),)
    make.booked(today_at(13), patient=patient)
    other = make.booked(today_at(14), patient=patient, procedures=parts)
    key = appointment_of(other).public_id

    page = as_("scheduler").get(f"/board/move/{key}/").content.decode()

    offered = re.findall(r'name="slot" value="[^ ]+ ([^"]+)"', page)
    assert offered
    assert max(offered) <= (today_at(13, 20) + timedelta(minutes=60)).isoformat()


@pytest.mark.parametrize("path", ["/board/", "/board/?view=table", "/arrivals/", "/room/CT1/"])
def test_page_of_today_knows_when_its_day_is_over(as_: As, rooms: None, path: str) -> None:
    client, more = as_("scheduler"), "&" if "?" in path else "?"

    today = client.get(path).content.decode()
    tomorrow = client.get(f"{path}{more}day=2026-03-03").content.decode()

    (left,) = re.findall(r'data-day-left="(\d+)"', today)
    assert 0 <= 12 * 3600 + 1 - int(left) < 120  # it is noon, and the clock goes on
    assert "data-day-left" not in tomorrow
