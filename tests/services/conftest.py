"""What several files begin with.

What needs Django's models is imported inside the fixtures: this file is read before Django is set
up when the folder alone is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import time_machine

if TYPE_CHECKING:
    from ris.models import Order
    from tests.referring import Doctors
    from tests.services.outbox_wire import Wire


@pytest.fixture
def department(db: None) -> None:
    """A site with one scanner."""
    from tests import make

    make.site()
    make.device()


@pytest.fixture
def pair(department: None) -> tuple[Order, Order]:
    """Two orders of a patient, booked one after the other."""
    from tests import make
    from tests.services.exams import LATER

    patient = make.patient("GROUP")
    return make.booked(patient=patient), make.booked(LATER, patient=patient)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """It is noon, a week before the appointments of patients who are written to."""
    from tests import make

    with time_machine.travel(make.NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def doctors(db: None, clock: time_machine.Traveller) -> Doctors:
    """Referring doctors of a site with one scanner."""
    from tests import ground, make, referring

    def build() -> Doctors:
        make.site("UTC")
        make.device()
        make.definition()
        return referring.doctors()

    made, _ = ground.begin("referring doctors", build)
    return made


@pytest.fixture
def rooms(db: None, clock: time_machine.Traveller) -> None:
    """Rooms with times to book, and an exam that has to be prepared for."""
    from tests import ground
    from tests.services.patient_messages import build

    ground.begin("patient messages", build)


@pytest.fixture
def wire(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A protocol of the tests, and an endpoint that speaks it."""
    from ris.domain.exchange import Protocol
    from ris.services import outbox
    from tests import make
    from tests.services.outbox_wire import Wire

    wire = Wire()
    monkeypatch.setitem(outbox._PROTOCOLS, Protocol.FHIR, wire)
    outbox.reset_breaker()
    make.endpoint("A", protocol=Protocol.FHIR)
    yield wire
    outbox.reset_breaker()
