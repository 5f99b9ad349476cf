"""Another exam than was ordered: what hung on the former one goes with it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ris.domain.arrivals import IdentifierKind, Said
from ris.domain.catalog import StepTemplateDetails
from ris.domain.errors import InvalidValueError, StateConflictError
from ris.domain.orders import (
    OrderReference,
    ProcedureRequest,
    ReviseOrder,
    StepRequest,
)
from ris.domain.places import Place
from ris.domain.protocoling import DefineProtocol, SetProtocol
from ris.domain.scheduling import RecordArrival
from ris.domain.values import Code
from ris.models import Booking, DomainEvent, Order, Protocoling, ScheduledProcedureStep
from ris.services import execute
from tests import make, people

pytestmark = pytest.mark.django_db

MR_KNEE = Code("MRKNEE", "TEST", "MRI knee")
CT_NECK = Code("CTNECK", "TEST", "CT neck")
BONE = Code("NMBONE", "TEST", "Bone scan")


@pytest.fixture(autouse=True)
def _site() -> None:
    make.device("CT1", "CT")
    make.device("MR1", "MR")
    make.definition(
        contrast="Iohexol 350",
        steps=(
            StepTemplateDetails(
                description="CT head without contrast",
                modality="CT",
                protocol_codes=(Code("P-CT", "TEST", "Head, helical"),),
            ),
        ),
    )
    make.definition(MR_KNEE, modality="MR", duration_minutes=45)
    make.definition(CT_NECK, modality="CT", duration_minutes=15)
    make.definition(
        BONE,
        modality="NM",
        steps=(
            StepTemplateDetails(description="Early", modality="NM", duration_minutes=10),
            StepTemplateDetails(description="Late", modality="NM", duration_minutes=30),
        ),
    )


def change(order: Order, code: Code, *steps: StepRequest, **said: bool) -> None:
    """As an XO tells it: the whole order again, its time as well."""
    told = steps or (StepRequest(start_at=make.NOON),)
    execute(
        ReviseOrder(
            order=OrderReference(public_id=str(order.public_id)),
            procedures=(ProcedureRequest(code=code, steps=told),),
            **said,
        ),
        actor=people.ehr,
    )


def steps(order: Order) -> list[tuple[str, str, str]]:
    rows = ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("id")
    return [(row.status, row.modality, row.station_ae_title) for row in rows]


def test_an_exam_of_another_modality_goes_to_a_device_that_can_do_it() -> None:
    order = make.order(start_at=make.NOON)
    before = make.step_of(order)

    change(order, MR_KNEE)

    step = make.step_of(order)
    assert (before.contrast_agent, before.station_ae_title) == ("Iohexol 350", "CT1")
    assert (step.modality, step.station_ae_title, step.station_name) == ("MR", "MR1", "MR 1")
    assert (step.status, step.start_at, step.duration_minutes) == ("SCHEDULED", make.NOON, 45)
    assert (step.contrast_agent, step.protocol_codes, step.description) == ("", [], "MRI knee")
    taken = Booking.objects.filter(appointment=step.appointment, live=True).values_list(
        "resource__device__ae_title", flat=True
    )
    assert set(taken) - {None} == {"MR1"}
    names = list(DomainEvent.objects.order_by("id").values_list("name", flat=True))
    assert names[-2:] == ["AppointmentMoved", "OrderRevised"]


def test_a_change_may_bring_a_new_time_and_a_station() -> None:
    make.device("MR2", "MR")
    order = make.order(start_at=make.NOON)
    later = make.NOON + timedelta(hours=2)

    change(order, MR_KNEE, StepRequest(start_at=later, station_ae_title="MR2", modality="MR"))

    assert steps(order) == [("SCHEDULED", "MR", "MR2")]
    assert make.step_of(order).start_at == later


def test_without_a_device_for_it_the_exam_gives_its_time_back_and_waits() -> None:
    order = make.order(start_at=make.NOON)

    change(order, BONE)

    assert steps(order) == [("PENDING", "NM", ""), ("PENDING", "NM", "")]
    first = make.step_of(order)
    assert (first.wished_at, first.start_at, first.appointment) == (make.NOON, None, None)
    assert not Booking.objects.filter(live=True).exists()


def test_where_a_scheduler_decides_the_exam_of_another_modality_waits_for_one() -> None:
    order = make.order(start_at=make.NOON)

    change(order, MR_KNEE, wait_for_scheduler=True)

    assert steps(order) == [("PENDING", "MR", "")]
    assert make.step_of(order).wished_at == make.NOON


def test_once_the_patient_is_here_an_exam_of_another_modality_is_refused() -> None:
    order = make.order(start_at=make.NOON)
    appointment = make.appointment_of(order)
    execute(
        RecordArrival(
            appointment=str(appointment.public_id),
            identifiers_checked=(
                Said(IdentifierKind.NAME, "Berg^Anna"),
                Said(IdentifierKind.BIRTH_DATE, "1970-05-03"),
            ),
        ),
        actor=people.frontdesk,
    )

    with pytest.raises(StateConflictError, match="the patient is here already") as refused:
        change(order, MR_KNEE)

    assert refused.value.path == Place.CODE
    assert steps(order) == [("ARRIVED", "CT", "CT1")]
    assert make.step_of(order).procedure.code_value == "CTHEAD"


def test_an_exam_of_the_same_modality_keeps_its_place_and_loses_the_contrast() -> None:
    order = make.order(start_at=make.NOON)

    change(order, CT_NECK)

    step = make.step_of(order)
    assert steps(order) == [("SCHEDULED", "CT", "CT1")]
    assert (step.contrast_agent, step.protocol_codes, step.start_at) == ("", [], make.NOON)


def test_an_exam_that_the_catalog_does_not_know_keeps_the_modality_and_nothing_else() -> None:
    order = make.order(start_at=make.NOON)

    change(order, Code("X9", "ELSE", "Something else"))

    step = make.step_of(order)
    assert steps(order) == [("SCHEDULED", "CT", "CT1")]
    assert (step.contrast_agent, step.protocol_codes) == ("", [])
    assert step.description == "Something else"


def test_an_exam_that_was_not_known_is_scheduled_once_its_code_is_told() -> None:
    placed = make.order(
        procedures=(
            ProcedureRequest(
                code=Code("X9", "ELSE", "Something"), steps=(StepRequest(start_at=make.NOON),)
            ),
        )
    )
    waiting = steps(placed)

    change(placed, MR_KNEE)

    assert waiting == [("PENDING", "", "")]
    assert steps(placed) == [("SCHEDULED", "MR", "MR1")]


def test_an_exam_in_one_step_instead_of_two_has_one_step() -> None:
    make.device("NM1", "NM")
    order = make.order(
        procedures=(ProcedureRequest(code=BONE, steps=(StepRequest(start_at=make.NOON),)),)
    )
    before = steps(order)

    change(order, MR_KNEE)

    assert before == [("SCHEDULED", "NM", "NM1"), ("PENDING", "NM", "")]
    assert steps(order) == [("SCHEDULED", "MR", "MR1"), ("CANCELED", "NM", "")]


def test_what_a_radiologist_decided_was_about_the_former_exam() -> None:
    protocol = execute(
        DefineProtocol(
            code=Code("CTP", "99RIS", "Contrast"),
            modality="CT",
            contrast="70 ml",
        ),
        actor=people.manager,
    )
    order = make.order(start_at=make.NOON)
    procedure = str(make.step_of(order).procedure.public_id)
    execute(
        SetProtocol(procedure=procedure, protocols=(protocol,), instructions="at 3 ml/s"),
        actor=people.radiologist,
    )
    decided = make.step_of(order)

    change(order, CT_NECK)

    step = make.step_of(order)
    row = Protocoling.objects.get(procedure=step.procedure)
    assert decided.contrast_agent == "70 ml"
    assert (step.contrast_agent, step.protocol_codes, step.comments) == ("", [], "")
    assert (row.status, row.protocols, row.instructions) == ("WAITING", [], "")


# --- one step more ------------------------------------------------------------------------------


def two(*numbers: str) -> tuple[StepRequest, ...]:
    return tuple(
        StepRequest(step_id=number, modality="CT", start_at=make.NOON + timedelta(hours=at))
        for at, number in enumerate(numbers)
    )


def numbered(order: Order) -> list[tuple[str, str]]:
    rows = ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("id")
    return [(row.step_id, row.status) for row in rows]


def test_a_step_that_a_change_names_besides_is_one_more() -> None:
    order = make.order(procedures=(ProcedureRequest(code=make.CT_HEAD, steps=two("S1")),))

    change(order, make.CT_HEAD, *two("S1", "S2"))

    assert numbered(order) == [("S1", "SCHEDULED"), ("S2", "SCHEDULED")]
    assert make.step_of(order).start_at == make.NOON


def test_a_change_of_a_step_that_nobody_knows_is_refused() -> None:
    order = make.order(procedures=(ProcedureRequest(code=make.CT_HEAD, steps=two("S1", "S2")),))

    with pytest.raises(InvalidValueError, match="which step of the procedure is meant") as refused:
        change(order, make.CT_HEAD, *two("S1", "S9"))

    assert refused.value.path == Place.STEP_ID
    assert numbered(order) == [("S1", "SCHEDULED"), ("S2", "SCHEDULED")]
