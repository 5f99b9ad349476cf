"""SIU S23 and S24: the hospital's scheduler blocks time of our devices and rooms, and opens it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ris.domain.scheduling import AddClosure
from ris.models import AuditEvent, Closure, Device, DomainEvent, InboundMessage, Room
from ris.services import execute
from tests import make, people
from tests.integration.hl7.test_schedules_in import PID, ordered, resources, sch, siu

pytestmark = pytest.mark.django_db

# 8:00 to 12:00 in Vienna on a winter's day.
FROM = datetime(2029, 3, 12, 7, 0, tzinfo=UTC)
UNTIL = FROM + timedelta(hours=4)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _rooms(accepting: None) -> None:
    make.site()
    make.device("CT1", room="CT room 1")
    make.device("CT2", room="CT room 2")


def blocked(start: str = "20290312080000", minutes: str = "240", reason: str = "^new tube") -> str:
    return f"SCH|B1^HIS|||||{reason}|||{minutes}|min|^^^{start}||||||||||||||Blocked"


def closures() -> list[tuple[str, datetime, datetime, str]]:
    rows = Closure.objects.select_related("resource").order_by("start_at", "resource__name")
    return [(row.resource.name, row.start_at, row.end_at, row.reason) for row in rows]


def test_a_device_is_closed_as_long_as_the_scheduler_says() -> None:
    assert siu("S23", blocked(), "RGS|1|A", "AIG|1|A|CT1^CT one|CT") == ["AA"]

    device = Device.objects.get(ae_title="CT1").resource
    assert closures() == [(device.name, FROM, UNTIL, "new tube")]
    ordered()
    assert siu("S12", sch(), PID, *resources()) == ["AE", "207 AIS^1^4"]


def test_each_resource_may_have_a_time_of_its_own() -> None:
    told = siu(
        "S23",
        blocked(),
        "RGS|1|A",
        "AIG|1|A|CT1|CT||||20290312090000|||60|min",
        "AIL|1|A|CT room 2|||20290312100000|||120|min",
    )

    assert told == ["AA"]
    assert [row[1:3] for row in closures()] == [
        (FROM + HOUR, FROM + 2 * HOUR),
        (FROM + 2 * HOUR, FROM + 4 * HOUR),
    ]
    assert closures()[1][0] == Room.objects.get(name="CT room 2").resource.name


def test_the_same_once_more_closes_nothing_twice() -> None:
    siu("S23", blocked(), "RGS|1|A", "AIG|1|A|CT1")

    assert siu("S23", blocked(), "RGS|1|A", "AIG|1|A|CT1") == ["AA"]
    assert len(closures()) == 1


def test_what_was_blocked_is_opened() -> None:
    siu("S23", blocked(), "RGS|1|A", "AIG|1|A|CT1")

    assert siu("S24", blocked(), "RGS|1|A", "AIG|1|A|CT1") == ["AA"]

    assert closures() == []
    assert siu("S24", blocked(), "RGS|1|A", "AIG|1|A|CT1") == ["AA"]


def test_of_what_was_blocked_a_part_may_be_opened() -> None:
    siu("S23", blocked(), "RGS|1|A", "AIL|1|A|CT room 1")

    told = siu("S24", blocked("20290312090000", "60"), "RGS|1|A", "AIL|1|A|CT room 1")

    assert told == ["AA"]
    assert [row[1:] for row in closures()] == [
        (FROM, FROM + HOUR, "new tube"),
        (FROM + 2 * HOUR, UNTIL, "new tube"),
    ]


def test_a_part_that_is_opened_is_told_as_one_thing_and_its_rest_can_be_opened_too() -> None:
    siu("S23", blocked(), "RGS|1|A", "AIL|1|A|CT room 1")
    siu("S24", blocked("20290312090000", "60"), "RGS|1|A", "AIL|1|A|CT room 1")

    room = Room.objects.get(name="CT room 1").resource
    events = DomainEvent.objects.filter(subject_id=str(room.public_id)).order_by("id")
    names = [event.name for event in events]
    assert names[names.index("ClosureAdded") :] == ["ClosureAdded", "ClosureReopened"]
    opened = events.get(name="ClosureReopened").payload
    assert opened["rest"] == list(Closure.objects.order_by("start_at").values_list("pk", flat=True))

    told = siu("S24", blocked(), "RGS|1|A", "AIL|1|A|CT room 1")

    assert (told, closures()) == (["AA"], [])


def test_what_people_here_closed_is_not_opened_from_outside() -> None:
    resource = str(Device.objects.get(ae_title="CT1").resource.public_id)
    execute(
        AddClosure(resource=resource, start_at=FROM, end_at=UNTIL, reason="building work"),
        actor=people.scheduler,
    )

    assert siu("S24", blocked(), "RGS|1|A", "AIG|1|A|CT1") == ["AE", "207 AIG^1^3"]

    assert [row[3] for row in closures()] == ["building work"]
    refused = InboundMessage.objects.get(state="REJECTED")
    assert refused.error == "CT1 was closed here: building work"


@pytest.mark.parametrize("trigger", ["S23", "S24"])
def test_a_resource_that_nobody_knows_is_refused_with_its_place_and_nothing_is_done(
    trigger: str,
) -> None:
    told = siu(trigger, blocked(), "RGS|1|A", "AIG|1|A|CT1", "AIL|1|A|Sauna")

    assert told == ["AE", "204 AIL^1^3"]
    assert closures() == []


def test_a_name_that_two_devices_have_closes_neither() -> None:
    Device.objects.update(station_name="CT")

    assert siu("S23", blocked(), "RGS|1|A", "AIG|1|A|CT") == ["AE", "204 AIG^1^3"]
    assert closures() == []

    refused = InboundMessage.objects.get(state="REJECTED")
    assert refused.error == "two devices go by the name CT: name its AE title"
    assert siu("S23", blocked(), "RGS|1|A", "AIG|1|A|CT2^CT") == ["AA"]
    assert [row[0] for row in closures()] == ["CT2"]


def test_what_is_blocked_has_to_be_a_device_or_a_room() -> None:
    told = siu("S23", blocked(), "RGS|1|A", "AIP|1|A|0300^Radic^Rita|RAD")

    assert told == ["AE", "101 AIG^1^3"]


def test_a_block_needs_a_start_and_an_end() -> None:
    nowhere = "SCH|B1^HIS|||||^new tube||||||||||||||||||Blocked"

    assert siu("S23", nowhere, "RGS|1|A", "AIG|1|A|CT1") == ["AE", "101 AIG^1^8"]
    assert siu("S23", blocked(minutes=""), "RGS|1|A", "AIG|1|A|CT1") == ["AE", "101 AIG^1^11"]


def test_the_audit_names_the_resource() -> None:
    siu("S23", blocked(), "RGS|1|A", "AIG|1|A|CT1")

    resource = Device.objects.get(ae_title="CT1").resource
    row = AuditEvent.objects.get(action="FollowClosures")
    assert row.subject == f"Resource {resource.public_id}"
