"""A cancellation that comes before its order is about the exams whose OBR it carries (ADR 0054)."""

from __future__ import annotations

import pytest

from ris.models import (
    DomainEvent,
    EarlyCancellation,
    InboundMessage,
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from tests import make
from tests.integration.hl7.intake import answer, register
from tests.integration.hl7.messages import obr, orc, order

pytestmark = pytest.mark.django_db

HEAD = obr(f1="1", f2="PL1^HIS", f4="CTHEAD^CT head^L", f24="CT")
NECK = obr(f1="2", f2="PL1^HIS", f4="CTNECK^CT neck^L", f24="CT")
AT_TEN = "^^^20290311100000^^S"


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()
    register(settings={"reply": "typed"})


def ask(*segments: str, key: str, control: str = "CA", number: str = "PL1") -> list[str]:
    """MSA, ORC and OBR of the answer to a cancellation with these segments behind its ORC."""
    first = orc(f1=control, f2=f"{number}^HIS", f16="^not needed")
    told = answer(order(pv1="", orc=first, obr="", more=segments, key=key))
    return [line for line in told if line[:4] in ("MSA|", "ORC|", "OBR|")]


def place(key: str = "N1") -> list[str]:
    new = orc(f1="NW", f2="PL1^HIS", f7=AT_TEN)
    return answer(order(orc=new, obr=HEAD, more=(new, NECK), key=key))


def stages() -> dict[str, str]:
    return dict(RequestedProcedure.objects.order_by("pk").values_list("code_value", "stage"))


def test_only_the_exam_it_names_is_canceled_when_the_order_comes() -> None:
    assert ask(NECK, key="C1")[0].startswith("MSA|AE|C1|")

    assert place()[1] == "MSA|AA|N1"

    assert stages() == {"CTHEAD": "SCHEDULED", "CTNECK": "CANCELED"}
    assert Order.objects.get().status == "ACTIVE"
    never = ScheduledProcedureStep.objects.get(procedure__code_value="CTNECK")
    assert (never.status, never.appointment) == ("CANCELED", None)
    asked = InboundMessage.objects.get(key="C1")
    assert asked.resolved_note == "the order came; the exams named were canceled"
    assert set(Order.objects.get().messages.values_list("key", flat=True)) == {"C1", "N1"}


def test_the_exam_has_an_event_of_its_own_that_its_placer_is_told_of() -> None:
    """As a status: it was told that the cancellation came to nothing."""
    ask(NECK, key="C1")

    place()

    event = DomainEvent.objects.get(name="StepCanceled")
    assert (event.payload["reason"], event.order) == ("not needed", Order.objects.get())
    assert not DomainEvent.objects.filter(name="OrderCanceled").exists()


def test_asked_once_more_it_is_done() -> None:
    ask(NECK, key="C1")
    place()

    told = ask(NECK, key="C2")

    assert told[0] == "MSA|AA|C2"
    assert stages() == {"CTHEAD": "SCHEDULED", "CTNECK": "CANCELED"}


def test_two_cancellations_of_one_exam_each_cancel_the_order() -> None:
    ask(NECK, key="C1")
    ask(HEAD, key="C2")

    place()

    assert Order.objects.get().status == "CANCELED"
    assert stages() == {"CTHEAD": "CANCELED", "CTNECK": "CANCELED"}


@pytest.mark.parametrize(
    "segments",
    [(), (HEAD, NECK), (obr(f1="1", f2="PL1^HIS", f4="CTWHOLE^something else^L"),)],
    ids=["no OBR", "both OBR", "unknown code"],
)
def test_without_exams_with_all_or_not_to_be_told_the_whole_order_goes(
    segments: tuple[str, ...],
) -> None:
    ask(*segments, key="C1")

    place()

    assert Order.objects.get().status == "CANCELED"


def test_of_a_requisition_only_the_order_with_the_named_exam_is_canceled() -> None:
    ask(NECK.replace("PL1", "REQ"), key="C1", number="REQ")

    for number, exam in (("PL1", HEAD), ("PL2", NECK.replace("PL1", "PL2"))):
        child = orc(f1="NW", f2=f"{number}^HIS", f7=AT_TEN, f8="REQ&HIS")
        assert answer(order(orc=child, obr=exam, more=(), key=number))[1] == f"MSA|AA|{number}"

    found = Order.objects.order_by("pk").values_list("placer_order_number", "status")
    assert list(found) == [("PL1", "ACTIVE"), ("PL2", "CANCELED")]
    assert EarlyCancellation.objects.get().order == Order.objects.get(placer_order_number="PL2")
