"""A cancellation that carries the OBR of some of an order's exams is about these (ADR 0054)."""

from __future__ import annotations

import pytest

from ris.domain.discontinuation import FollowUpKind
from ris.domain.mapping import SaveMapping
from ris.domain.orders import AddProcedure, CancelStep, OrderReference, ProcedureRequest
from ris.domain.reporting import FinalizeReport, OpenReport
from ris.domain.scheduling import RecordNoShow
from ris.domain.splitting import SplitOrder
from ris.domain.values import Code
from ris.models import (
    DomainEvent,
    Endpoint,
    FollowUp,
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.services import execute
from tests import make, people
from tests.integration.hl7.intake import answer, register
from tests.integration.hl7.messages import obr, orc, order
from tests.services.exams import begin, end

pytestmark = pytest.mark.django_db

HEAD = obr(f1="1", f2="PL1^HIS", f4="CTHEAD^CT head^L", f24="CT")
NECK = obr(f1="2", f2="PL1^HIS", f4="CTNECK^CT neck^L", f24="CT")
AT_TEN = "^^^20290311100000^^S"


@pytest.fixture(autouse=True)
def _site() -> None:
    make.site()
    make.device()
    register(settings={"reply": "typed"})


def place(*more: str, key: str = "M1", control: str = "NW") -> Order:
    new = orc(f1=control, f2="PL1^HIS", f7=AT_TEN)
    told = answer(order(orc=new, obr=HEAD, more=more or (new, NECK), key=key))
    assert told[1].startswith("MSA|AA|")
    return Order.objects.get(placer_order_number="PL1")


def ask(*segments: str, key: str = "M2", control: str = "CA") -> list[str]:
    """MSA, ORC and OBR of the answer to a cancellation with these segments behind its ORC."""
    first = orc(f1=control, f2="PL1^HIS", f16="^not needed")
    told = answer(order(pv1="", orc=first, obr="", more=segments, key=key))
    return [line for line in told if line[:4] in ("MSA|", "ORC|", "OBR|")]


def stages() -> dict[str, str]:
    return dict(RequestedProcedure.objects.order_by("pk").values_list("code_value", "stage"))


def status(placed: Order) -> str:
    placed.refresh_from_db()
    return placed.status


def test_the_exam_whose_obr_it_carries_is_canceled_and_the_other_stays() -> None:
    placed = place()

    told = ask(NECK)

    assert stages() == {"CTHEAD": "SCHEDULED", "CTNECK": "CANCELED"}
    assert status(placed) == "ACTIVE"
    filler = f"{placed.filler_order_number}^RIS"
    assert told == [
        "MSA|AA|M2",
        f"ORC|CR|PL1^HIS|{filler}||SC",
        f"OBR|2|PL1^HIS|{filler}|CTNECK^CT neck^L" + "|" * 21 + "X",
    ]
    event = DomainEvent.objects.get(name="StepCanceled")
    assert (event.payload["reason"], event.order) == ("not needed", placed)


def test_the_rest_canceled_too_ends_the_order() -> None:
    placed = place()
    ask(NECK)

    told = ask(HEAD, key="M3")

    assert stages() == {"CTHEAD": "CANCELED", "CTNECK": "CANCELED"}
    assert status(placed) == "CANCELED"
    assert told[1] == f"ORC|CR|PL1^HIS|{placed.filler_order_number}^RIS||CA"


def test_what_is_canceled_already_is_refused_and_nothing_else_touched() -> None:
    placed = place()
    ask(NECK)

    told = ask(NECK, key="M3")

    assert told[0].startswith("MSA|AE|M3|")
    assert told[1].split("|")[1] == "UC"
    assert told[1].split("|")[16] == "^cannot cancel: the exam is canceled already"
    assert stages() == {"CTHEAD": "SCHEDULED", "CTNECK": "CANCELED"}
    assert status(placed) == "ACTIVE"


@pytest.mark.parametrize(
    "segments",
    [
        (),
        (HEAD, NECK),
        (HEAD, orc(f1="CA", f2="PL1^HIS"), NECK),
        (HEAD, orc(f1="CA", f2="PL1^HIS")),  # once without: the whole order
        (obr(f1="1", f2="PL1^HIS", f4="CTWHOLE^something else^L"),),
        (obr(f1="1", f2="PL1^HIS"),),
    ],
    ids=["no OBR", "both OBR", "both pairs", "one ORC alone", "unknown code", "no code"],
)
def test_without_exams_with_all_of_them_or_not_to_be_told_the_whole_order_goes(
    segments: tuple[str, ...],
) -> None:
    placed = place()

    told = ask(*segments)

    assert stages() == {"CTHEAD": "CANCELED", "CTNECK": "CANCELED"}
    assert status(placed) == "CANCELED"
    assert told == ["MSA|AA|M2", f"ORC|CR|PL1^HIS|{placed.filler_order_number}^RIS||CA"]


def test_a_sender_that_means_the_order_whatever_it_carries_is_read_so_by_a_rule() -> None:
    placed = place()
    peer = str(Endpoint.objects.get().public_id)
    rule = 'drop OBR if ORC-1 = "CA"'
    execute(SaveMapping(endpoint=peer, content={"rules": [rule]}), actor=people.admin)

    ask(NECK)

    assert status(placed) == "CANCELED"


def test_one_code_ordered_for_both_sides_is_told_apart_by_its_side() -> None:
    sides = [obr(f2="PL1^HIS", f4="DXKNEE^Knee^L", f15=f"^^^^{side}") for side in ("L", "R")]
    placed = place(*sides)

    ask(sides[1])

    left = RequestedProcedure.objects.exclude(stage="CANCELED").values_list("laterality", flat=True)
    assert sorted(left) == ["", "L"]
    assert status(placed) == "ACTIVE"


def test_one_code_twice_without_a_side_cannot_be_told_apart() -> None:
    placed = place(NECK, NECK)

    ask(NECK)

    assert status(placed) == "CANCELED"


def test_what_was_added_here_goes_with_all_that_its_placer_ordered() -> None:
    new = orc(f1="NW", f2="PL1^HIS", f7=AT_TEN)
    assert answer(order(orc=new, obr=HEAD, more=(), key="M1"))[1].startswith("MSA|AA|")
    placed = Order.objects.get()
    execute(
        AddProcedure(
            order=OrderReference(public_id=str(placed.public_id)),
            procedure=ProcedureRequest(code=Code("CTNECK", "L", "CT neck")),
        ),
        actor=people.scheduler,
    )

    ask(HEAD)

    assert stages() == {"CTHEAD": "CANCELED", "CTNECK": "CANCELED"}
    assert status(placed) == "CANCELED"


def test_an_exam_in_an_order_of_its_own_since_is_found_there() -> None:
    placed = place()
    neck = RequestedProcedure.objects.get(code_value="CTNECK")
    execute(
        SplitOrder(
            order=OrderReference(public_id=str(placed.public_id)), procedures=(str(neck.public_id),)
        ),
        actor=people.scheduler,
    )
    split = Order.objects.exclude(pk=placed.pk).get()

    told = ask(NECK)

    assert (status(placed), status(split)) == ("ACTIVE", "CANCELED")
    assert told[1] == f"ORC|CR|PL1^HIS|{split.filler_order_number}^RIS||CA"
    assert told[2].split("|")[4] == "CTNECK^CT neck^L"


def test_an_exam_that_waits_is_canceled_while_another_one_runs() -> None:
    placed = place()
    begin(placed)  # the first, its head

    told = ask(NECK)

    assert stages() == {"CTHEAD": "IN_PROGRESS", "CTNECK": "CANCELED"}
    assert told[1] == f"ORC|CR|PL1^HIS|{placed.filler_order_number}^RIS||IP"
    assert placed.cancel_asked is None


@pytest.mark.parametrize("control", ["CA", "DC"])
def test_an_exam_that_runs_is_refused_and_noted_while_another_one_waits(control: str) -> None:
    placed = place()
    begin(placed)

    told = ask(HEAD, control=control)

    assert told[0].startswith("MSA|AE|M2|cannot ")
    assert stages() == {"CTHEAD": "IN_PROGRESS", "CTNECK": "SCHEDULED"}
    placed.refresh_from_db()
    assert placed.cancel_asked is not None
    assert placed.cancel_asked["reason"] == "not needed"
    assert FollowUp.objects.filter(kind=FollowUpKind.ASKED.value).count() == 1


def test_a_stop_of_one_exam_leaves_the_others() -> None:
    placed = place()

    told = ask(NECK, control="DC")

    assert stages() == {"CTHEAD": "SCHEDULED", "CTNECK": "CANCELED"}
    assert told[1] == f"ORC|DR|PL1^HIS|{placed.filler_order_number}^RIS||SC"
    assert told[2].split("|")[25] == "X"


def test_the_order_is_complete_when_all_that_is_left_of_it_is_reported() -> None:
    placed = place()
    end(begin(placed))
    head = RequestedProcedure.objects.get(code_value="CTHEAD")
    key = execute(OpenReport(procedures=(str(head.public_id),)), actor=people.radiologist)
    execute(
        FinalizeReport(report=key, sections=dict(make.TEXT)),
        actor=people.radiologist,
    )
    assert status(placed) == "ACTIVE"

    ask(NECK)

    assert stages() == {"CTHEAD": "REPORTED", "CTNECK": "CANCELED"}
    assert status(placed) == "COMPLETED"


def test_a_step_canceled_by_a_person_completes_nothing_that_was_never_done() -> None:
    placed = place()
    for step in ScheduledProcedureStep.objects.filter(procedure__order=placed):
        execute(CancelStep(step=str(step.public_id), reason="no"), actor=people.scheduler)

    assert status(placed) == "ACTIVE"


def test_an_exam_that_its_patient_missed_is_canceled_too() -> None:
    placed = place()
    neck = ScheduledProcedureStep.objects.get(procedure__code_value="CTNECK")
    assert neck.appointment is not None
    missed = RecordNoShow(appointment=str(neck.appointment.public_id))
    execute(missed, actor=people.frontdesk)
    assert stages()["CTNECK"] == "REQUESTED"

    ask(NECK)

    assert stages() == {"CTHEAD": "SCHEDULED", "CTNECK": "CANCELED"}
    assert status(placed) == "ACTIVE"


def test_of_a_requisition_the_child_whose_obr_it_carries_is_canceled() -> None:
    children = [
        segment
        for number, code in (("C1", "CTHEAD"), ("C2", "CTNECK"))
        for segment in (
            orc(f1="CH", f2=f"{number}^HIS", f7=AT_TEN, f8="PL1^HIS"),
            obr(f2=f"{number}^HIS", f4=f"{code}^{code}^L", f24="CT"),
        )
    ]
    parent = orc(f1="PA", f2="PL1^HIS")
    told = answer(order(orc=parent, obr="", more=tuple(children), key="M1"))
    assert told[1].startswith("MSA|AA|")

    told = ask(obr(f2="PL1^HIS", f4="CTNECK^CTNECK^L"))

    statuses = Order.objects.order_by("pk").values_list("placer_order_number", "status")
    assert dict(statuses) == {"C1": "ACTIVE", "C2": "CANCELED"}
    child = Order.objects.get(placer_order_number="C2")
    assert told[1] == f"ORC|CR|PL1^HIS|{child.filler_order_number}^RIS||CA"


def test_an_omi_is_answered_with_the_obr_and_ipc_of_the_exam_alone() -> None:
    placed = place()
    neck = RequestedProcedure.objects.get(code_value="CTNECK")

    first = orc(f1="CA", f2="PL1^HIS")
    told = answer(
        order(
            pv1="", orc=first, obr=NECK, more=("IPC|A1^HIS",), key="M2",
            message_type="OMI^O23^OMI_O23", version="2.5.1",
        )
    )  # fmt: skip

    kept = [line for line in told if line[:4] in ("ORC|", "OBR|", "IPC|")]
    assert [line[:6] for line in kept] == ["ORC|CR", "OBR|2|", f"IPC|{placed.accession_number}"[:6]]
    assert kept[2].split("|")[2] == f"{neck.procedure_id}^RIS"
