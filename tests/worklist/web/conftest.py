"""A DICOMweb client with every scope, and a register that is read anew in each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.worklist.web.api import Api


@pytest.fixture(autouse=True)
def fresh_register() -> Iterator[None]:
    """Devices are looked up at each request; queries without a day find every day."""
    from worklist.web import views

    views.handlers.cache_clear()
    views.gate.cache_clear()
    registry = views.handlers().registry
    registry.seconds, registry.window = 0, None
    yield
    views.handlers.cache_clear()
    views.gate.cache_clear()


@pytest.fixture
def api(db: None) -> Api:
    # This file is read before Django is set up when its folder is named on the command line.
    from tests import make
    from tests.worklist.web.api import Api, token

    make.site()
    make.device("CT1", "CT")
    return Api(token())
