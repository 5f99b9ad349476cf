"""A known answer is never given after a change: of a list and of a lookup by number alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom.dataset import Dataset

from ris.domain.actors import OPERATOR
from ris.domain.facility import RegisterSite
from ris.domain.orders import (
    CancelOrder,
    HoldOrder,
    OrderDetails,
    OrderReference,
    ReleaseOrder,
    ReviseOrder,
)
from ris.domain.patients import ChangeIdentifiers, MergePatients, UpdatePatient
from ris.domain.scheduling import RecordArrival, RescheduleAppointment
from ris.domain.values import Identifier, PersonName
from ris.models import Order
from ris.selectors import worklist
from ris.selectors.views import TextMatch, WorklistQuery
from ris.services import execute
from tests import make, people
from tests.worklist import requests
from tests.worklist.entries import identifier
from worklist.handlers import Handlers

# Committed: inside a transaction nothing is remembered in the first place.
pytestmark = pytest.mark.django_db(transaction=True)

CT_HEAD = "CT head without contrast"
Change = Callable[[Order], object]
Shown = Callable[[Dataset], Any]


@pytest.fixture
def order() -> Order:
    make.site()
    make.device(character_sets=("ISO_IR 100",))
    make.definition()
    return make.booked(patient=make.patient("7", name=PersonName.of("Müller", "Eva")))


@pytest.fixture
def server(order: Order) -> Iterator[Handlers]:
    made = requests.handlers(record=lambda query: None)
    yield made
    made.version.close()


def reference(order: Order) -> OrderReference:
    return OrderReference(public_id=str(order.public_id))


def rename(order: Order) -> None:
    told = make.demographics(name=PersonName.of("Øster", "Eva"))
    execute(UpdatePatient(patient=make.patient("7"), demographics=told), actor=people.ehr)


def merge(order: Order) -> None:
    make.order(patient=make.patient("8", name=PersonName.of("Real", "Rita")))
    survivor, subsumed = make.patient("8"), make.patient("9")
    execute(
        MergePatients(survivor=survivor, subsumed=subsumed, reason="same person"), actor=people.ehr
    )


def renumber(order: Order) -> None:
    prior = (Identifier("7", "HOSP", "MR"),)
    execute(ChangeIdentifiers(patient=make.patient("9"), prior=prior), actor=people.ehr)


def move(order: Order) -> None:
    appointment = make.step_of(order).appointment
    assert appointment is not None
    execute(
        RescheduleAppointment(
            appointment=str(appointment.public_id), start_at=make.NOON + timedelta(hours=1)
        ),
        actor=people.scheduler,
    )


def arrive(order: Order) -> None:
    appointment = make.step_of(order).appointment
    assert appointment is not None
    execute(RecordArrival(appointment=str(appointment.public_id)), actor=people.ehr)


def revise(order: Order) -> None:
    details = OrderDetails(reason="fell from a ladder")
    execute(ReviseOrder(order=reference(order), details=details), actor=people.ehr)


def rename_site(order: Order) -> None:
    renamed = RegisterSite(name="Test site", institution="Renamed", time_zone="Europe/Vienna")
    execute(renamed, actor=OPERATOR)


def change_zone(order: Order) -> None:
    make.site("Asia/Tokyo")


def change_charset(order: Order) -> None:
    make.device(character_sets=("ISO_IR 192",))


def refine_catalog(order: Order) -> None:
    make.definition(duration_minutes=45, preparation="Fasting")


def on_step(keyword: str) -> Shown:
    return lambda row: row.ScheduledProcedureStepSequence[0][keyword].value


# One after the other on the same order: what is done, what shows it, before and after.
CHANGES: tuple[tuple[Change, Shown, str, str], ...] = (
    (rename, lambda row: str(row.PatientName), "Müller^Eva", "Øster^Eva"),
    (renumber, lambda row: row.PatientID, "7", "9"),
    (revise, lambda row: row.ReasonForTheRequestedProcedure, "headache", "fell from a ladder"),
    (move, on_step("ScheduledProcedureStepStartTime"), "130000", "140000"),
    (arrive, on_step("ScheduledProcedureStepStatus"), "SCHEDULED", "ARRIVED"),
    (change_charset, lambda row: row.SpecificCharacterSet, "ISO_IR 100", "ISO_IR 192"),
    (rename_site, lambda row: row.InstitutionName, "Test Hospital", "Renamed"),
    (change_zone, on_step("ScheduledProcedureStepStartTime"), "140000", "220000"),
    # What was ordered keeps the words it was ordered with.
    (refine_catalog, lambda row: row.RequestedProcedureDescription, CT_HEAD, CT_HEAD),
    (merge, lambda row: str(row.PatientName), "Øster^Eva", "Real^Rita"),
)


def query(accession_number: str) -> Dataset:
    step = Dataset()
    step.ScheduledProcedureStepStartTime = ""
    step.ScheduledProcedureStepStatus = ""
    return identifier(
        AccessionNumber=accession_number,
        PatientName="",
        PatientID="",
        InstitutionName="",
        ReasonForTheRequestedProcedure="",
        RequestedProcedureDescription="",
        ScheduledProcedureStepSequence=[step],
    )


def answers(server: Handlers, order: Order) -> list[Dataset]:
    """A lookup and a list, three times: asked, remembered, known."""
    queries = [query(order.accession_number), query("")]
    return [
        row
        for one in queries * 3
        for row in requests.rows(requests.find(server, one))
        if row.AccessionNumber == order.accession_number
    ]


def test_the_next_answer_shows_the_change(order: Order, server: Handlers) -> None:
    for change, shown, before, after in CHANGES:
        assert [shown(row) for row in answers(server, order)] == [before] * 6
        change(order)
        assert [shown(row) for row in answers(server, order)] == [after] * 6


def test_what_is_held_or_canceled_is_gone(order: Order, server: Handlers) -> None:
    for command, shown in ((HoldOrder, 0), (ReleaseOrder, 6), (CancelOrder, 0)):
        execute(command(order=reference(order)), actor=people.ehr)
        assert len(answers(server, order)) == shown


def test_a_lookup_by_number_takes_one_statement(order: Order) -> None:
    asked = WorklistQuery(accession_number=TextMatch(pattern=order.accession_number))

    with CaptureQueriesContext(connection) as captured:
        answer = worklist.entries(asked)

    assert [one.accession.value for one in answer.entries] == [order.accession_number]
    assert len(captured) == 1
