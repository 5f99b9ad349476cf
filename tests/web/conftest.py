"""Logins and a department for the pages.

What needs Django's models is imported inside the fixtures: this file is read before Django is set
up when the folder alone is tested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.core.cache import cache
from django.test import Client

if TYPE_CHECKING:
    from ris.models import User
    from tests.web.department import Department


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
