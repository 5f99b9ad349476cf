"""A FHIR client with every scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.fhir.api import Api


@pytest.fixture
def api(db: None) -> Api:
    # This file is read before Django is set up when its folder is named on the command line.
    from tests.integration.fhir.api import Api, token

    return Api(token())


@pytest.fixture(scope="session", autouse=True)
def every_answer_is_valid() -> Iterator[None]:
    """A validator not written here finds nothing wrong with what any test was answered."""
    yield
    from tests.integration.fhir import heard

    assert heard.wrong() == {}


@pytest.fixture(autouse=True)
def a_new_minute() -> None:
    """Of refused calls only so many a minute are kept."""
    from ris.services import refused_calls

    refused_calls.forget()
