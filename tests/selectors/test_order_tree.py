"""An order that is read alone is the same as among many."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.domain.orders import ProcedureRequest
from ris.domain.performing import CompletePerformedStep, PerformedDetails
from ris.domain.reporting import (
    AmendReport,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    VersionKind,
)
from ris.domain.values import Code
from ris.models import DemographicReview, Order, PerformedProcedureStep, Report
from ris.selectors.orders import order_alone, order_view, order_views
from ris.selectors.views import ToldAllergy
from ris.services import execute
from tests import make, people
from tests.make import NOON

pytestmark = pytest.mark.django_db

TWO = (Code("A", "TEST", "Exam A"), Code("B", "TEST", "Exam B"))


@pytest.fixture(autouse=True)
def department(db: None) -> None:
    make.site()
    make.device()


def _twice(order: Order) -> None:
    """Read alone, and together with another one, by the other statements."""
    key, other = str(order.public_id), str(make.order().public_id)

    assert order_view(key) == order_views([other, key])[1]


def test_an_order_that_waits() -> None:
    _twice(make.order(procedures=tuple(ProcedureRequest(code=code) for code in TWO)))


def test_an_order_that_was_performed_and_reported() -> None:
    order = make.performed()
    report = make.final_report(order)
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.CORRECTION,
            sections={**make.TEXT, "impression": "Normal CT of head and neck."},
            reason="the neck was seen as well",
        ),
        actor=people.radiologist,
    )

    _twice(order)
    view = order_view(str(order.public_id)).procedures[0].report
    assert view is not None
    assert [each.number for each in view.versions] == [1, 2]


def test_orders_that_were_performed_at_once(pair_of_orders: tuple[Order, Order]) -> None:
    first, second = pair_of_orders

    _twice(first)
    _twice(second)
    told = [
        order_view(str(each.public_id)).procedures[0].performed[0].steps for each in (first, second)
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 2


@pytest.fixture
def pair_of_orders() -> tuple[Order, Order]:
    """What was performed and the report are about both."""
    patient = make.patient("GROUP")
    first, second = make.booked(patient=patient), make.order(patient=patient)
    command = make.start(first)
    execute(command, actor=people.ct1)
    execute(
        CompletePerformedStep(
            sop_instance_uid=command.sop_instance_uid,
            details=PerformedDetails(ended_at=NOON, series=(make.series(), make.series())),
        ),
        actor=people.ct1,
    )
    # Tied to the second first: what an order says does not hang on that.
    make.relink(PerformedProcedureStep.objects.get(), second)
    make.relink(PerformedProcedureStep.objects.get(), second, first)
    keys = [str(each.procedures.get().public_id) for each in (first, second)]
    report = execute(OpenReport(procedures=tuple(keys)), actor=people.radiologist)
    execute(FinalizeReport(report=report, sections=dict(make.TEXT)), actor=people.radiologist)
    return first, second


def test_a_draft_that_was_thrown_away_is_none() -> None:
    order = make.performed()
    report = make.opened_report(order)
    execute(DiscardDraft(report=str(report.public_id)), actor=people.radiologist)

    _twice(order)
    assert Report.objects.get().status == "DISCARDED"
    assert order_view(str(order.public_id)).procedures[0].report is None


def test_what_is_not_there_costs_no_statement() -> None:
    order = make.booked()
    order_view(str(order.public_id))

    with CaptureQueriesContext(connection) as asked:
        order_view(str(order.public_id))

    # The order, the patient's numbers, procedures, steps, what was performed, reports; the site.
    assert len(asked) == 7


def test_the_page_of_an_order_has_what_was_told_at_the_desk_and_asks_for_no_other_orders() -> None:
    order = make.performed()
    make.final_report(order)
    key = str(order.public_id)
    DemographicReview.objects.create(
        patient=order.patient, field="allergies", said="Latex", sender="Desk", state="OPEN"
    )
    order_alone(key)

    with CaptureQueriesContext(connection) as asked:
        view = order_alone(key)

    assert view.patient.told_allergies == (ToldAllergy("Latex", "Desk"),)
    whole = order_view(key)
    assert view.procedures == whole.procedures
    assert len(asked) == 8
