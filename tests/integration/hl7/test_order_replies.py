"""ORR, ORG and ORI: each order's code, number, status and reason; early cancellations; NA."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from integration.hl7 import schema
from integration.hl7.er7 import Message
from integration.hl7.inbound import handle
from integration.hl7.server import Reply
from ris import config
from ris.domain.exchange import Subscription
from ris.domain.orders import AddProcedure, OrderReference, ProcedureRequest
from ris.domain.scheduling import BookAppointment
from ris.models import (
    Delivery,
    EarlyCancellation,
    FollowUp,
    InboundMessage,
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors import exceptions, timeline
from ris.services import execute, outbox
from tests import make, people
from tests.integration.hl7.intake import PEER, register
from tests.integration.hl7.messages import obr, orc, order
from tests.peers import Heard, MllpReceiver

pytestmark = pytest.mark.django_db

NEW = orc(f1="NW", f2="PL1^HIS")
CODE = obr(f2="PL1^HIS", f4="CTHEAD^CT head^L", f24="CT")


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    config.load.cache_clear()
    make.site()
    make.device()
    register(settings={"reply": "typed"})
    yield
    config.load.cache_clear()


def reply(message: str) -> bytes:
    told = handle(message.encode(), PEER)
    assert isinstance(told, Reply)
    return told.payload


def answered(*segments: str, key: str = "M2", **header: str) -> list[str]:
    """ORC, OBR and IPC of the answer to segments behind PID."""
    message = order(pv1="", orc=segments[0], obr="", more=segments[1:], key=key, **header)
    lines = reply(message).decode().split("\r")
    return [line for line in lines if line[:4] in ("ORC|", "OBR|", "IPC|")]


def place(key: str = "M1", **header: str) -> Order:
    assert b"MSA|AA|" in reply(order(orc=NEW, obr=CODE, more=(), key=key, **header))
    return Order.objects.get(placer_order_number="PL1")


# --- the code of each order control -------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "accepted", "status"),
    [
        ("HD", "HR", "HD"),
        ("CA", "CR", "CA"),
        ("DC", "DR", "CA"),
        ("XO", "XR", ""),
        ("NW", "OK", ""),
    ],
)
def test_what_is_done_is_answered_with_its_code_our_number_and_the_status(
    control: str, accepted: str, status: str
) -> None:
    filler = place().filler_order_number

    (line,) = answered(orc(f1=control, f2="PL1^HIS"), CODE)

    assert line == f"ORC|{accepted}|PL1^HIS|{filler}^RIS||{status}".rstrip("|")


@pytest.mark.parametrize(
    ("control", "refused"), [("CA", "UC"), ("DC", "UD"), ("HD", "UH"), ("RP", "UM")]
)
def test_what_cannot_be_done_is_answered_with_our_number_the_status_and_why(
    control: str, refused: str
) -> None:
    placed = place()
    book = BookAppointment(
        step=str(make.step_of(placed).public_id), device="CT1", start_at=make.NOON
    )
    execute(book, actor=people.scheduler)
    execute(make.start(placed), actor=people.ct1)
    replacement = orc(f1="RO", f2="PL2^HIS"), obr(f2="PL2^HIS", f4="CTHEAD^CT head^L")

    line = answered(orc(f1=control, f2="PL1^HIS"), *(replacement if control == "RP" else ()))[0]

    fields = line.split("|")
    assert fields[1:4] == [refused, "PL1^HIS", f"{placed.filler_order_number}^RIS"]
    assert fields[5] == "IP"
    assert "started" in fields[16] or "in progress" in fields[16]


def test_a_stop_while_one_of_two_exams_runs_is_taken_and_shown_to_who_works_on_it() -> None:
    placed = place()
    add = AddProcedure(
        order=OrderReference(public_id=str(placed.public_id)),
        procedure=ProcedureRequest(code=make.CT_HEAD),
    )
    execute(add, actor=people.ehr)
    execute(make.start(placed), actor=people.ct1)

    (line,) = answered(orc(f1="DC", f2="PL1^HIS", f16="^patient is unwell"))

    assert line.split("|")[1:6] == ["DR", "PL1^HIS", f"{placed.filler_order_number}^RIS", "", "IP"]
    placed.refresh_from_db()
    assert (placed.status, placed.cancel_asked["reason"]) == ("ACTIVE", "patient is unwell")
    assert FollowUp.objects.get().kind == "ASKED"


def test_one_fault_refuses_all_orders_of_a_message_and_says_whose_it_was() -> None:
    lines = answered(
        orc(f1="NW", f2="PL5^HIS"),
        obr(f2="PL5^HIS", f4="CTHEAD^CT head^L"),
        orc(f1="HD", f2="PL9^HIS"),
    )

    assert lines == [
        "ORC|UA|PL5^HIS" + "|" * 14 + "^not done: another order of the message was refused",
        "ORC|UH|PL9^HIS" + "|" * 14 + "^no such order",
    ]
    assert Order.objects.count() == 0


def test_what_cannot_be_read_is_answered_by_what_was_sent() -> None:
    lines = answered(orc(f1="CA", f2="PL1^HIS"), orc(f1="ZZ", f2="PL2^HIS"))

    assert [line.split("|")[1:3] for line in lines] == [["UC", "PL1^HIS"], ["UA", "PL2^HIS"]]


def test_a_replacement_is_answered_with_both_numbers() -> None:
    old = place()

    lines = answered(
        orc(f1="RP", f2="PL1^HIS"), orc(f1="RO", f2="PL2^HIS"), obr(f2="PL2^HIS", f4="X^Y^L")
    )

    new = Order.objects.get(placer_order_number="PL2")
    assert lines == [
        f"ORC|RQ|PL1^HIS|{old.filler_order_number}^RIS||CA",
        f"ORC|RO|PL2^HIS|{new.filler_order_number}^RIS",
    ]


def test_a_parent_and_its_children_are_answered_each() -> None:
    lines = answered(
        orc(f1="PA", f2="RQ1^HIS"),
        orc(f1="CH", f2="PL1^HIS"),
        CODE,
        orc(f1="CH", f2="PL2^HIS"),
        obr(f2="PL2^HIS", f4="CTABD^CT abdomen^L"),
    )

    first, second = Order.objects.order_by("id")
    assert lines == [
        "ORC|OK|RQ1^HIS",
        f"ORC|OK|PL1^HIS|{first.filler_order_number}^RIS",
        f"ORC|OK|PL2^HIS|{second.filler_order_number}^RIS",
    ]
    assert {(each.parent_order_number, each.parent_issuer) for each in (first, second)} == {
        ("RQ1", "HIS")
    }


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("ORM^O01", "ORR^O02^ORR_O02"),
        ("OMG^O19", "ORG^O20^ORG_O20"),
        ("OMI^O23", "ORI^O24^ORI_O24"),
    ],
)
@pytest.mark.parametrize("control", ["NW", "CA", "SS", "ZZ"])
def test_every_answer_has_the_structure_of_its_message(kind: str, told: str, control: str) -> None:
    if control != "NW":
        place()
    ipc = ("IPC|A77^RIS|RP7|1.2.3.4|S1|CT",) if kind == "OMI^O23" else ()
    message = order(
        orc=orc(f1=control, f2="PL1^HIS"),
        obr=CODE,
        more=ipc,
        key="M7",
        message_type=kind,
        version="2.5.1",
    )

    answer = Message.from_bytes(reply(message))

    assert "^".join(answer.get(f"MSH-9.{part}") or "" for part in (1, 2, 3)) == told
    assert [(fault.path, fault.message) for fault in schema.check(answer)] == []


def test_the_answer_to_an_imaging_order_tells_our_uid() -> None:
    lines = answered(NEW, CODE, message_type="OMI^O23^OMI_O23", version="2.5.1")

    procedure = RequestedProcedure.objects.get()
    step = ScheduledProcedureStep.objects.get()
    assert [line[:3] for line in lines] == ["ORC", "OBR", "IPC"]
    assert lines[2].split("|")[2:6] == [
        f"{procedure.procedure_id}^RIS",
        f"{procedure.study_instance_uid}^RIS",
        f"{step.step_id}^RIS",
        "CT^^DCM",
    ]


def test_a_status_is_told_even_to_who_wants_plain_acknowledgements() -> None:
    register(settings={"reply": "ack"})
    filler = place().filler_order_number

    lines = answered(orc(f1="SS", f2="PL1^HIS"))

    assert lines[0] == f"ORC|SR|PL1^HIS|{filler}^RIS||IP"
    assert lines[1].split("|")[:5] == [
        "OBR",
        "1",
        "PL1^HIS",
        f"{filler}^RIS",
        "CTHEAD^CT head^L",
    ]
    assert lines[1].split("|")[25] == "O"
    asked = InboundMessage.objects.get(key="M2")
    assert [each.placer_order_number for each in asked.orders.all()] == ["PL1"]


# --- a cancellation before its order ------------------------------------------------------------


def test_a_cancellation_that_comes_first_is_refused_seen_and_done_when_the_order_comes() -> None:
    (refused,) = answered(orc(f1="CA", f2="PL1^HIS", f16="^ordered twice"), key="M1")
    waiting = InboundMessage.objects.get(key="M1")
    seen = (waiting.state, waiting.outcome, waiting.resolved_at)

    (accepted,) = answered(NEW, CODE, key="M2")

    placed = Order.objects.get()
    waiting.refresh_from_db()
    assert refused.split("|")[1] == "UC"
    assert seen == ("REJECTED", "AE", None)
    assert accepted == f"ORC|OK|PL1^HIS|{placed.filler_order_number}^RIS||CA"
    assert placed.status == "CANCELED"
    assert waiting.resolved_note == "the order came and was canceled"
    assert set(placed.messages.values_list("key", flat=True)) == {"M1", "M2"}


def test_a_peer_may_have_early_cancellations_forgotten() -> None:
    register(settings={"reply": "typed", "early_cancel_minutes": 0})

    (refused,) = answered(orc(f1="CA", f2="PL1^HIS"), key="M1")
    (accepted,) = answered(NEW, CODE, key="M2")

    assert refused.endswith("|^no such order")
    assert accepted.split("|")[1] == "OK"
    assert (Order.objects.get().status, EarlyCancellation.objects.count()) == ("ACTIVE", 0)


def test_a_cancellation_by_our_number_alone_is_not_expected() -> None:
    answered(orc(f1="CA", f3="F77^RIS"), key="M1")

    assert EarlyCancellation.objects.count() == 0


# --- other settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [("CA", "CANCELED"), ("DC", "CANCELED"), ("HD", "ON_HOLD"), ("IP", "ACTIVE"), ("CM", "ACTIVE")],
)
def test_what_another_filler_says_counts_where_that_was_agreed(status: str, expected: str) -> None:
    register(settings={"reply": "typed", "other_filler": True})
    place()

    (line,) = answered(orc(f1="SC", f2="PL1^HIS", f3="89-551^LAB", f5=status))

    assert line.split("|")[1] == "OK"
    assert Order.objects.get().status == expected


def test_the_time_another_filler_gave_is_taken() -> None:
    register(settings={"reply": "typed", "other_filler": True})
    place()

    answered(orc(f1="SC", f2="PL1^HIS", f5="SC", f7="^^^20290311090000"), CODE)

    start = ScheduledProcedureStep.objects.get().start_at
    assert start is not None
    assert start.isoformat() == "2029-03-11T08:00:00+00:00"


def test_other_content_under_a_known_number_is_refused_or_a_change_as_agreed() -> None:
    place()
    changed = obr(f2="PL1^HIS", f4="CTHEAD^CT head^L", f24="CT", f31="^fall")

    (refused,) = answered(NEW, changed, key="M2")
    register(settings={"reply": "typed", "changed_order": "revise"})
    (accepted,) = answered(NEW, changed, key="M3")

    assert (refused.split("|")[1], accepted.split("|")[1]) == ("UA", "OK")
    assert refused.split("|")[3].startswith("F")
    assert (Order.objects.count(), Order.objects.get().reason) == (1, "fall")


# --- what a placer does not do for us -------------------------------------------------------------


def test_a_refusal_of_our_order_is_taken_and_shown_with_its_order_and_the_reason() -> None:
    ours = make.order(actor=people.scheduler, placer=None)
    number = f"{ours.filler_order_number}^RIS"

    told = reply(
        order(
            pid="", pv1="", orc="MSA|AA|X1", obr="", key="M2", message_type="ORR^O02",
            more=(orc(f1="UA", f3=number, f16="99^no such clinic^L"),),
        )
    )  # fmt: skip

    assert b"MSA|AA|M2" in told
    kept = InboundMessage.objects.get(key="M2")
    assert (kept.state, kept.error_path) == ("REJECTED", "ORC-1")
    why = f"UA, not accepted, to our order {ours.filler_order_number}: no such clinic"
    assert kept.error == why
    assert [each.pk for each in kept.orders.all()] == [ours.pk]
    assert [each.pk for each in exceptions.stuck_messages()] == [kept.pk]
    (shown,) = [each for each in timeline.entries(str(ours.public_id)) if each.name == "ORR^O02"]
    assert (shown.detail["state"], shown.detail["error"]) == ("REJECTED", why)


def test_what_was_granted_beside_a_refusal_counts() -> None:
    granted = make.order(actor=people.scheduler, placer=None)
    refused = make.order(actor=people.scheduler, placer=None)
    groups = (
        orc(f1="NA", f2="PL9^HIS", f3=f"{granted.filler_order_number}^RIS"),
        orc(f1="UA", f3=f"{refused.filler_order_number}^RIS"),
    )

    reply(
        order(
            pid="", pv1="", orc="MSA|AA|X1", obr="", key="M2", message_type="ORR^O02", more=groups
        )
    )

    granted.refresh_from_db()
    assert granted.placer_order_number == "PL9"
    kept = InboundMessage.objects.get(key="M2")
    assert kept.error == f"UA, not accepted, to our order {refused.filler_order_number}"
    assert {each.pk for each in kept.orders.all()} == {granted.pk, refused.pk}


def test_an_answer_that_refuses_our_message_as_a_whole_is_shown() -> None:
    told = reply(
        order(
            pid="", pv1="", orc="MSA|AE|X1|clinic is closed", obr="", key="M2",
            message_type="ORR^O02", more=(),
        )
    )  # fmt: skip

    assert b"MSA|AA|M2" in told
    kept = InboundMessage.objects.get(key="M2")
    assert (kept.state, kept.error) == ("REJECTED", "AE to our message X1: clinic is closed")


# --- an order of ours and its number from the placer, on one connection ---------------------------


def numbering(message: Heard) -> bytes:
    """A placer that answers SN with NA and its number, anything else with ACK."""
    head = f"MSH|^~\\&|EHR|GENERAL|RIS|RAD|20260101||{{}}|R{message.control_id}|P|2.5.1\r"
    msa = f"MSA|AA|{message.control_id}\r"
    if message.field("ORC", 1) != "SN":
        return (head.format("ACK") + msa).encode()
    filler = message.field("ORC", 3)
    return (head.format("ORG^O20^ORG_O20") + msa + f"ORC|NA|PL77^EHR|{filler}\r").encode()


def refusing(message: Heard) -> bytes:
    """A placer that takes no orders of ours."""
    return numbering(message).replace(b"ORC|NA|PL77^EHR", b"ORC|UA|")


def tell_of_ours(placer: MllpReceiver, own_orders: str) -> Order:
    """An order of ours, told on the connection until nothing is left to be said."""
    make.endpoint(
        port=placer.port,
        sends=(Subscription.ORDER_STATUS,),
        settings={"own_orders": own_orders},
    )
    placed = make.order(actor=people.scheduler, placer=None)
    for _ in range(4):
        outbox.fan_out()
        outbox.deliver_due()
    return placed


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("own_orders", "controls"),
    [("SN", ["SN", "SC"]), ("SN+NW", ["SN", "NW"]), ("NW", ["NW"]), ("none", [])],
)
def test_an_order_of_ours_gets_its_number_on_the_connection_that_asked(
    own_orders: str, controls: list[str]
) -> None:
    with closing(MllpReceiver(numbering)) as placer:
        placed = tell_of_ours(placer, own_orders)
        heard = [message.field("ORC", 1) for message in placer.heard]

    placed.refresh_from_db()
    assert heard == controls
    assert placed.placer_order_number == ("PL77" if "SN" in controls else "")
    assert set(Delivery.objects.values_list("state", flat=True)) <= {"DELIVERED"}


@pytest.mark.django_db(transaction=True)
def test_a_refusal_on_the_connection_that_asked_is_shown_though_we_delivered() -> None:
    with closing(MllpReceiver(refusing)) as placer:
        placed = tell_of_ours(placer, "SN")

    assert list(Delivery.objects.values_list("state", flat=True)) == ["DELIVERED"]
    (kept,) = exceptions.stuck_messages()
    assert kept.error == f"UA, not accepted, to our order {placed.filler_order_number}"
    assert kept.reply_state == "NOT_DUE"
    assert [each.pk for each in kept.orders.all()] == [placed.pk]
