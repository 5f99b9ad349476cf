"""The pages of resources: what is open, hours, closures, downtime, kept time, groups, holidays."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.domain.actors import OPERATOR
from ris.domain.resources import BeginDowntime, RegisterStaff, SaveGroup
from ris.domain.scheduling import SetResourceHours
from ris.models import (
    AuditEvent,
    Block,
    Closure,
    Device,
    Holiday,
    Resource,
    ResourceGroup,
    ResourceHours,
    Room,
    StaffMember,
)
from ris.services import execute
from tests import make

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday

pytestmark = pytest.mark.django_db
Login = Callable[[str], Client]


@pytest.fixture
def manager(as_: Login) -> Client:
    return as_("manager")


@pytest.fixture
def ct(users: object) -> str:
    """The address of CT1, in a room of its own at a site in UTC."""
    make.site("UTC")
    make.device("CT1")
    return f"/resources/{Device.objects.get().resource.public_id}/"


def room_of(ae_title: str = "CT1") -> str:
    return f"/resources/{Room.objects.get(devices__ae_title=ae_title).resource.public_id}/"


def text_of(client: Client, address: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", client.get(address).content.decode())


# --- the list


def test_the_list_says_what_everything_is_now(ct: str, manager: Client) -> None:
    make.device("MR1", "MR")
    execute(
        BeginDowntime(resource=str(Resource.objects.get(name="MR1").public_id), reason="Helium"),
        actor=OPERATOR,
    )
    execute(RegisterStaff(name="Dr. Mira Osei", skills=("radiologist",)), actor=OPERATOR)

    words = " ".join(text_of(manager, "/resources/").split())

    assert "CT1 Test site CT · CT 1 · Room CT1 Open until Today 18:00" in words
    assert "MR1 Test site MR · MR 1 · Room MR1 Down Helium · until further notice" in words
    assert "Dr. Mira Osei radiologist Available" in words


def test_the_list_is_of_a_kind_or_of_a_group(ct: str, manager: Client) -> None:
    key = str(Resource.objects.get(name="CT1").public_id)
    execute(SaveGroup(name="Scanners", members=(key,)), actor=OPERATOR)

    assert "Room CT1</a>" not in manager.get("/resources/?kind=device").content.decode()
    assert "CT1</a>" in manager.get("/resources/?group=Scanners").content.decode()
    assert "Nothing of this kind" in text_of(manager, "/resources/?kind=staff")


def test_the_pages_cost_the_same_however_much_there_is(ct: str, manager: Client) -> None:
    manager.get("/resources/")  # the session is read once
    with CaptureQueriesContext(connection) as short:
        manager.get("/resources/")
    for number in range(12):
        make.device(f"US{number}", "US")
        execute(RegisterStaff(name=f"Person {number}"), actor=OPERATOR)

    with CaptureQueriesContext(connection) as long:
        manager.get("/resources/")
    with CaptureQueriesContext(connection) as one:
        manager.get(ct)

    assert len(short) == len(long) <= BUDGETS["page_resources"]
    assert len(one) <= BUDGETS["page_resource"]


# --- hours


WEEK = {"monday": "8-12, 13-18:30", "tuesday": "=", "saturday": "0-24", "sunday": "closed"}


def test_a_week_is_typed_down(ct: str, manager: Client) -> None:
    answer = manager.post(f"{ct}hours/", WEEK)

    assert answer.status_code == 303
    rows = ResourceHours.objects.order_by("weekday", "opens")
    assert [(row.weekday, row.opens, row.closes) for row in rows] == [
        (0, time(8), time(12)),
        (0, time(13), time(18, 30)),
        (1, time(8), time(12)),
        (1, time(13), time(18, 30)),
        (5, time(0), time(0)),
    ]
    page = manager.get(ct).content.decode()
    assert 'value="08:00-12:00, 13:00-18:30"' in page
    assert 'value="00:00-24:00"' in page


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("18-8", "Hours close after they open."),
        ("8-12, 11-13", "Hours of one day overlap."),
        ("from eight", "Hours are written like"),
        ("8-25", "There is no 25:00."),
    ],
)
def test_a_wrong_day_is_marked_and_the_rest_stays(
    ct: str, manager: Client, typed: str, words: str
) -> None:
    answer = manager.post(f"{ct}hours/", {**WEEK, "friday": typed})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert 'value="8-12, 13-18:30"' in page
    assert not ResourceHours.objects.exists()


# --- closures and downtime


def test_a_technologist_says_it_is_down_and_sees_who_is_booked(ct: str, as_: Login) -> None:
    make.definition()
    make.booked(start_at=NOON + timedelta(hours=2))
    technologist = as_("technologist")

    answer = technologist.post(f"{ct}down/", {"reason": "Tube"}, follow=True)

    words = " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())
    assert "CT1 is down. 1 booking lies inside; it stays until somebody moves it." in words
    assert "Booked while it is closed" in words
    assert "BERG, Anna" in words
    assert Closure.objects.get().open_ended
    assert AuditEvent.objects.filter(action="ViewClosure").count() == 1

    answer = technologist.post(f"{ct}up/", follow=True)
    assert "It works again" in answer.content.decode()
    assert not Closure.objects.filter(end_at__gt=NOON + timedelta(hours=1)).exists()


def test_down_needs_a_word_why(ct: str, as_: Login) -> None:
    answer = as_("technologist").post(f"{ct}down/", {"reason": ""})

    assert answer.status_code == 422
    assert not Closure.objects.exists()


def test_a_room_is_closed_in_the_time_of_its_site(as_: Login) -> None:
    make.site("Europe/Berlin")
    make.device("CT1")
    scheduler = as_("scheduler")

    answer = scheduler.post(
        f"{room_of()}close/",
        {"starts": "2026-03-29T01:30", "ends": "2026-03-29T03:30", "reason": "Paint"},
    )

    assert answer.status_code == 303
    row = Closure.objects.get()
    assert (row.start_at, row.end_at) == (
        datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),  # an hour later, for 2:00 is 3:00
    )
    assert "29 Mar 01:30" in text_of(scheduler, room_of())

    scheduler.post(f"{room_of()}closures/{row.pk}/remove/")
    assert not Closure.objects.exists()


def test_planned_maintenance_is_downtime(ct: str, as_: Login) -> None:
    as_("scheduler").post(
        f"{ct}close/",
        {"starts": "2026-03-03T06:00", "ends": "2026-03-03T09:00", "reason": "Service",
         "is_downtime": "on"},
    )  # fmt: skip

    assert Closure.objects.get().kind == "DOWNTIME"


# --- kept time


BLOCK = {
    "label": "Emergencies",
    "weekdays": ["0"],
    "opens": "14:00",
    "closes": "15:00",
    "priorities": ["STAT"],
    "modalities": "ct",
    "release_hours_before": "4",
}


def test_time_is_reserved_changed_released_and_removed(
    ct: str, manager: Client, as_: Login
) -> None:
    manager.post(f"{ct}reserve/", BLOCK)
    block = Block.objects.get()
    address = f"/resources/blocks/{block.public_id}/"
    assert "Monday 14:00–15:00" in " ".join(text_of(manager, ct).split())
    assert "For: CT, STAT · everybody's from 4 h before" in " ".join(text_of(manager, ct).split())

    manager.post(address, {**BLOCK, "label": "Trauma", "closes": "00:00"})
    as_("scheduler").post(f"{address}release/", {"day": "2026-03-09"})

    block.refresh_from_db()
    assert (block.label, block.closes, block.released_days) == ("Trauma", time(0), ["2026-03-09"])
    assert "Trauma" in text_of(manager, address)

    manager.post(f"{address}remove/")
    assert not Block.objects.exists()


def test_the_same_time_of_several_days_is_reserved_at_once(ct: str, manager: Client) -> None:
    manager.post(f"{ct}reserve/", {**BLOCK, "weekdays": ["0", "2", "4"]})

    assert list(Block.objects.order_by("pk").values_list("weekday", flat=True)) == [0, 2, 4]


def test_a_block_without_a_time_is_marked(ct: str, manager: Client) -> None:
    answer = manager.post(f"{ct}reserve/", {"label": "Study"})

    assert answer.status_code == 422
    assert answer.content.decode().count("Say from when to when.") == 2


# --- rooms, staff, groups, holidays


def test_a_room_is_made_with_its_week(manager: Client) -> None:
    make.site("UTC")

    answer = manager.post(
        "/resources/new/room/",
        {"name": "Angio", "site": "Test site", "buffer_before_minutes": "0",
         "buffer_after_minutes": "15", "monday": "8-16"},
    )  # fmt: skip

    room = Resource.objects.get(kind="ROOM", name="Angio")
    assert (answer.status_code, answer["Location"]) == (303, f"/resources/{room.public_id}/")
    assert room.buffer_after_minutes == 15
    assert str(room.site) == "Test site"
    assert room.hours.count() == 1


def test_a_person_is_made_changed_and_retired(manager: Client) -> None:
    form = {"name": "Tom Field", "skills": "MR-safety; interpreter:ar",
            "buffer_before_minutes": "0", "buffer_after_minutes": "0"}  # fmt: skip
    made = manager.post("/resources/new/staff/", form)
    again = manager.post("/resources/new/staff/", form)

    assert again.status_code == 409
    staff = StaffMember.objects.get()
    assert staff.skills == ["MR-safety", "interpreter:ar"]
    manager.post(f"{made['Location']}details/", {**form, "name": "Tom Meadow", "skills": ""})
    manager.post(f"{made['Location']}retire/")

    staff.refresh_from_db()
    assert (staff.name, staff.skills, staff.active) == ("Tom Meadow", [], False)
    manager.get("/resources/")  # says what was done
    assert "Tom Meadow" not in text_of(manager, "/resources/?kind=staff")
    manager.post(f"{made['Location']}restore/")
    assert "Tom Meadow" in text_of(manager, "/resources/?kind=staff")


def test_a_device_is_told_its_turnaround_and_groups(ct: str, manager: Client) -> None:
    manager.post("/resources/groups/", {"name": "Scanners", "members": []})

    manager.post(
        f"{ct}details/",
        {"buffer_before_minutes": "5", "buffer_after_minutes": "10", "groups": "Scanners",
         "gap_minutes": "20", "open_on_holidays": "on"},
    )  # fmt: skip
    wrong = manager.post(
        f"{ct}details/",
        {"buffer_before_minutes": "5", "buffer_after_minutes": "10", "groups": "PET"},
    )

    row = Resource.objects.get(name="CT1")
    assert (row.buffer_before_minutes, row.buffer_after_minutes) == (5, 10)
    assert row.gap_minutes == 20
    assert row.open_on_holidays
    assert [group.name for group in row.groups.all()] == ["Scanners"]
    assert wrong.status_code == 404
    assert "no group PET" in wrong.content.decode()


def test_a_group_is_made_changed_and_removed(ct: str, manager: Client) -> None:
    key = str(Resource.objects.get(name="CT1").public_id)
    manager.post("/resources/groups/", {"name": "Scanners", "members": [key]})
    group = ResourceGroup.objects.get()

    manager.post(f"/resources/groups/{group.public_id}/", {"name": "CT scanners"})
    group.refresh_from_db()
    assert (group.name, group.members.count()) == ("CT scanners", 0)

    manager.post(f"/resources/groups/{group.public_id}/remove/")
    assert not ResourceGroup.objects.exists()


def test_a_holiday_closes_what_is_not_open_on_holidays(ct: str, manager: Client) -> None:
    manager.post("/resources/holidays/", {"date": "2026-03-02", "name": "Founders' Day"})

    assert Holiday.objects.get().date == date(2026, 3, 2)
    assert "Holiday Founders&#x27; Day · opens Tomorrow 08:00" in " ".join(
        text_of(manager, ct).split()
    )

    manager.post(f"/resources/holidays/{Holiday.objects.get().public_id}/remove/")
    assert not Holiday.objects.exists()


# --- files


def upload(client: Client, name: str, text: str) -> str:
    """The page that shows what the file would change, and then the same file applied."""
    file = SimpleUploadedFile("file.csv", text.encode())
    shown = client.post(f"/resources/files/{name}/", {"file": file}).content.decode()
    content = re.search(r'name="content" value="([^"]+)"', shown)
    if content:
        client.post(f"/resources/files/{name}/", {"content": content[1], "apply": "1"})
    return shown


@pytest.mark.parametrize("name", ["places", "staff", "holidays", "reserved"])
def test_what_was_downloaded_changes_nothing(ct: str, manager: Client, name: str) -> None:
    manager.post(f"{ct}hours/", WEEK)
    manager.post(f"{ct}reserve/", BLOCK)
    manager.post(f"{ct}reserve/", {"label": "Once", "starts": "2026-03-05T08:00",
                                   "ends": "2026-03-05T09:00"})  # fmt: skip
    manager.post("/resources/holidays/", {"date": "2026-05-01", "name": "Labor Day"})
    execute(RegisterStaff(name="Tom Field", skills=("nurse", "MR-safety")), actor=OPERATOR)

    text = manager.get(f"/resources/files/{name}.csv").content.decode()

    assert "0 new, 0 changed, 0 no longer offered" in upload(manager, name, text)


def test_rooms_and_devices_are_set_by_a_file(ct: str, manager: Client) -> None:
    shown = upload(
        manager,
        "places",
        "kind,name,site,monday,buffer_after_minutes,gap_minutes,in_use\n"
        "device,CT1,Test site,7-19,10,25,yes\n"
        "room,Angio,Test site,8-16,,,yes\n",
    )

    assert "1 new, 1 changed" in shown
    row = Resource.objects.get(name="CT1")
    assert (row.buffer_after_minutes, row.gap_minutes) == (10, 25)
    assert Resource.objects.get(name="CT1").hours.get().closes == time(19)
    assert Room.objects.get(name="Angio").resource.hours.get().opens == time(8)


def test_every_row_that_is_wrong_is_told_and_nothing_is_changed(ct: str, manager: Client) -> None:
    shown = upload(
        manager,
        "places",
        "kind,name,monday,in_use\n"
        "device,CT1,19-7,yes\n"
        "device,CT9,,yes\n"
        "machine,CT1,,yes\n"
        "device,CT1,8-9,no\n"
        "room,Angio,8-16,yes\n",
    )

    for words in (
        "monday: hours close after they open.",
        "There is no device CT9; devices are registered by their AE title.",
        "kind is room or device.",
        "A device is put out of use on its own page.",
    ):
        assert words in shown
    assert not Room.objects.filter(name="Angio").exists()


def test_staff_come_from_a_file(manager: Client) -> None:
    upload(manager, "staff", "name,skills,monday\nTom Field,nurse; MR-safety,8-16\nAnn Lee,,\n")
    upload(manager, "staff", "name,skills,in_use\nTom Field,nurse,yes\nAnn Lee,,no\n")

    assert [(row.name, row.skills, row.active) for row in StaffMember.objects.order_by("name")] == [
        ("Ann Lee", [], False),
        ("Tom Field", ["nurse"], True),
    ]


def test_holidays_and_reserved_time_come_from_files(ct: str, manager: Client) -> None:
    upload(manager, "holidays", "date,name,site\n2026-05-01,Labor Day,\n2026-12-25,Christmas,\n")
    upload(manager, "holidays", "date,name,closed\n2026-05-01,Labor Day,no\n")
    upload(
        manager,
        "reserved",
        "kind,resource,label,weekday,opens,closes,priorities,release_hours_before\n"
        "device,CT1,Emergencies,Monday,12:00,24:00,stat; asap,2\n",
    )

    assert [row.name for row in Holiday.objects.all()] == ["Christmas"]
    block = Block.objects.get()
    assert (block.weekday, block.opens, block.closes) == (0, time(12), time(0))
    assert (block.priorities, block.release_hours_before) == (["STAT", "ASAP"], 2)


def test_what_the_core_refuses_is_shown_and_nothing_is_changed(ct: str, manager: Client) -> None:
    text = (
        "kind,resource,label,weekday,opens,closes,procedures\n"
        "device,CT1,Fine,Monday,12:00,13:00,\n"
        "device,CT1,Biopsies,Monday,14:00,15:00,NOPE\n"
    )
    file = SimpleUploadedFile("file.csv", text.encode())

    answer = manager.post("/resources/files/reserved/", {"file": file, "apply": "1"})

    assert answer.status_code == 404
    assert "Nothing was changed: no procedure NOPE in the catalog." in answer.content.decode()
    assert not Block.objects.exists()


# --- who may


def test_device_without_hours_shows_those_of_its_room(ct: str, as_: Login) -> None:
    room = Room.objects.get(devices__ae_title="CT1").resource.public_id
    hours = ((0, time(7), time(17)),)
    execute(SetResourceHours(resource=str(room), hours=hours), actor=OPERATOR)

    words = " ".join(text_of(as_("technologist"), ct).split())
    form = as_("manager").get(ct).content.decode()

    assert "Monday as its room: 07:00-17:00 Tuesday as its room: closed" in words
    assert 'placeholder="as its room: 07:00-17:00"' in form


def test_who_sees_and_who_may(ct: str, as_: Login) -> None:
    for role in ("frontdesk", "radiologist"):
        assert as_(role).get("/resources/").status_code == 403
    technologist = as_("technologist")

    page = technologist.get(ct).content.decode()

    assert "It is down" in page
    assert "Save hours" not in page
    assert "Reserve time" not in page
    assert technologist.post(f"{ct}hours/", WEEK).status_code == 403
    assert technologist.get("/resources/files/").status_code == 403
