"""What a removed closure, holiday, downtime or block gives back is offered to those who wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine

from ris.domain.resources import (
    BeginDowntime,
    EndDowntime,
    ReleaseBlock,
    RemoveBlock,
    RemoveHoliday,
    ReserveBlock,
    SetHoliday,
)
from ris.domain.scheduling import AddClosure, RemoveClosure
from ris.domain.waiting import DayPart, WaitForSlot
from ris.models import Block, Closure, Device, FreedTime, Holiday, Order, SlotOffer
from ris.selectors.freeing import Behind, behind, of_block, of_closure, of_holiday
from ris.selectors.waiting import freed_lately
from ris.services import execute
from ris.services.scheduling import offer_freed
from tests import make, people

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)
WEDNESDAY = MONDAY + timedelta(days=2)
WORKING_DAY = (WEDNESDAY, WEDNESDAY + timedelta(hours=12))


@pytest.fixture(autouse=True)
def monday() -> Iterator[None]:
    with time_machine.travel(MONDAY, tick=False):
        make.device("CT1")
        make.definition()
        yield


@pytest.fixture
def ct() -> str:
    return str(Device.objects.get(ae_title="CT1").resource.public_id)


def wait() -> Order:
    """Somebody who can come on that Wednesday, in the morning."""
    order = make.order()
    command = WaitForSlot(
        step=str(make.step_of(order).public_id),
        earliest=WEDNESDAY.date(),
        latest=WEDNESDAY.date(),
        day_parts=(DayPart.MORNING,),
    )
    execute(command, actor=people.scheduler)
    return order


def offered() -> list[tuple[int, datetime]]:
    rows = SlotOffer.objects.order_by("pk").values_list("entry__step__procedure__order", "start_at")
    return list(rows)


def closed(ct: str) -> Callable[[], object]:
    start, end = WORKING_DAY
    made = execute(AddClosure(resource=ct, start_at=start, end_at=end), actor=people.manager)
    return lambda: execute(RemoveClosure(closure=made.closure), actor=people.manager)


def down(ct: str) -> Callable[[], object]:
    execute(BeginDowntime(resource=ct, reason="tube"), actor=people.technologist)
    return lambda: execute(EndDowntime(resource=ct), actor=people.technologist)


def shortened(ct: str) -> Callable[[], object]:
    execute(BeginDowntime(resource=ct, reason="tube"), actor=people.technologist)
    sooner = BeginDowntime(resource=ct, reason="tube", end_at=MONDAY + timedelta(days=1))
    return lambda: execute(sooner, actor=people.technologist)


def holiday(ct: str) -> Callable[[], object]:
    key = execute(SetHoliday(date=WEDNESDAY.date(), name="Fair"), actor=people.manager)
    return lambda: execute(RemoveHoliday(holiday=key), actor=people.manager)


def reserved_once(ct: str) -> str:
    start, end = WORKING_DAY
    block = ReserveBlock(resource=ct, label="Inpatients", start_at=start, end_at=end)
    return execute(block, actor=people.manager)


def reserved_weekly(ct: str) -> str:
    block = ReserveBlock(resource=ct, label="Biopsies", weekday=2, opens=time(7), closes=time(12))
    return execute(block, actor=people.manager)


def block_removed(ct: str) -> Callable[[], object]:
    key = reserved_once(ct)
    return lambda: execute(RemoveBlock(block=key), actor=people.manager)


def weekly_block_removed(ct: str) -> Callable[[], object]:
    key = reserved_weekly(ct)
    return lambda: execute(RemoveBlock(block=key), actor=people.manager)


def one_day_released(ct: str) -> Callable[[], object]:
    key = reserved_weekly(ct)
    return lambda: execute(ReleaseBlock(block=key, day=WEDNESDAY.date()), actor=people.scheduler)


def block_moved(ct: str) -> Callable[[], object]:
    key = reserved_once(ct)
    start = WORKING_DAY[0] + timedelta(days=7)
    moved = ReserveBlock(
        block=key, label="Inpatients", start_at=start, end_at=start + timedelta(hours=4)
    )
    return lambda: execute(moved, actor=people.manager)


def block_shortened(ct: str) -> Callable[[], object]:
    key = reserved_once(ct)
    start = WORKING_DAY[0]
    shorter = ReserveBlock(
        block=key, label="Inpatients", start_at=start, end_at=start + timedelta(hours=1)
    )
    return lambda: execute(shorter, actor=people.manager)


REMOVALS = [
    closed,
    down,
    shortened,
    holiday,
    block_removed,
    weekly_block_removed,
    one_day_released,
    block_moved,
    block_shortened,
]


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda each: each.__name__)
def test_what_is_given_back_is_offered(
    ct: str, removal: Callable[[str], Callable[[], object]]
) -> None:
    remove = removal(ct)
    waiting = wait()
    assert offer_freed() == 0, "nothing became free yet"

    remove()
    offer_freed()

    [(order, start_at)] = offered()
    assert order == waiting.pk
    assert start_at.date() == WEDNESDAY.date()
    assert offer_freed() == 0, "nothing is offered twice"


def test_a_free_day_is_offered_to_one_after_the_other(ct: str) -> None:
    remove = closed(ct)
    waiting = [wait(), wait(), wait()]

    remove()
    for _ in waiting:
        offer_freed()

    assert [order for order, _ in offered()] == [order.pk for order in waiting]
    assert len({start_at for _, start_at in offered()}) == 3


def test_a_long_closure_gives_back_day_after_day_for_four_weeks(ct: str) -> None:
    down(ct)()

    freed = freed_lately(MONDAY)

    assert [each.start_at.date() - MONDAY.date() for each in freed] == [
        timedelta(days=day) for day in range(29)
    ]


def test_what_is_past_gives_nothing_back(ct: str) -> None:
    remove = closed(ct)

    with time_machine.travel(WORKING_DAY[1], tick=False):
        remove()

    assert not FreedTime.objects.exists()


def test_what_lies_behind_a_removal_is_counted(ct: str) -> None:
    make.booked(WEDNESDAY + timedelta(hours=3))
    closed(ct)
    holiday(ct)
    reserved_weekly(ct)
    wait()

    spans = [
        of_closure(Closure.objects.get(), MONDAY),
        of_holiday(Holiday.objects.get(), MONDAY),
        of_block(Block.objects.select_related("resource__site").get(), MONDAY),
        of_block(
            Block.objects.select_related("resource__site").get(), MONDAY, day=date(2026, 3, 11)
        ),
    ]

    assert [behind(each) for each in spans] == [
        Behind(exams=1, waiting=1),
        Behind(exams=1, waiting=1),
        Behind(exams=1, waiting=1),
        Behind(exams=0, waiting=1),
    ]
    assert not behind([])
