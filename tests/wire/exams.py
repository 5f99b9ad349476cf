"""What the tests of exams on the wire share: a listener, an order of its worklist, what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ris.domain.orders import StepStatus
from ris.models import Order, PerformedProcedureStep
from tests import make
from tests.wire.worklist_server import running
from worklist.server import ServerThread

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[ServerThread]:
    make.site()
    make.device("CT1", "CT")
    with running() as listener:
        yield listener


@pytest.fixture
def order(server: ServerThread) -> Order:
    return make.booked(NOON)


def stored(uid: str) -> PerformedProcedureStep:
    return PerformedProcedureStep.objects.get(sop_instance_uid=uid)


def status_of(order: Order) -> StepStatus:
    return StepStatus(make.step_of(order).status)
