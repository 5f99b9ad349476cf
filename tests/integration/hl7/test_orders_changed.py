"""Order messages that change orders, hold several, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from integration.hl7.to_domain.orders import MAX_ORDERS
from integration.hl7.to_domain.request import Request, located
from ris.domain.errors import (
    ErrorCode,
    InvalidValueError,
    MissingValueError,
    SeveralErrors,
    StateConflictError,
)
from ris.domain.orders import (
    CancelOrder,
    DiscontinueOrder,
    HoldOrder,
    PlaceOrder,
    ReleaseOrder,
    ReviseOrder,
)
from ris.domain.places import Place
from ris.domain.values import Identifier
from tests.integration.hl7.messages import OBR, ORC, PID, ZDS, obr, orc, order
from tests.integration.hl7.orders_read import command, faults, requests

# --- several orders


def test_groups_with_different_placer_numbers_are_orders_of_their_own() -> None:
    first, second = requests(
        order(
            more=(
                ZDS,
                orc(f1="NW", f2="PL2^HIS", f4="G1^HIS"),
                obr(f4="CTNECK^CT neck^L", f24="CT"),
                "NTE|1|L|to the second",
            )
        )
    )

    one, other = first.commands[0], second.commands[0]
    assert isinstance(one, PlaceOrder)
    assert isinstance(other, PlaceOrder)
    assert (one.placer, other.placer) == (Identifier("PL1", "HIS"), Identifier("PL2", "HIS"))
    assert other.procedures[0].code.value == "CTNECK"
    assert other.procedures[0].study_instance_uid == ""
    assert one.details.comments is None
    assert other.details.comments == "to the second"
    assert other.group_number == "G1"
    assert second.places == {
        "ORC": 2, "OBR": 2, "NTE": 1,
    }  # fmt: skip


def test_groups_with_one_placer_number_are_procedures_of_one_order() -> None:
    placed = command(order(more=(ZDS, ORC, obr(f4="CTNECK^CT neck^L", f24="CT"))))

    assert [each.code.value for each in placed.procedures] == ["CTHEAD", "CTNECK"]


def test_groups_with_one_study_uid_are_steps_of_one_procedure() -> None:
    second = obr(f4="CTHEAD^CT head^L", f20="S2", f24="CT")

    placed = command(order(more=(ZDS, ORC, second, ZDS)))

    (procedure,) = placed.procedures
    assert [step.step_id for step in procedure.steps] == ["", "S2"]


def test_a_second_obr_without_orc_belongs_to_the_order_before() -> None:
    placed = command(order(more=(obr(f4="CTNECK^CT neck^L", f24="CT"),)))

    assert [each.code.value for each in placed.procedures] == ["CTHEAD", "CTNECK"]
    assert placed.procedures[1].steps[0].start_at == datetime(2029, 3, 11, 8, 0, tzinfo=UTC)


def test_one_order_cannot_have_two_accession_numbers() -> None:
    message = order(
        obr=obr(f4="X", f18="A1"), more=(orc(f1="NW", f2="PL1^HIS"), obr(f4="Y", f18="A2"))
    )

    assert faults(message) == [("OBR[2]-18", "invalid-value")]


def test_more_orders_than_one_transaction_should_hold_are_refused() -> None:
    groups = [
        segment
        for number in range(MAX_ORDERS + 1)
        for segment in (orc(f1="NW", f2=f"P{number}"), obr(f4="X"))
    ]

    assert faults(order(orc="", obr="", more=tuple(groups))) == [("ORC", "invalid-value")]


# --- other order controls


def test_a_cancellation_needs_no_obr() -> None:
    canceled = command(order(orc=orc(f1="CA", f2="PL1^HIS", f16="^ordered twice"), obr="", more=()))

    assert isinstance(canceled, CancelOrder)
    assert canceled.order.placer == Identifier("PL1", "HIS")
    assert canceled.reason == "ordered twice"


def test_an_order_may_be_named_by_our_number_alone() -> None:
    canceled = command(order(orc=orc(f1="CA", f3="F000000001^RIS"), obr="", more=()))

    assert canceled.order.placer is None
    assert canceled.order.filler == Identifier("F000000001", "RIS")


def test_the_numbers_may_stand_in_obr() -> None:
    canceled = command(order(orc=orc(f1="CA"), obr=obr(f2="PL1^HIS", f4="X"), more=()))

    assert canceled.order.placer == Identifier("PL1", "HIS")


def test_all_groups_of_one_cancellation_cancel_once() -> None:
    first = orc(f1="CA", f2="PL1^HIS")

    (request,) = requests(order(orc=first, more=(first, obr(f4="Y"))))

    assert [type(each) for each in request.commands] == [CancelOrder]


@pytest.mark.parametrize(
    ("control", "kind"), [("DC", DiscontinueOrder), ("HD", HoldOrder), ("RL", ReleaseOrder)]
)
def test_discontinue_hold_and_release(control: str, kind: type) -> None:
    assert isinstance(command(order(orc=orc(f1=control, f2="PL1"), obr="", more=())), kind)


def test_a_change_says_only_what_it_says() -> None:
    revised: ReviseOrder = command(
        order(
            pv1="",
            orc=orc(f1="XO", f2="PL1^HIS"),
            obr=obr(f4="CTHEAD^CT head^L", f27="^^^202903120900", f31='""'),
            more=(),
        )
    )

    assert isinstance(revised, ReviseOrder)
    assert revised.details.reason == ""  # deleted
    assert revised.details.priority is None  # not said
    assert revised.details.requester is None
    assert revised.visit is None
    (procedure,) = revised.procedures
    assert procedure.steps[0].start_at == datetime(2029, 3, 12, 8, 0, tzinfo=UTC)


# --- what is refused


def test_everything_wrong_with_a_message_is_told_at_once() -> None:
    message = order(
        pid="PID|1||4711^^^HOSP||Berg^Anna||19701303|?",
        orc=orc(f1="NW", f2="PL1", f7="^^^2029031109zz^^Q"),
    )

    assert faults(message) == [
        ("ORC-7.4", "invalid-value"),
        ("PID-7", "invalid-value"),
        ("PID-8", "invalid-value"),
        ("ORC-7.6", "invalid-value"),
    ]


def test_a_fault_of_the_patient_is_told_once_however_many_orders_there_are() -> None:
    message = order(
        pid="PID|1||4711^^^HOSP||Berg^Anna||19701303|F",
        more=(orc(f1="NW", f2="PL2"), obr(f4="Y")),
    )

    assert faults(message) == [("PID-7", "invalid-value")]


def test_a_fault_names_the_group_it_is_in() -> None:
    message = order(more=(orc(f1="NW", f2="PL2", f7="^^^nonsense"), obr(f4="Y")))

    assert faults(message) == [("ORC[2]-7.4", "invalid-value")]


@pytest.mark.parametrize("control", ["SN", "SC", "RU", "XX", "NA", "RE", "7"])
def test_an_order_control_not_served_is_a_table_value_not_found(control: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        requests(order(orc=orc(f1=control, f2="PL1")))

    assert caught.value.path == "ORC-1"
    assert caught.value.details == {"table": "0119"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"orc": orc(f1="", f2="PL1")}, "ORC-1"),
        ({"orc": orc(f1="NW"), "obr": obr(f4="X")}, "ORC-2"),
        ({"obr": "", "more": ()}, "OBR"),
        ({"pid": ""}, "PID"),
        ({"pid": "PID|1||||Berg^Anna"}, "PID-3"),
        ({"orc": ""}, "ORC"),
        ({"orc": "", "obr": "", "more": ()}, "ORC"),
    ],
    ids=["control", "number", "OBR", "PID", "identifier", "ORC before OBR", "no ORC"],
)
def test_what_is_required_is_missed(given: dict[str, Any], path: str) -> None:
    assert faults(order(**given)) == [(path, "missing-value")]


def test_a_message_about_two_patients_is_refused() -> None:
    with pytest.raises(InvalidValueError) as caught:
        requests(order(more=(PID,)))

    assert caught.value.path == "PID[2]"


# --- where the core finds a fault


@pytest.mark.parametrize(
    ("path", "places", "expected"),
    [
        (Place.PLACER, {"ORC": 1}, "ORC-2"),
        (Place.PLACER, {"ORC": 3}, "ORC[3]-2"),
        (Place.ACCESSION, {"OBR": 1, "IPC": 1}, "IPC-1"),
        (Place.STUDY, {"ZDS": 2}, "ZDS[2]-1"),
        (Place.STUDY, {"IPC": 2}, "IPC[2]-3"),
        (Place.START_AT, {"ORC": 1}, "ORC-7.4"),
        (Place.START_AT, {"ORC": 1, "TQ1": 1}, "TQ1-7"),
        (Place.OTHER_PATIENT, {"PID": 1}, "PID[2]-3"),
        (Place.PHONE, {}, "PID-13"),
        (Place.STATION, {"OBR": 2}, "OBR[2]-21"),
        ("PID-3[2]", {"PID": 2}, "PID[2]-3[2]"),
        ("something else", {}, "something else"),
        ("", {}, ""),
    ],
)
def test_the_place_of_a_fault_is_told_in_words_of_the_message(
    path: str, places: dict[str, int], expected: str
) -> None:
    error = located(StateConflictError("no", path=path), Request(commands=(), places=places))

    assert error.path == expected
    assert error.code is ErrorCode.STATE_CONFLICT


def test_each_of_several_faults_gets_its_place() -> None:
    several = SeveralErrors(
        [MissingValueError("a", path=Place.PLACER), MissingValueError("b", path="")]
    )

    located(several, Request(commands=(), places={"ORC": 2}))

    assert [each.path for each in several.errors] == ["ORC[2]-2", ""]
    assert several.path == "ORC[2]-2"


def test_the_same_order_reads_the_same_without_its_optional_segments() -> None:
    placed = command(order(pv1="", obr=OBR, more=()))

    assert placed.visit is None
    assert placed.details.referring is None


def test_a_change_that_is_not_possible_now_is_told_of_the_order_control() -> None:
    request = Request(commands=(), places={"ORC": 2}, control="RL")

    assert located(StateConflictError("no"), request).path == "ORC[2]-1"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"pid": f"PID|1||{'9' * 65}^^^HOSP||Berg^Anna"}, "PID-3.1"),
        ({"pid": f"PID|1||4711^^^{'H' * 201}||Berg^Anna"}, "PID-3.4"),
        ({"pid": "PID|1||4711^^^HOSP^IDENTIFIERS||Berg^Anna"}, "PID-3.5"),
        ({"orc": orc(f1="NW", f2="9" * 65)}, "ORC-2.1"),
        ({"orc": orc(f1="NW", f2="PL1^HIS", f3="9" * 65)}, "ORC-3.1"),
        ({"orc": orc(f1="NW", f2="PL1^HIS", f4="9" * 65)}, "ORC-4"),
        ({"orc": orc(f1="NW", f2="PL1^HIS", f12=f"{'9' * 65}^Ordonez")}, "ORC-12.1"),
        ({"orc": orc(f1="NW", f2="PL1^HIS", f12=f"1^{'x' * 330}")}, "ORC-12"),
        ({"obr": obr(f2="PL1^HIS", f4="CTHEAD^CT head^L^^^^version of the code")}, "OBR-4.7"),
    ],
)
def test_what_is_too_long_to_be_kept_is_refused_and_never_cut(
    given: dict[str, Any], path: str
) -> None:
    assert (path, "invalid-value") in faults(order(**given))
