"""Schedules and slots: computed from the calendar that the pages use (FHIR R4 12.8, 12.9)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine

from ris.domain.actors import OPERATOR
from ris.domain.scheduling import AddClosure, HoldSlot, SetResourceHours
from ris.models import Device
from ris.services import execute
from tests import make, people
from tests.integration.fhir.api import Api

pytestmark = pytest.mark.django_db

MORNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)  # a Monday


@pytest.fixture(autouse=True)
def _calendar() -> Any:
    """One device, open from 8 to 10 on Mondays."""
    with time_machine.travel(MORNING, tick=False):
        make.device("CT1")
        make.definition()
        hours(Device.objects.get(), time(8), time(10))
        yield


def hours(device: Device, opens: time, closes: time) -> None:
    execute(
        SetResourceHours(resource=str(device.resource.public_id), hours=((0, opens, closes),)),
        actor=OPERATOR,
    )


def device() -> Device:
    return Device.objects.get()


def slots(api: Api, **parameters: str) -> list[dict[str, Any]]:
    pairs = [(name.replace("___", "-"), value) for name, value in parameters.items()]
    answer = api.get(f"/Slot?{urlencode(pairs)}")
    assert answer.status == 200, answer.body
    return answer.of("match")


def told(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["start"], each["status"]) for each in found]


def test_a_schedule_is_that_of_a_device_and_its_room(api: Api) -> None:
    answer = api.get(f"/Schedule/{device().public_id}")

    assert answer.status == 200
    assert answer.body["active"] is True
    assert [actor["display"] for actor in answer.body["actor"]] == ["CT 1", "Room CT1"]
    assert [each["coding"][0]["code"] for each in answer.body["serviceType"]] == ["CT", "CTHEAD"]


# Search → how many of one are found.
SCHEDULES = {
    "actor=Device/{device}": 1,
    "actor=Location/{room}": 1,
    "actor=Device/{room}": 1,
    "identifier=urn:ris:ae-title|CT1": 1,
    "identifier=urn:ris:ae-title|MR9": 0,
    "service-type=CTHEAD": 1,
    "service-type=http://dicom.nema.org/resources/ontology/DCM|CT": 1,
    "service-type=MR": 0,
    "specialty=http://snomed.info/sct|394914008": 1,
    "active=false": 0,
    "date=2026-03-10": 1,
    "date=lt2026-03-01": 0,
    "date=2031-01-01": 0,
    "_has:Slot:schedule:status=free": 1,
    "_has:Slot:schedule:status=busy": 0,
    "service-type:missing=true": 0,
}


def test_schedules_are_found(api: Api) -> None:
    room = device().room
    assert room is not None
    keys = {"device": device().public_id, "room": room.public_id}

    found = {
        query: len(api.get("/Schedule?" + query.format(**keys)).of("match")) for query in SCHEDULES
    }

    assert found == SCHEDULES


def test_slots_show_what_is_free_held_taken_and_closed(api: Api) -> None:
    make.booked(MORNING + timedelta(hours=1))
    execute(
        HoldSlot(device="CT1", start_at=MORNING + timedelta(minutes=90), duration_minutes=15),
        actor=people.ehr,
    )
    execute(
        AddClosure(
            resource=str(device().resource.public_id),
            start_at=MORNING + timedelta(minutes=165),
            end_at=MORNING + timedelta(minutes=180),
            reason="flooded",
        ),
        actor=OPERATOR,
    )

    found = slots(api, start="2026-03-02", service___type="CTHEAD")

    assert told(found) == [
        ("2026-03-02T08:00:00Z", "busy"),
        ("2026-03-02T08:30:00Z", "busy-tentative"),
        ("2026-03-02T08:45:00Z", "free"),
        ("2026-03-02T09:05:00Z", "free"),
        ("2026-03-02T09:25:00Z", "free"),
        ("2026-03-02T09:45:00Z", "busy-unavailable"),
    ]
    assert "flooded" not in str(found[-1])  # why is nobody's business
    assert found[2]["end"] == "2026-03-02T09:05:00Z"  # as long as the exam


def test_a_slot_is_read_as_it_is_now_under_the_same_id(api: Api) -> None:
    [first, *_] = slots(api, start="2026-03-02", status="free")
    before = api.get(f"/Slot/{first['id']}").body["status"]

    make.booked(datetime.fromisoformat(first["start"]))
    after = api.get(f"/Slot/{first['id']}").body

    assert (before, after["status"]) == ("free", "busy")
    assert (after["id"], after["start"]) == (first["id"], first["start"])
    assert [each["id"] for each in slots(api, _id=first["id"])] == [first["id"]]
    assert slots(api, _id=first["id"], status="free") == []
    assert len(slots(api, identifier=f"urn:ris:slot|{first['id']}")) == 1


def test_a_slot_nobody_named_is_not_there(api: Api) -> None:
    [first, *_] = slots(api, start="2026-03-02")
    forged = first["id"][:-1] + ("0" if first["id"][-1] != "0" else "1")

    assert api.get(f"/Slot/{forged}").status == 404
    assert api.get("/Slot/nonsense").status == 404


STARTS = {
    "ge2026-03-02T09:00:00Z": 8,  # for fourteen days: what is left, a Monday, two more
    "gt2026-03-02T09:00:00Z": 8,
    "sa2026-03-02": 8,
    "lt2026-03-02T09:00:00Z": 2,
    "2026-03-02T09:00:00Z": 1,
    "le2026-03-02T08:30:00Z": 2,
    "eb2026-03-02": 0,
}


def test_slots_are_found_by_their_start(api: Api) -> None:
    assert {start: len(slots(api, start=start)) for start in STARTS} == STARTS


@pytest.mark.parametrize(
    "start",
    ["ge9999-12-31", "9999", "ge2106-01-01", "0001-01-01", "le0001-01-02", "ge1969-12-31"],
)
def test_at_the_ends_of_the_calendar_there_are_no_slots(api: Api, start: str) -> None:
    answer = api.get(f"/Slot?start={start}")

    if answer.status == 200:
        assert answer.of("match") == []
    else:  # no such day west of Greenwich, or more days than are shown
        assert answer.status in {400, 422}, answer.body


def test_without_a_start_the_next_fourteen_days_are_shown_and_never_more_than_62(api: Api) -> None:
    free = slots(api)
    answer = api.get("/Slot?start=ge2026-03-02&start=le2026-06-01")

    assert told(free)[0][0] == "2026-03-02T08:00:00Z"
    assert told(free)[-1][0] == "2026-03-09T09:30:00Z"
    assert (answer.status, "62 days" in answer.issue["diagnostics"]) == (422, True)


NARROWED = {
    "schedule=Schedule/{device}": 4,
    "schedule={other}": 0,
    "schedule.actor=Device/{device}": 4,
    "service-type=CTHEAD": 6,
    "service-type=CT": 4,
    "service-type=MRHEAD": 0,
    "specialty=394914008": 4,
    "specialty=419772000": 0,
    "status=free": 4,
    "status=busy,busy-tentative": 0,
    "status:not=free": 0,
    "service-type:text=CT": 6,
    "service-type:not=CTHEAD": 4,  # half hours, for no exam in particular
    "schedule:missing=true": 0,
    "schedule:missing=false": 4,
}


def test_slots_are_narrowed_down(api: Api) -> None:
    keys = {"device": device().public_id, "other": "00000000-0000-7000-8000-000000000001"}

    found = {
        query: len(api.get("/Slot?start=2026-03-02&" + query.format(**keys)).of("match"))
        for query in NARROWED
    }

    assert found == NARROWED


def test_pages_of_slots_follow_each_other(api: Api) -> None:
    first = api.get("/Slot?start=2026-03-02&_sort=start&_count=3&_total=accurate")
    following = first.link("next")
    assert following is not None
    second = api.get(following)

    assert first.body["total"] == 4
    assert told(first.of("match")) + told(second.of("match")) == [
        (f"2026-03-02T{at}:00Z", "free") for at in ("08:00", "08:30", "09:00", "09:30")
    ]
    assert second.link("next") is None


def test_the_schedule_comes_with_its_slots(api: Api) -> None:
    answer = api.get("/Slot?start=2026-03-02&_include=Slot:schedule")

    assert [each["id"] for each in answer.of("include")] == [str(device().public_id)]


@pytest.mark.parametrize(
    ("day", "starts"),
    [
        (
            date(2026, 3, 29),
            ["2026-03-28T23:00:00Z", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"],
        ),
        (
            date(2026, 10, 25),
            [
                "2026-10-24T22:00:00Z", "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z",
                "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z",
            ],
        ),
    ],
)  # fmt: skip
def test_a_day_with_a_clock_change_has_the_hours_people_expect(
    api: Api, settings: Any, day: date, starts: list[str]
) -> None:
    """Open from midnight to four: three hours in spring, five in autumn (Vienna)."""
    settings.TIME_ZONE = "Europe/Vienna"
    make.definition(make.Code("HOUR", "TEST", "An hour"), duration_minutes=60)
    execute(
        SetResourceHours(resource=str(device().resource.public_id), hours=((6, time(0), time(4)),)),
        actor=OPERATOR,
    )

    with time_machine.travel(datetime(day.year, day.month, day.day - 3, tzinfo=UTC), tick=False):
        found = slots(api, start=day.isoformat(), service___type="HOUR")

    assert [each["start"] for each in found] == starts
