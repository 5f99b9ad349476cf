"""Orders as read models: right values, and a number of queries that does not grow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderReference, OrderStatus, Stage, StepStatus
from ris.domain.performing import PerformedStatus
from ris.domain.reporting import ReportStatus
from ris.domain.scheduling import AppointmentStatus
from ris.domain.values import Identifier
from ris.selectors import orders, performing
from tests import make

pytestmark = pytest.mark.django_db

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())


def test_a_view_holds_the_whole_order() -> None:
    make.site()
    make.device()
    order = make.performed()
    make.final_report(order)

    view = orders.order_view(str(order.public_id))

    procedure = view.procedures[0]
    step, performed, report = procedure.steps[0], procedure.performed[0], procedure.report
    assert (view.status, view.stage, procedure.stage) == (
        OrderStatus.COMPLETED,
        Stage.REPORTED,
        Stage.REPORTED,
    )
    assert view.patient.identifier == Identifier(view.patient.identifier.value, "HOSP", "MR")
    assert (view.patient.name.display, view.patient.birth_date.dicom) == ("BERG, Anna", "19700503")
    assert (view.requester.display, view.institution) == ("ORDONEZ, Olga", "Test Hospital")
    assert (step.status, step.station_ae_title) == (StepStatus.COMPLETED, "CT1")
    assert step.appointment is not None
    assert (step.appointment.status, step.appointment.room) == (
        AppointmentStatus.FULFILLED,
        "Room CT1",
    )
    assert (performed.status, performed.steps) == (PerformedStatus.COMPLETED, (step.public_id,))
    assert performed.series[0].instance_count == 42
    assert report is not None
    assert (report.status, report.procedures) == (ReportStatus.FINAL, (procedure.public_id,))
    assert report.current is not None
    assert report.current.text == ("FINDINGS\nNo bleeding.\n\nIMPRESSION\nNormal CT of the head.")


def test_reading_orders_takes_as_many_queries_for_twenty_as_for_one() -> None:
    make.site()
    make.device()
    keys = []
    for hour in range(4, 9):
        order = make.performed(start_at=make.NOON.replace(hour=hour * 2))
        make.final_report(order)
        keys.append(str(order.public_id))

    counts = []
    for wanted in (keys[:1], keys):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(orders.order_views(wanted)) == len(wanted)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= BUDGETS["order_views"]


def test_an_unknown_order_is_said_to_be_unknown() -> None:
    for key in ("0195a000-0000-7000-8000-000000000000", "not a key"):
        with pytest.raises(UnknownKeyError):
            orders.order_view(key)


def test_an_order_is_found_by_each_of_its_numbers() -> None:
    order = make.order()
    step = make.step_of(order)

    for reference in (
        OrderReference(public_id=str(order.public_id)),
        OrderReference(placer=Identifier(order.placer_order_number, "EHR")),
        OrderReference(filler=Identifier(order.filler_order_number, "whatever")),
        OrderReference(accession=Identifier(order.accession_number)),
        OrderReference(study_instance_uid=step.procedure.study_instance_uid),
    ):
        found = orders.find_order(reference)
        assert found is not None
        assert found.public_id == str(order.public_id)


def test_a_number_of_another_authority_finds_nothing() -> None:
    order = make.order()

    assert (
        orders.find_order(OrderReference(placer=Identifier(order.placer_order_number, "CLINIC")))
        is None
    )


def test_what_a_modality_said_can_be_read_back_with_its_present_status() -> None:
    make.device()
    order = make.performed()
    uid = order.performed.get().sop_instance_uid

    assert performing.performed_dataset(uid)["00400252"] == {"vr": "CS", "Value": ["COMPLETED"]}
    with pytest.raises(UnknownKeyError):
        performing.performed_view("1.2.3")
