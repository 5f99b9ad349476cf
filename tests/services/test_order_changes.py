"""What placers change of an order: its procedures, their steps, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ris.domain.errors import (
    InvalidValueError,
    StateConflictError,
)
from ris.domain.orders import (
    OrderDetails,
    OrderReference,
    ProcedureRequest,
    ReviseOrder,
    StepRequest,
)
from ris.domain.places import Place
from ris.domain.scheduling import RescheduleAppointment
from ris.domain.values import Code, Identifier, PersonName
from ris.models import (
    DomainEvent,
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

CT_ABDOMEN = Code("CTABD", "TEST", "CT abdomen")
MR_HEAD = Code("MRHEAD", "TEST", "MR head")


def _revise(order: Order, *procedures: ProcedureRequest, **overrides: Any) -> None:
    execute(
        ReviseOrder(
            order=OrderReference(public_id=str(order.public_id)),
            procedures=procedures,
            **overrides,
        ),
        actor=people.ehr,
    )


def _two_procedures() -> Order:
    return make.order(
        procedures=tuple(
            ProcedureRequest(code=code, steps=(make.step_request(start_at=make.NOON),))
            for code in (make.CT_HEAD, CT_ABDOMEN)
        )
    )


def _starts(order: Order) -> list[Any]:
    steps = ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("id")
    return [step.start_at for step in steps]


def test_a_change_of_one_procedure_leaves_the_other_alone() -> None:
    make.device()
    order = _two_procedures()
    later = make.NOON + timedelta(hours=2)

    _revise(order, ProcedureRequest(code=CT_ABDOMEN, steps=(StepRequest(start_at=later),)))

    assert _starts(order) == [make.NOON, later]
    codes = RequestedProcedure.objects.order_by("id").values_list("code_value", flat=True)
    assert list(codes) == ["CTHEAD", "CTABD"]


def test_a_change_that_could_mean_two_procedures_is_refused() -> None:
    make.device()
    order = _two_procedures()

    with pytest.raises(InvalidValueError) as caught:
        _revise(order, ProcedureRequest(code=MR_HEAD))

    assert caught.value.path == Place.PROCEDURE_ID
    codes = RequestedProcedure.objects.order_by("id").values_list("code_value", flat=True)
    assert list(codes) == ["CTHEAD", "CTABD"]


def test_a_procedure_is_meant_by_the_id_of_its_step() -> None:
    make.device()
    order = _two_procedures()
    second = ScheduledProcedureStep.objects.order_by("id")[1]
    wish = StepRequest(step_id=second.step_id, start_at=make.NOON + timedelta(hours=1))

    _revise(order, ProcedureRequest(code=Code(""), steps=(wish,)))

    assert _starts(order) == [make.NOON, make.NOON + timedelta(hours=1)]


def test_a_time_told_again_leaves_the_step_where_a_scheduler_put_it() -> None:
    make.device()
    order = make.order(start_at=make.NOON)
    moved = make.NOON + timedelta(hours=3)
    step = make.step_of(order)
    assert step.appointment is not None
    execute(
        RescheduleAppointment(appointment=str(step.appointment.public_id), start_at=moved),
        actor=people.scheduler,
    )

    _revise(
        order,
        ProcedureRequest(code=make.CT_HEAD, steps=(StepRequest(start_at=make.NOON),)),
        details=OrderDetails(reason="fall"),
    )

    assert _starts(order) == [moved]
    order.refresh_from_db()
    assert order.reason == "fall"


def test_a_new_time_waits_for_a_scheduler_where_that_was_agreed() -> None:
    make.device()
    order = make.order(start_at=make.NOON)
    later = make.NOON + timedelta(hours=3)

    _revise(
        order,
        ProcedureRequest(code=make.CT_HEAD, steps=(StepRequest(start_at=later),)),
        wait_for_scheduler=True,
    )

    step = make.step_of(order)
    assert (step.start_at, step.wished_at) == (make.NOON, later)


def test_side_and_protocol_are_changed_and_nothing_else() -> None:
    make.device()
    order = make.order(start_at=make.NOON)
    protocol = Code("P7", "99TEST", "Low dose")
    before = make.step_of(order)

    _revise(
        order,
        ProcedureRequest(
            code=make.CT_HEAD, laterality="L", steps=(StepRequest(protocol_codes=(protocol,)),)
        ),
    )

    after = make.step_of(order)
    assert after.procedure.laterality == "L"
    assert after.protocol_codes == [protocol.as_json()]
    assert (after.step_id, after.start_at, after.station_ae_title) == (
        before.step_id,
        before.start_at,
        before.station_ae_title,
    )
    assert DomainEvent.objects.get(name="OrderRevised").payload["changed"] == [
        "laterality",
        "protocol_codes",
    ]


def test_the_time_of_what_was_started_stays() -> None:
    make.device()
    order = make.booked()
    execute(make.start(order), actor=people.ct1)
    wish = StepRequest(start_at=make.NOON + timedelta(hours=5))

    with pytest.raises(StateConflictError):
        _revise(order, ProcedureRequest(code=make.CT_HEAD, steps=(wish,)))
    _revise(
        order,
        ProcedureRequest(code=make.CT_HEAD, steps=(StepRequest(start_at=make.NOON),)),
        details=OrderDetails(comments="bring the old images"),
    )

    order.refresh_from_db()
    assert order.comments == "bring the old images"


def test_another_requester_does_not_keep_the_number_of_the_former_one() -> None:
    first = OrderDetails(
        requester=PersonName.of("Order", "Olga"), requester_identifier=Identifier("5678", "NPI")
    )
    order = make.order(details=first)

    _revise(order, details=OrderDetails(requester=PersonName.of("ORDER", "Olga", "M")))
    order.refresh_from_db()
    assert (order.requester_identifier, order.requester_issuer) == ("5678", "NPI")

    _revise(order, details=OrderDetails(requester=PersonName.of("Sixteen", "Sam")))
    order.refresh_from_db()
    assert order.requester == "Sixteen^Sam"
    assert (order.requester_identifier, order.requester_issuer) == ("", "")
