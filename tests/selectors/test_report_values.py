"""What a report says of exams of several orders that are read together."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ris.domain.orders import OrderDetails, ProcedureRequest
from ris.domain.report_fields import MergeSource
from ris.domain.values import Code, PersonName
from ris.models import Order
from ris.selectors.report_values import values_for
from ris.services import execute
from tests import make, people
from tests.services.dosing import dlp, document

pytestmark = pytest.mark.django_db
SOURCES = (
    MergeSource.INDICATION,
    MergeSource.PROCEDURE,
    MergeSource.LATERALITY,
    MergeSource.ACCESSION,
    MergeSource.REFERRER,
    MergeSource.DOSE,
    MergeSource.CONTRAST,
)


def exam(words: str, side: str, reason: str, dose: str) -> Order:
    order = make.performed(
        start_at=make.NOON + timedelta(hours=Order.objects.count()),
        patient=make.patient("A"),
        procedures=(
            ProcedureRequest(
                code=Code(words.upper(), "L", words), laterality=side, steps=(make.step_request(),)
            ),
        ),
        details=OrderDetails(reason=reason, requester=PersonName.of("Ordonez", "Olga")),
    )
    execute(document(order, totals=(dlp(dose),), events=()), actor=people.ct1)
    return order


@pytest.fixture
def orders() -> list[Order]:
    make.device()
    return [exam("CT hand", "L", "fall", "100"), exam("CT foot", "R", "pain", "200")]


def told(orders: list[Order]) -> dict[MergeSource, str]:
    procedures = [str(each.procedures.get().public_id) for each in orders]
    found = values_for(str(orders[0].public_id), procedures, SOURCES)
    return {source: value.words for source, value in found.items()}


def test_of_exams_of_two_orders_both_are_told_and_no_side_is_guessed(orders: list[Order]) -> None:
    assert told(orders) == {
        MergeSource.INDICATION: "fall; pain",
        MergeSource.PROCEDURE: "CT hand; CT foot",
        MergeSource.ACCESSION: ", ".join(each.accession_number for each in orders),
        MergeSource.REFERRER: "ORDONEZ, Olga",
        MergeSource.DOSE: "CT hand: DLP 100 mGy·cm; CT foot: DLP 200 mGy·cm",
    }


def test_of_one_exam_nothing_else_is_told(orders: list[Order]) -> None:
    assert told(orders[:1]) == {
        MergeSource.INDICATION: "fall",
        MergeSource.PROCEDURE: "CT hand",
        MergeSource.LATERALITY: "left",
        MergeSource.ACCESSION: orders[0].accession_number,
        MergeSource.REFERRER: "ORDONEZ, Olga",
        MergeSource.DOSE: "DLP 100 mGy·cm",
    }
