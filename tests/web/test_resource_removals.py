"""Removing what closes or keeps time: asked about where it matters to somebody, and undone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ris.domain.actors import OPERATOR
from ris.domain.resources import BeginDowntime, KeptFor, ReserveBlock, SetHoliday
from ris.domain.scheduling import AddClosure
from ris.domain.waiting import WaitForSlot
from ris.models import Block, Closure, Device, Holiday
from ris.services import execute
from tests import make

pytestmark = pytest.mark.django_db
Login = Callable[[str], Client]


@pytest.fixture
def manager(as_: Login) -> Client:
    return as_("manager")


@pytest.fixture
def ct(users: object) -> str:
    """The public id of CT1's resource, at a site in UTC."""
    make.site("UTC")
    make.device("CT1")
    return str(Device.objects.get().resource.public_id)


def tomorrow(hour: int) -> datetime:
    day = timezone.now().astimezone(UTC) + timedelta(days=1)
    return day.replace(hour=hour, minute=0, second=0, microsecond=0)


def closure(ct: str) -> str:
    execute(
        AddClosure(resource=ct, start_at=tomorrow(9), end_at=tomorrow(12), reason="Paint"),
        actor=OPERATOR,
    )
    return f"/resources/{ct}/closures/{Closure.objects.get().pk}/remove/"


def holiday(ct: str) -> str:
    execute(SetHoliday(date=tomorrow(9).date(), name="Fair"), actor=OPERATOR)
    return f"/resources/holidays/{Holiday.objects.get().public_id}/remove/"


def block(ct: str) -> str:
    execute(
        ReserveBlock(
            resource=ct,
            label="Biopsies",
            weekday=tomorrow(9).weekday(),
            opens=time(9),
            closes=time(12),
            valid_from=date(2020, 1, 1),
            kept_for=KeptFor(priorities=("STAT",), groups=("Ward 3",)),
            release_hours_before=2,
        ),
        actor=OPERATOR,
    )
    return f"/resources/blocks/{Block.objects.get().public_id}/remove/"


REMOVALS = [closure, holiday, block]
MODELS = {closure: Closure, holiday: Holiday, block: Block}


def undo(client: Client, page: str) -> None:
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token is not None
    client.post("/undo/", {"token": token[1]})


@pytest.mark.parametrize("removal", REMOVALS)
def test_who_lies_behind_it_is_said_before_it_is_removed(
    ct: str, manager: Client, removal: Callable[[str], str]
) -> None:
    make.booked(tomorrow(10))
    for _ in range(2):
        step = make.step_of(make.order())
        execute(WaitForSlot(step=str(step.public_id)), actor=OPERATOR)
    address = removal(ct)

    asked = manager.post(address)

    words = re.sub(r"<[^>]+>|\s+", " ", asked.content.decode())
    assert asked.status_code == 200
    assert "1 exam is booked inside; it stays where it is." in words
    assert "2 people wait for such a time and may be offered it." in words
    assert MODELS[removal].objects.count() == 1

    done = manager.post(address, {"sure": "1"})

    assert done.status_code == 303
    assert MODELS[removal].objects.count() == 0


@pytest.mark.parametrize("removal", REMOVALS)
def test_what_nobody_has_to_do_with_is_removed_at_once_and_comes_back(
    ct: str, manager: Client, removal: Callable[[str], str]
) -> None:
    address = removal(ct)
    model = MODELS[removal]
    besides = {"id", "public_id", "created_at", "updated_at"}
    [before] = model.objects.values()

    page = manager.post(address, follow=True).content.decode()
    assert model.objects.count() == 0
    undo(manager, page)

    [after] = model.objects.values()
    assert {k: v for k, v in after.items() if k not in besides} == {
        k: v for k, v in before.items() if k not in besides
    }


def test_undoing_twice_closes_once(ct: str, manager: Client) -> None:
    page = manager.post(closure(ct), follow=True).content.decode()

    undo(manager, page)
    undo(manager, page)

    assert Closure.objects.count() == 1


def test_a_downtime_that_was_taken_back_is_one_again(ct: str, manager: Client) -> None:
    execute(BeginDowntime(resource=ct, reason="Tube"), actor=OPERATOR)
    row = Closure.objects.get()

    page = manager.post(f"/resources/{ct}/closures/{row.pk}/remove/", follow=True)
    undo(manager, page.content.decode())

    again = Closure.objects.get()
    assert (again.kind, again.start_at, again.open_ended) == ("DOWNTIME", row.start_at, True)


def test_time_that_was_released_in_part_is_not_reserved_again(ct: str, manager: Client) -> None:
    address = block(ct)
    Block.objects.update(released_days=["2026-03-04"])

    page = manager.post(address, follow=True).content.decode()

    assert 'name="token"' not in page
