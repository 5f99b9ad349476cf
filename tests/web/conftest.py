"""Logins and a department for the pages.

What needs Django's models is imported inside the fixtures: this file is read before Django is set
up when the folder alone is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

if TYPE_CHECKING:
    from ris.models import Order, User
    from tests.web.breast_clinic import Clinic
    from tests.web.department import Department


NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon() -> Iterator[time_machine.Traveller]:
    """It is Monday noon, so that a day has hours before and after it."""
    with time_machine.travel(NOON, tick=True) as traveller:
        yield traveller


@pytest.fixture
def _ground(
    request: pytest.FixtureRequest, db: None, noon: time_machine.Traveller
) -> dict[str, Any]:
    """What ``users``, ``rooms``, ``full`` and ``clinic`` say, as far as the test asks for them."""
    from tests import ground
    from tests.web import breast_clinic, department

    builders = {
        "users": department.users,
        "rooms": department.rooms,
        "full": department.fill,
        "clinic": breast_clinic.build,
    }
    wanted = [name for name in builders if name in request.fixturenames]
    made, at = ground.begin(
        f"web: {', '.join(wanted)}", lambda: {name: builders[name]() for name in wanted}
    )
    noon.move_to(at)  # what the test does comes after what stands already
    cache.clear()
    return made


@pytest.fixture
def users(_ground: dict[str, Any]) -> dict[str, User]:
    found: dict[str, User] = _ground["users"]
    return found


@pytest.fixture
def as_(users: dict[str, User]) -> Callable[[str], Client]:
    """A browser with one of the cast logged in: ``as_("scheduler")``."""

    def log_in(name: str) -> Client:
        client = Client()
        client.force_login(users[name])
        return client

    return log_in


@pytest.fixture
def rooms(_ground: dict[str, Any]) -> None:
    """Devices, and procedures that are done with them."""


@pytest.fixture
def full(users: dict[str, User], rooms: None, _ground: dict[str, Any]) -> Department:
    """Something in every state."""
    department: Department = _ground["full"]
    return department


@pytest.fixture
def clinic(users: dict[str, User], _ground: dict[str, Any]) -> Clinic:
    """Breast exams: one calls its patient back, one waits to be read."""
    found: Clinic = _ground["clinic"]
    return found


@pytest.fixture
def reader(as_: Callable[[str], Client]) -> Client:
    """The browser of somebody who reads."""
    return as_("radiologist")


@pytest.fixture
def exam(rooms: None) -> Order:
    """An exam that waits to be read."""
    from tests.web.department import booked_at, perform, today_at

    order = booked_at(today_at(11))
    perform(order)
    return order


@pytest.fixture
def pregnancy(rooms: None) -> None:
    """Women of an age are asked before a CT, and it is not booked without an answer."""
    from ris.domain.safety import DefineSafetyQuestion, Gate, QuestionDetails, parse_rules
    from ris.services import execute
    from tests import people

    execute(
        DefineSafetyQuestion(
            question=QuestionDetails(
                code="PREG",
                words="Is she pregnant?",
                modalities=("CT",),
                sex="F",
                age_from=12,
                age_to=55,
                gate=Gate.BOOKING,
                unsafe=parse_rules("is yes"),
            )
        ),
        actor=people.admin,
    )
