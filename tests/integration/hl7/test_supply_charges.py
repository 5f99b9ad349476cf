"""What was used for an exam is charged with it, where the receiver asked for that."""

from __future__ import annotations

from decimal import Decimal

import pytest

from integration.hl7.er7 import Message
from ris.domain.exchange import Subscription
from ris.domain.performing import CompletePerformedStep
from ris.domain.supplies import DefineSupply, RecordSupplies, SupplyKind, SupplyUsed
from ris.models import Delivery, Order, PerformedProcedureStep
from ris.services import execute, outbox
from tests import make, people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _department() -> None:
    make.site()
    make.device()


def billing(**settings: object) -> None:
    make.endpoint(
        "BILLING",
        sends=(Subscription.CHARGES,),
        version="2.5.1",
        protocol_name="BILL^ADMIN",
        settings={"facility": "RAD", **settings},
    )


@pytest.fixture
def contrast() -> str:
    return execute(
        DefineSupply(code="IOHEX350", name="Iohexol 350", kind=SupplyKind.CONTRAST),
        actor=people.manager,
    )


def begun() -> tuple[Order, str]:
    order = make.booked()
    start = make.start(order)
    execute(start, actor=people.ct1)
    return order, start.sop_instance_uid


def give(order: Order, supply: str, amount: str, reason: str = "", lot: str = "L7") -> None:
    used = (SupplyUsed(supply=supply, amount=Decimal(amount), lot=lot),) if amount else ()
    command = RecordSupplies(step=str(make.step_of(order).public_id), supplies=used, reason=reason)
    execute(command, actor=people.technologist)


def end(uid: str) -> None:
    execute(CompletePerformedStep(sop_instance_uid=uid), actor=people.ct1)


def told() -> list[tuple[str, str, str]]:
    """Kind, what and quantity of what was told about supplies, in the order in which it left."""
    outbox.fan_out()
    return [
        (str(segment.get("6")), str(segment.get("7")), str(segment.get("10")))
        for row in Delivery.objects.filter(lane__endswith=":supplies").order_by("id")
        for segment in Message.from_bytes(bytes(row.payload)).segments("FT1")
    ]


def test_what_was_used_is_told_once_the_exam_is_over(contrast: str) -> None:
    billing(charge_supplies=True)
    order, uid = begun()
    give(order, contrast, "80")
    assert told() == []

    end(uid)

    assert told() == [("CG", "IOHEX350", "80")]
    assert Delivery.objects.count() == 2, "the exam itself has a charge of its own"


def test_whoever_did_not_ask_for_it_is_not_told(contrast: str) -> None:
    billing()
    order, uid = begun()
    give(order, contrast, "80")

    end(uid)

    assert told() == []


def test_what_is_recorded_later_follows_and_a_correction_is_credited_first(contrast: str) -> None:
    billing(charge_supplies=True)
    order, uid = begun()
    end(uid)
    assert told() == []

    give(order, contrast, "80")
    told()
    give(order, contrast, "75.5", reason="read from the injector")

    assert told() == [
        ("CG", "IOHEX350", "80"),
        ("CD", "IOHEX350", "80"),
        ("CG", "IOHEX350", "75.5"),
    ]


@pytest.mark.parametrize("lot", ["L7", "L&7^A"])
def test_the_same_recorded_again_is_not_told_again(contrast: str, lot: str) -> None:
    billing(charge_supplies=True)
    order, uid = begun()
    give(order, contrast, "80", lot=lot)
    end(uid)
    told()

    give(order, contrast, "80.00", reason="typed again", lot=lot)

    assert told() == [("CG", "IOHEX350", "80")]


@pytest.mark.parametrize("how", ["nothing was used", "the exam was another's"])
def test_what_does_not_stand_any_more_is_credited(contrast: str, how: str) -> None:
    billing(charge_supplies=True)
    order, uid = begun()
    give(order, contrast, "80")
    end(uid)
    told()

    if how == "nothing was used":
        give(order, contrast, "", reason="the vial was not opened")
    else:
        make.relink(PerformedProcedureStep.objects.get(order=order))

    assert told() == [("CG", "IOHEX350", "80"), ("CD", "IOHEX350", "80")]
