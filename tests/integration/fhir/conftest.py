"""A FHIR client with every scope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import time_machine

if TYPE_CHECKING:
    from ris.models import Order
    from tests.hooks import Hook
    from tests.integration.fhir.api import Api


@pytest.fixture
def api(db: None) -> Api:
    # This file is read before Django is set up when its folder is named on the command line.
    from tests.integration.fhir.api import Api, token

    return Api(token())


@pytest.fixture
def exam(db: None) -> Order:
    """An exam of a visit, with its report."""
    from ris.domain.patients import VisitDetails
    from ris.domain.values import Identifier
    from tests import make

    make.site()
    make.device()
    order = make.performed(visit=VisitDetails(number=Identifier("V1", "HOSP")))
    make.final_report(order)
    return order


@pytest.fixture
def calendar(db: None) -> Iterator[None]:
    """It is a Monday morning; there is a CT scanner, and an exam for it in the catalog."""
    from tests import make
    from tests.integration.fhir.scheduling import MONDAY

    with time_machine.travel(MONDAY, tick=False):
        make.site("UTC")
        make.device("CT1")
        make.definition()
        yield


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Subscribers on this machine may be called."""
    from tests.integration.fhir.subscribing import trusting

    with trusting(monkeypatch, "127.0.0.1"):
        yield


@pytest.fixture
def hook(trusted: None) -> Iterator[Hook]:
    """A subscriber's receiver."""
    from tests import hooks

    with hooks.hook() as receiver:
        yield receiver


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
