"""Logins and a department for the pages.

What needs Django's models is imported inside the fixtures: this file is read before Django is set
up when the folder alone is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

if TYPE_CHECKING:
    from ris.models import User
    from tests.web.department import Department


NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    """It is Monday noon, so that a day has hours before and after it."""
    with time_machine.travel(NOON, tick=True):
        yield


@pytest.fixture
def users(db: None) -> dict[str, User]:
    from tests.web import department

    cache.clear()
    return department.users()


@pytest.fixture
def as_(users: dict[str, User]) -> Callable[[str], Client]:
    """A browser with one of the cast logged in: ``as_("scheduler")``."""

    def log_in(name: str) -> Client:
        client = Client()
        client.force_login(users[name])
        return client

    return log_in


@pytest.fixture
def rooms(db: None) -> None:
    from tests.web import department

    department.rooms()


@pytest.fixture
def full(users: dict[str, User], rooms: None) -> Department:
    """Something in every state."""
    from tests.web import department

    return department.fill()
