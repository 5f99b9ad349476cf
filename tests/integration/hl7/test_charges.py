"""Charges: once for each part of a procedure, and credited as they were charged (IHE RAD-36)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from integration.hl7.er7 import Message
from integration.hl7.from_domain.charges import Part, charge, is_due
from ris.domain.exchange import SkipDelivery, Subscription
from ris.domain.orders import StepStatus
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
)
from ris.domain.reporting import AmendReport, ReportStatus, RetractReport, VersionKind
from ris.models import (
    Delivery,
    Order,
    PerformedProcedureStep,
    Practitioner,
    ReportVersion,
    User,
)
from ris.models.guards import lifted
from ris.services import execute, outbox
from tests import make, people
from tests.integration.hl7 import views

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _billing() -> None:
    make.site()
    make.device()
    make.endpoint(
        "BILLING",
        sends=(Subscription.CHARGES,),
        version="2.3.1",
        protocol_name="BILL^ADMIN",
        settings={"facility": "RAD"},
    )


def told() -> list[Message]:
    outbox.fan_out()
    return [Message.from_bytes(bytes(row.payload)) for row in Delivery.objects.order_by("id")]


def kinds() -> list[str]:
    return [f"{each.get('FT1-6')} {each.get('FT1-26')}" for each in told()]


def fields(message: Message, name: str) -> list[str]:
    (segment,) = message.segments(name)
    return segment.fields


def examined(**overrides: Any) -> tuple[Order, PerformedProcedureStep]:
    """An order whose exam is done, and the exam."""
    placed = make.performed(**overrides)
    return placed, PerformedProcedureStep.objects.get(order=placed)


# --- what is written ----------------------------------------------------------------------------


def test_a_technical_charge_is_written_field_by_field() -> None:
    procedure = views.procedure(
        laterality="L",
        steps=(views.step(status=StepStatus.COMPLETED),),
        performed=(views.performed(),),
    )
    profile = views.profile("2.5.1", charge_department="XR")

    draft = charge(
        views.order(procedures=(procedure,)), procedure, Part.TECHNICAL, views.AT, profile
    )

    assert (draft.code, draft.trigger, draft.structure) == ("DFT", "P03", "DFT_P03")
    rows = {str(row[0]): row for row in draft.rows if isinstance(row, tuple)}  # type: ignore[index]
    assert list(rows) == ["EVN", "PID", "PV1", "FT1", "PR1"]
    code = ("CTHEAD", "CT head", "L")
    modifiers = [("TC", "Technical component", "HL70340"), ("LT", "Left", "HL70340")]
    ft1, pr1 = rows["FT1"], rows["PR1"]
    assert {number: value for number, value in enumerate(ft1) if value is not None} == {
        0: "FT1", 1: 1, 2: "P000000001T",
        4: "20260303101500+0100",  # the end of the exam
        5: "20260302093015+0100",
        6: "CG", 7: code, 10: 1, 13: ("XR",),
        20: ("", "Radic", "Rita", "", "", "", None, None, ()),
        21: ("1234", "Ordonez", "Olga", "", "", "", None, None, ("HOSP",)),
        23: ("F000000001", "RIS"),
        25: code, 26: modifiers,
    }  # fmt: skip
    assert {number: value for number, value in enumerate(pr1) if value is not None} == {
        0: "PR1", 1: 1, 3: code, 5: "20260303101500+0100", 6: "D", 16: modifiers,
    }  # fmt: skip
    assert (rows["EVN"][1], rows["PV1"][2]) == ("P03", "I")


def test_a_professional_charge_is_the_signer_s_and_of_the_first_signature() -> None:
    preliminary = views.version(kind=VersionKind.PRELIMINARY, signed_at=views.AT)
    final = views.version(number=2, signed_at=views.AT + timedelta(hours=1))
    later = views.version(
        number=3, kind=VersionKind.ADDENDUM, signed_at=views.AT + timedelta(days=1)
    )
    procedure = views.procedure(report=views.report(preliminary, final, later))

    draft = charge(
        views.order(), procedure, Part.PROFESSIONAL, views.AT, views.profile(charge_department="XR")
    )

    ft1 = next(row for row in draft.rows if isinstance(row, tuple) and row[0] == "FT1")
    assert ft1[2] == "P000000001P"
    assert ft1[4] == "20260302103015+0100"
    assert ft1[20] == ("", "Radic", "Rita", "", "", "", None, None, ())
    assert ft1[26] == [("26", "Professional component", "HL70340")]


@pytest.mark.parametrize(
    ("statuses", "due"),
    [
        (["SCHEDULED"], False),
        (["STARTED"], False),
        (["COMPLETED"], True),
        (["DISCONTINUED"], False),
        (["COMPLETED", "STARTED"], False),
        (["COMPLETED", "PENDING"], False),
        (["COMPLETED", "DISCONTINUED"], True),
        (["COMPLETED", "CANCELED", "NO_SHOW"], True),
        (["CANCELED"], False),
    ],
)
def test_the_technical_charge_is_due_when_the_exam_is_over(statuses: list[str], due: bool) -> None:
    steps = tuple(views.step(status=StepStatus(status)) for status in statuses)

    assert is_due(views.procedure(steps=steps), Part.TECHNICAL) is due


@pytest.mark.parametrize("status", list(ReportStatus))
def test_the_professional_charge_is_due_while_a_signature_stands(status: ReportStatus) -> None:
    procedure = views.procedure(report=views.report(status=status))

    assert is_due(procedure, Part.PROFESSIONAL) is (status in ("FINAL", "AMENDED"))


# --- what is told -------------------------------------------------------------------------------


def test_exam_and_signature_are_charged_once_each() -> None:
    placed, _ = examined()
    report = make.final_report(placed)
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "Compared with 2024."},
        ),
        actor=people.radiologist,
    )

    assert kinds() == ["CG TC", "CG 26"]
    technical, professional = told()
    assert technical.get("MSH-9") == "DFT"
    assert technical.get("MSH-9.2") == "P03"
    assert technical.get("FT1-4") == "20260302131500+0100"
    assert technical.get("FT1-23") == placed.filler_order_number
    assert technical.get("FT1-7") == "CTHEAD"
    assert professional.get("FT1-2") == f"{placed.procedures.get().procedure_id}P"
    lanes = Delivery.objects.order_by("id").values_list("lane", flat=True)
    assert [lane.rpartition(":")[2] for lane in lanes] == ["TC", "26"]


def test_the_signer_is_charged_under_the_number_that_billing_knows() -> None:
    signer = User.objects.create(username="radic")
    Practitioner.objects.create(user=signer, name="Radic^Rita", identifier="0300", issuer="HOSP")
    order, _ = examined()
    make.final_report(order)
    with lifted():
        ReportVersion.objects.update(signer=signer)

    professional = told()[-1]

    assert fields(professional, "FT1")[20] == "0300^Radic^Rita^^^^^^HOSP"


def test_an_exam_that_was_not_for_this_order_is_credited_and_charged_where_it_belongs() -> None:
    reference = make.patient("4711")
    wrong, performed = examined(patient=reference)
    right = make.booked(patient=reference, start_at=make.NOON + timedelta(hours=1))
    outbox.fan_out()

    make.relink(performed, right)

    assert sorted(kinds()) == ["CD TC", "CG TC", "CG TC"]
    charged, *rest = told()
    credited = next(each for each in rest if each.get("FT1-6") == "CD")
    again = next(each for each in rest if each.get("FT1-6") == "CG")
    assert again.get("FT1-23") == right.filler_order_number
    assert charged.get("FT1-23") == wrong.filler_order_number
    before, after = fields(charged, "FT1"), fields(credited, "FT1")
    assert (after[:5], after[7:]) == (before[:5], before[7:])  # all but when posted, and as what
    for name in ("PID", "PV1", "PR1"):
        assert fields(credited, name) == fields(charged, name)


def test_a_report_that_is_taken_back_is_credited() -> None:
    placed, _ = examined()
    report = make.final_report(placed)
    outbox.fan_out()

    execute(
        RetractReport(report=str(report.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )

    assert kinds() == ["CG TC", "CG 26", "CD 26"]
    _, charged, credited = told()
    assert credited.get("FT1-4") == charged.get("FT1-4")
    assert credited.get("FT1-2") == charged.get("FT1-2")
    assert credited.get("MSH-10") != charged.get("MSH-10")


def test_an_exam_that_was_given_up_is_not_charged() -> None:
    placed = make.booked()
    start = make.start(placed)
    execute(start, actor=people.ct1)
    execute(DiscontinuePerformedStep(sop_instance_uid=start.sop_instance_uid), actor=people.ct1)

    assert kinds() == []


def test_an_exam_for_two_orders_is_charged_for_both() -> None:
    reference = make.patient("4711")
    first = make.booked(patient=reference)
    second = make.booked(patient=reference, start_at=make.NOON + timedelta(hours=1))
    start = make.start(first)
    both = (*start.references, *make.start(second).references)
    execute(replace(start, references=both), actor=people.ct1)
    execute(CompletePerformedStep(sop_instance_uid=start.sop_instance_uid), actor=people.ct1)

    assert kinds() == ["CG TC", "CG TC"]
    numbers = [message.get("FT1-23") for message in told()]
    assert numbers == [first.filler_order_number, second.filler_order_number]


def test_a_charge_that_was_passed_over_is_not_credited() -> None:
    placed, _ = examined()
    report = make.final_report(placed)
    outbox.fan_out()
    charged = Delivery.objects.get(lane__endswith=":26")
    Delivery.objects.filter(pk=charged.pk).update(state="REFUSED")
    execute(
        SkipDelivery(delivery=str(charged.public_id), reason="told by phone"), actor=people.admin
    )

    execute(RetractReport(report=str(report.public_id), reason="wrong"), actor=people.radiologist)

    assert [kind for kind in kinds() if kind.startswith("CD")] == []


def test_what_changed_in_the_record_changes_nothing_of_what_was_charged() -> None:
    placed, performed = examined()
    outbox.fan_out()
    placed.procedures.update(code_value="OTHER")

    make.relink(performed)

    assert kinds() == ["CG TC", "CD TC"]
    assert [each.get("FT1-7") for each in told()] == ["CTHEAD", "CTHEAD"]


def test_what_was_taken_back_before_anybody_was_told_is_not_told_at_all() -> None:
    placed, _ = examined()
    report = make.final_report(placed)

    execute(RetractReport(report=str(report.public_id), reason="wrong"), actor=people.radiologist)

    assert kinds() == ["CG TC"]
