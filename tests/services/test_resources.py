"""Staff, rooms, groups, holidays, closures, downtime and kept time, through the door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine

from ris.domain.actors import Actor
from ris.domain.commands import Command
from ris.domain.errors import (
    DeniedError,
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
    UnsupportedError,
)
from ris.domain.facility import RegisterDevice, RegisterRoom
from ris.domain.resources import (
    BeginDowntime,
    ChangeResource,
    EndDowntime,
    ImportResources,
    KeptFor,
    RegisterStaff,
    ReleaseBlock,
    RemoveBlock,
    RemoveGroup,
    RemoveHoliday,
    ReserveBlock,
    RestoreResource,
    RetireResource,
    SaveGroup,
    SetHoliday,
)
from ris.domain.scheduling import AddClosure, Closed, RemoveClosure, SetResourceHours
from ris.models import (
    Block,
    Closure,
    Device,
    DomainEvent,
    Holiday,
    Resource,
    ResourceGroup,
    ResourceHours,
    Room,
    StaffMember,
)
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as found:
        yield found


@pytest.fixture
def ct() -> str:
    """The resource of CT1, which stands in a room of its own."""
    make.site("UTC")
    make.device("CT1")
    make.definition()
    return str(Device.objects.get().resource.public_id)


def do(command: Command[Any], actor: Actor = people.manager) -> Any:
    return execute(command, actor=actor)


def events() -> list[str]:
    return list(DomainEvent.objects.order_by("id").values_list("name", flat=True))


def at(hour: int, minute: int = 0) -> datetime:
    return NOW.replace(hour=hour, minute=minute)


# --- staff


def test_somebody_who_is_booked_has_skills_and_a_resource() -> None:
    make.site()

    key = do(
        RegisterStaff(name="Dr. Mira Osei", skills=("radiologist", "MR-safety"), site="Test site")
    )

    staff = StaffMember.objects.select_related("resource__site").get()
    assert str(staff.public_id) == key
    assert staff.skills == ["radiologist", "MR-safety"]
    assert (staff.resource.kind, staff.resource.name) == ("STAFF", "Dr. Mira Osei")
    assert str(staff.resource.site) == "Test site"
    assert events()[-1] == "StaffRegistered"


def test_a_person_can_be_renamed_and_learn() -> None:
    key = do(RegisterStaff(name="Tom Field"))

    do(RegisterStaff(staff=key, name="Tom Meadow", skills=("interpreter:ar", "interpreter:ar")))

    staff = StaffMember.objects.select_related("resource").get()
    assert (staff.name, staff.resource.name) == ("Tom Meadow", "Tom Meadow")
    assert staff.skills == ["interpreter:ar"]


def test_two_people_do_not_share_a_name() -> None:
    do(RegisterStaff(name="Tom Field"))
    key = do(RegisterStaff(name="Ann Field"))

    with pytest.raises(DuplicateKeyError, match="there is a staff Tom Field already"):
        do(RegisterStaff(staff=key, name="Tom Field"))


def test_a_person_needs_a_name() -> None:
    with pytest.raises(MissingValueError, match="a person needs a name"):
        do(RegisterStaff(name=" "))


# --- what booking has to know


def test_buffers_note_and_holidays_are_set_and_told_once(ct: str) -> None:
    change = ChangeResource(
        resource=ct,
        buffer_before_minutes=5,
        buffer_after_minutes=10,
        open_on_holidays=True,
        note="Table up to 200 kg",
    )

    do(change)
    do(change)  # changes nothing any more

    row = Resource.objects.get(public_id=ct)
    assert (row.buffer_before_minutes, row.buffer_after_minutes) == (5, 10)
    assert row.open_on_holidays
    assert row.note == "Table up to 200 kg"
    assert events().count("BookableChanged") == 1


def test_a_buffer_is_four_hours_at_most(ct: str) -> None:
    with pytest.raises(InvalidValueError, match="0 to 240 minutes are kept free"):
        do(ChangeResource(resource=ct, buffer_after_minutes=241))


def test_a_room_is_renamed_with_its_resource(ct: str) -> None:
    room = Room.objects.select_related("resource").get()

    do(ChangeResource(resource=str(room.resource.public_id), name="CT north", site=""))

    room.refresh_from_db()
    assert (room.name, room.resource.name, room.site) == ("CT north", "CT north", None)
    assert Resource.objects.get(public_id=ct).site is None


def test_a_device_keeps_the_name_the_network_knows(ct: str) -> None:
    with pytest.raises(InvalidValueError, match="named by its AE title"):
        do(ChangeResource(resource=ct, name="CT9"))


def test_a_device_is_where_its_room_is_and_in_use_while_it_is(ct: str) -> None:
    do(RegisterDevice(ae_title="CT1", modality="CT", active=False), people.admin)

    row = Resource.objects.get(public_id=ct)
    assert (row.site, row.active) == (None, False)


def test_a_room_out_of_use_says_what_lies_ahead_and_comes_back(ct: str) -> None:
    make.booked(start_at=at(12))
    room = str(Room.objects.get().resource.public_id)

    assert do(RetireResource(resource=room)) == 1
    assert not Resource.objects.get(public_id=room).active
    with pytest.raises(StateConflictError, match="out of use already"):
        do(RetireResource(resource=room))
    do(RestoreResource(resource=room))

    assert Resource.objects.get(public_id=room).active


def test_a_device_is_put_out_of_use_on_its_own_page(ct: str) -> None:
    with pytest.raises(UnsupportedError, match="on its own page"):
        do(RetireResource(resource=ct))


# --- groups


def test_a_group_is_made_changed_and_removed(ct: str) -> None:
    key = do(SaveGroup(name="CT scanners", members=(ct,)))
    do(SaveGroup(group=key, name="Big scanners", members=()))

    group = ResourceGroup.objects.get()
    assert (group.name, group.members.count()) == ("Big scanners", 0)

    do(ChangeResource(resource=ct, groups=("Big scanners",)))
    assert group.members.count() == 1

    do(RemoveGroup(group=key))
    assert not ResourceGroup.objects.exists()
    assert Resource.objects.filter(public_id=ct).exists()


def test_a_group_that_is_not_there_is_said(ct: str) -> None:
    with pytest.raises(UnknownKeyError, match="no group PET"):
        do(ChangeResource(resource=ct, groups=("PET",)))


# --- holidays


def test_a_holiday_is_of_a_site_or_of_all() -> None:
    make.site()
    day = date(2026, 5, 1)

    do(SetHoliday(date=day, name="Labor Day"))
    do(SetHoliday(date=day, name="May Day", site="Test site"))
    renamed = do(SetHoliday(date=day, name="Day of work"))

    assert sorted(Holiday.objects.values_list("name", flat=True)) == ["Day of work", "May Day"]

    do(RemoveHoliday(holiday=renamed))
    assert Holiday.objects.get().name == "May Day"


# --- hours


def test_hours_may_end_at_midnight_and_not_overlap(ct: str) -> None:
    do(SetResourceHours(resource=ct, hours=((0, time(12), time(0)), (0, time(6), time(12)))))

    rows = ResourceHours.objects.order_by("opens").values_list("opens", "closes")
    assert list(rows) == [(time(6), time(12)), (time(12), time(0))]

    with pytest.raises(InvalidValueError, match="overlap"):
        do(SetResourceHours(resource=ct, hours=((0, time(12), time(0)), (0, time(6), time(13)))))


# --- closures and downtime


def test_closing_over_bookings_is_allowed_and_says_how_many(ct: str) -> None:
    make.booked(start_at=at(12))
    make.booked(start_at=at(15))

    closed = do(AddClosure(resource=ct, start_at=at(11), end_at=at(13), reason="Paint"))

    assert closed == Closed(closure=Closure.objects.get().pk, bookings=1)
    assert Closure.objects.get().kind == "CLOSURE"
    event = DomainEvent.objects.get(name="ClosureAdded")
    assert event.payload["bookings"] == 1


def test_same_time_of_a_room_is_not_closed_twice(ct: str) -> None:
    closing = AddClosure(resource=ct, start_at=at(11), end_at=at(13), reason="Paint")
    do(closing)

    with pytest.raises(StateConflictError, match="closed for that very time already"):
        do(closing)

    assert Closure.objects.count() == 1
    do(AddClosure(resource=ct, start_at=at(11), end_at=at(14), reason="Paint"))


def test_a_technologist_says_that_the_scanner_is_down_until_further_notice(ct: str) -> None:
    make.booked(start_at=at(12))
    make.booked(start_at=at(12) + timedelta(days=3))

    closed = do(BeginDowntime(resource=ct, reason="Tube"), people.technologist)

    row = Closure.objects.get()
    assert (row.kind, row.start_at, row.open_ended) == ("DOWNTIME", NOW, True)
    assert closed.bookings == 2
    assert DomainEvent.objects.get(name="DowntimeBegun").payload["end_at"] is None


def test_saying_it_again_says_until_when(ct: str) -> None:
    do(BeginDowntime(resource=ct, reason="Tube"))

    do(BeginDowntime(resource=ct, reason="Tube, service is here", end_at=at(14)))

    row = Closure.objects.get()
    assert (row.start_at, row.end_at, row.reason) == (NOW, at(14), "Tube, service is here")


def test_the_end_of_a_downtime_leaves_it_on_record(ct: str, clock: Any) -> None:
    do(BeginDowntime(resource=ct, reason="Tube"))
    clock.shift(timedelta(hours=2))

    do(EndDowntime(resource=ct), people.technologist)

    row = Closure.objects.get()
    assert (row.start_at, row.end_at) == (NOW, at(11))
    with pytest.raises(StateConflictError, match="CT1 is not down"):
        do(EndDowntime(resource=ct))


def test_a_downtime_of_a_moment_was_none(ct: str) -> None:
    do(BeginDowntime(resource=ct, reason="Wrong button"))

    do(EndDowntime(resource=ct))

    assert not Closure.objects.exists()


def test_what_is_planned_for_later_is_not_ended_now(ct: str) -> None:
    do(BeginDowntime(resource=ct, reason="Service", start_at=at(18), end_at=at(20)))

    with pytest.raises(StateConflictError):
        do(EndDowntime(resource=ct))

    do(RemoveClosure(closure=Closure.objects.get().pk))
    assert not Closure.objects.exists()


# --- kept time


def weekly(resource: str, **overrides: Any) -> ReserveBlock:
    said: dict[str, Any] = {
        "label": "Emergencies",
        "weekday": 0,
        "opens": time(12),
        "closes": time(13),
        "kept_for": KeptFor(priorities=("stat",), modalities=("ct",)),
        "release_hours_before": 4,
    }
    return ReserveBlock(resource=resource, **{**said, **overrides})


def test_time_is_kept_weekly_in_the_words_of_the_product(ct: str) -> None:
    key = do(weekly(ct))

    row = Block.objects.get()
    assert str(row.public_id) == key
    assert (row.priorities, row.modalities, row.release_hours_before) == (["STAT"], ["CT"], 4)
    assert events()[-1] == "BlockReserved"


def test_time_is_kept_once(ct: str) -> None:
    do(
        ReserveBlock(
            resource=ct,
            label="Study visit",
            start_at=at(14),
            end_at=at(16),
            kept_for=KeptFor(procedures=("CTHEAD",)),
        )
    )

    row = Block.objects.get()
    assert (row.weekday, row.start_at, row.end_at) == (None, at(14), at(16))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"label": ""}, "a block needs a name"),
        ({"weekday": None}, "a weekly block needs a day"),
        ({"weekday": 7}, "no such day of the week"),
        ({"closes": time(12)}, "ends after it starts"),
        ({"start_at": NOW, "end_at": NOW}, "weekly, or from one time to another"),
        ({"valid_from": date(2026, 4, 1), "valid_until": date(2026, 3, 1)}, "before the first"),
        ({"kept_for": KeptFor(procedures=("NOPE",))}, "no procedure NOPE in the catalog"),
        ({"kept_for": KeptFor(priorities=("SOON",))}, "there is no priority SOON"),
        ({"release_hours_before": -1}, "0 hours to a year"),
    ],
)
def test_what_makes_no_sense_is_refused(ct: str, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises((InvalidValueError, MissingValueError, UnknownKeyError), match=words):
        do(weekly(ct, **wrong))


def test_a_scheduler_releases_one_day_or_all_of_it(ct: str) -> None:
    key = do(weekly(ct))

    do(ReleaseBlock(block=key, day=date(2026, 3, 9)), people.scheduler)
    with pytest.raises(InvalidValueError, match="another day of the week"):
        do(ReleaseBlock(block=key, day=date(2026, 3, 10)), people.scheduler)
    assert Block.objects.get().released_days == ["2026-03-09"]

    do(ReleaseBlock(block=key), people.scheduler)
    assert Block.objects.get().released_at == NOW


def test_a_block_at_another_time_is_kept_again(ct: str) -> None:
    key = do(weekly(ct))
    do(ReleaseBlock(block=key))

    do(weekly("", block=key, weekday=1))

    row = Block.objects.get()
    assert (row.weekday, row.released_at, row.released_days) == (1, None, [])


def test_a_block_is_removed(ct: str) -> None:
    do(RemoveBlock(block=do(weekly(ct))))

    assert not Block.objects.exists()
    assert events()[-1] == "BlockRemoved"


# --- files


def test_a_file_is_applied_whole_or_not_at_all(ct: str) -> None:
    hours = SetResourceHours(resource=ct, hours=((0, time(8), time(9)),))

    assert do(ImportResources(commands=(RegisterStaff(name="Ann Field"), hours))) == 2
    with pytest.raises(MissingValueError):
        do(ImportResources(commands=(RegisterStaff(name="Ben Field"), RegisterStaff(name=""))))

    assert [row.name for row in StaffMember.objects.all()] == ["Ann Field"]


def test_a_file_cannot_ask_for_anything_else(ct: str) -> None:
    with pytest.raises(UnsupportedError, match="cannot ask for RegisterDevice"):
        do(ImportResources(commands=(RegisterDevice(ae_title="X", modality="CT"),)))


# --- who may


@pytest.mark.parametrize(
    ("actor", "may_close", "may_set_up"),
    [
        (people.manager, True, True),
        (people.admin, True, True),
        (people.scheduler, True, False),
        (people.technologist, True, False),
        (people.frontdesk, False, False),
        (people.radiologist, False, False),
        (people.ehr, False, False),
    ],
)
def test_who_may_close_and_who_may_set_up(
    ct: str, actor: Actor, may_close: bool, may_set_up: bool
) -> None:
    closing = (
        AddClosure(resource=ct, start_at=at(11), end_at=at(12)),
        BeginDowntime(resource=ct, reason="Tube"),
    )
    setting_up = (weekly(ct), RegisterStaff(name="Ann"), RegisterRoom(name="New"))

    for allowed, commands in ((may_close, closing), (may_set_up, setting_up)):
        for command in commands:
            if allowed:
                do(command, actor)
            else:
                with pytest.raises(DeniedError):
                    do(command, actor)
