"""What placers ask of orders beside placing and canceling: replace, requisition, number, status."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ris.domain.errors import (
    DuplicateKeyError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import (
    AskOrder,
    AttachPlacerNumber,
    CancelOrder,
    DiscontinueOrder,
    ExpectCancellation,
    HoldOrder,
    OrderDetails,
    OrderReference,
    PlacedOrder,
    ReleaseOrder,
    ReplaceOrder,
)
from ris.domain.places import Place
from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import (
    AuditEvent,
    DomainEvent,
    EarlyCancellation,
    Order,
)
from ris.services import as_of, execute
from tests import make, people

pytestmark = pytest.mark.django_db

OLD, NEW = Identifier("PL-OLD", "EHR"), Identifier("PL-NEW", "EHR")
REQUISITION = Identifier("RQ1", "EHR")


def by(placer: Identifier) -> OrderReference:
    return OrderReference(placer=placer)


def statuses() -> list[str]:
    return list(Order.objects.order_by("id").values_list("status", flat=True))


def events() -> list[str]:
    return list(DomainEvent.objects.order_by("id").values_list("name", flat=True))


# --- replace ------------------------------------------------------------------------------------


def test_a_replacement_closes_the_old_order_and_is_tied_to_it() -> None:
    make.device()
    patient = make.patient()
    old = make.order(patient=patient, placer=OLD, start_at=make.NOON)

    execute(ReplaceOrder(order=by(OLD), reason="wrong side"), actor=people.ehr)
    new = make.order(patient=patient, placer=NEW, replaces=(by(OLD),))

    assert statuses() == ["CANCELED", "ACTIVE"]
    assert list(new.replaces.all()) == [old]
    canceled = DomainEvent.objects.get(name="OrderCanceled").payload
    assert (canceled["reason"], canceled["replaced"]) == ("wrong side", True)
    replaced = DomainEvent.objects.get(name="OrderReplaced").payload
    assert replaced == {"order": str(new.public_id), "replaced": [str(old.public_id)]}
    assert make.step_of(old).status == "CANCELED"


def test_a_replacement_told_twice_is_done_once() -> None:
    patient = make.patient()
    make.order(patient=patient, placer=OLD)
    command = make.place_order(patient=patient, placer=NEW, replaces=(by(OLD),))
    execute(ReplaceOrder(order=by(OLD)), actor=people.ehr)
    execute(command, actor=people.ehr)
    before = events()

    execute(ReplaceOrder(order=by(OLD)), actor=people.ehr)
    again: PlacedOrder = execute(command, actor=people.ehr)

    assert again.created is False
    assert events() == before


def test_what_was_started_is_not_replaced() -> None:
    make.device()
    order = make.booked(placer=OLD)
    execute(make.start(order), actor=people.ct1)

    with pytest.raises(StateConflictError):
        execute(ReplaceOrder(order=by(OLD)), actor=people.ehr)

    assert statuses() == ["ACTIVE"]


def test_an_order_that_is_still_open_cannot_be_stood_for() -> None:
    make.order(placer=OLD)

    with pytest.raises(StateConflictError):
        make.order(placer=NEW, replaces=(by(OLD),))

    assert statuses() == ["ACTIVE"]


# --- requisition --------------------------------------------------------------------------------


def _requisition() -> None:
    patient = make.patient("4711")
    for number in ("PL1", "PL2"):
        make.order(patient=patient, placer=Identifier(number, "EHR"), parent=REQUISITION)


def test_the_number_of_a_requisition_stands_for_all_orders_under_it() -> None:
    _requisition()

    execute(HoldOrder(order=by(REQUISITION)), actor=people.ehr)
    held = statuses()
    execute(ReleaseOrder(order=by(REQUISITION)), actor=people.ehr)
    execute(CancelOrder(order=by(REQUISITION), reason="twice"), actor=people.ehr)

    assert held == ["ON_HOLD", "ON_HOLD"]
    assert statuses() == ["CANCELED", "CANCELED"]


def test_canceling_a_requisition_leaves_alone_what_is_canceled_already() -> None:
    _requisition()
    execute(CancelOrder(order=by(Identifier("PL1", "EHR"))), actor=people.ehr)

    execute(CancelOrder(order=by(REQUISITION)), actor=people.ehr)

    assert statuses() == ["CANCELED", "CANCELED"]
    assert events().count("OrderCanceled") == 2


def test_a_requisition_of_another_authority_is_another_one() -> None:
    _requisition()

    with pytest.raises(UnknownKeyError):
        execute(CancelOrder(order=by(Identifier("RQ1", "OTHER"))), actor=people.ehr)

    assert statuses() == ["ACTIVE", "ACTIVE"]


# --- a cancellation before its order ------------------------------------------------------------


def _expect(minutes: int = 15) -> None:
    execute(
        ExpectCancellation(placer=OLD, minutes=minutes, reason="ordered twice"), actor=people.ehr
    )


def test_an_order_that_comes_after_its_cancellation_is_canceled_at_once() -> None:
    make.device()
    _expect()

    order = make.order(placer=OLD, start_at=make.NOON)

    assert order.status == "CANCELED"
    step = make.step_of(order)
    assert (step.status, step.appointment) == ("CANCELED", None)  # never on a worklist
    assert events()[-2:] == ["OrderPlaced", "OrderCanceled"]
    payload = DomainEvent.objects.get(name="OrderCanceled").payload
    assert (payload["reason"], payload["early"]) == ("ordered twice", True)
    assert EarlyCancellation.objects.get().order == order


def test_the_same_cancellation_after_its_order_is_done_already() -> None:
    _expect()
    make.order(placer=OLD)
    before = events()

    execute(CancelOrder(order=by(OLD)), actor=people.ehr)
    execute(DiscontinueOrder(order=by(OLD)), actor=people.ehr)

    assert events() == before


def test_an_early_cancellation_is_forgotten_after_its_time() -> None:
    with as_of(make.NOON):
        _expect(minutes=15)

    with as_of(make.NOON + timedelta(minutes=16)):
        order = make.order(placer=OLD)

    assert order.status == "ACTIVE"


@pytest.mark.parametrize("number", [NEW, Identifier(OLD.value, "OTHER")])
def test_an_early_cancellation_is_for_its_number_and_authority_only(number: Identifier) -> None:
    _expect()

    assert make.order(placer=number).status == "ACTIVE"


def test_what_came_to_nothing_is_not_kept_for_ever() -> None:
    with as_of(make.NOON):
        _expect()

    with as_of(make.NOON + timedelta(days=2)):
        execute(ExpectCancellation(placer=NEW, minutes=15), actor=people.ehr)

    numbers = EarlyCancellation.objects.values_list("placer_order_number", flat=True)
    assert list(numbers) == ["PL-NEW"]


def test_an_early_cancellation_of_a_requisition_is_for_all_orders_under_it() -> None:
    execute(ExpectCancellation(placer=REQUISITION, minutes=15), actor=people.ehr)

    _requisition()

    assert statuses() == ["CANCELED", "CANCELED"]


# --- whose order --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CancelOrder, DiscontinueOrder, HoldOrder, ReplaceOrder, AskOrder])
def test_an_order_of_another_patient_is_not_meant(kind: Any) -> None:
    make.order(patient=make.patient("4711"), placer=OLD)
    make.order(patient=make.patient("4712"), placer=NEW)
    somebody_else = (Identifier("4712", "HOSP", "MR"),)
    before = events()

    with pytest.raises(StateConflictError) as caught:
        execute(kind(order=OrderReference(placer=OLD, patient=somebody_else)), actor=people.ehr)

    assert caught.value.path == Place.PATIENT
    assert events() == before


def test_an_identifier_that_nobody_knows_contradicts_nothing() -> None:
    make.order(patient=make.patient("4711"), placer=OLD)

    execute(
        CancelOrder(order=OrderReference(placer=OLD, patient=(Identifier("9", "ELSE"),))),
        actor=people.ehr,
    )

    assert statuses() == ["CANCELED"]


def test_who_is_plainly_somebody_else_is_not_meant_whatever_the_identifier() -> None:
    make.order(patient=make.patient("4711"), placer=OLD)
    nobody = (Identifier("9", "ELSE"),)
    other = make.demographics(
        name=PersonName.of("Meier", "Otto"), birth_date=PartialDate("1920-01-01")
    )
    married = make.demographics(name=PersonName.of("Meier", "Anna"))

    with pytest.raises(StateConflictError) as caught:
        execute(
            CancelOrder(order=OrderReference(placer=OLD, patient=nobody, demographics=other)),
            actor=people.ehr,
        )
    refused = statuses()
    execute(
        CancelOrder(order=OrderReference(placer=OLD, patient=nobody, demographics=married)),
        actor=people.ehr,
    )

    assert caught.value.path == Place.PATIENT
    assert (refused, statuses()) == (["ACTIVE"], ["CANCELED"])


# --- numbers and status -------------------------------------------------------------------------


def test_the_placer_gives_its_number_to_an_order_of_ours() -> None:
    order = make.order(placer=None)
    command = AttachPlacerNumber(
        order=OrderReference(filler=Identifier(order.filler_order_number)), placer=NEW
    )

    execute(command, actor=people.ehr)
    execute(command, actor=people.ehr)

    order.refresh_from_db()
    assert (order.placer_order_number, order.placer_issuer) == ("PL-NEW", "EHR")
    assert events().count("PlacerNumberAssigned") == 1


def test_an_order_keeps_the_number_that_it_has() -> None:
    order = make.order(placer=OLD)

    with pytest.raises(DuplicateKeyError):
        execute(
            AttachPlacerNumber(
                order=OrderReference(filler=Identifier(order.filler_order_number)), placer=NEW
            ),
            actor=people.ehr,
        )

    order.refresh_from_db()
    assert order.placer_order_number == "PL-OLD"


def test_two_orders_never_have_one_number() -> None:
    make.order(placer=NEW)
    order = make.order(placer=None)

    with pytest.raises(DuplicateKeyError):
        execute(
            AttachPlacerNumber(
                order=OrderReference(filler=Identifier(order.filler_order_number)), placer=NEW
            ),
            actor=people.ehr,
        )

    assert Order.objects.filter(placer_order_number="PL-NEW").count() == 1


def test_asking_changes_nothing_and_is_audited() -> None:
    order = make.order(placer=OLD)
    before = events()

    told: PlacedOrder = execute(AskOrder(order=by(OLD)), actor=people.ehr)

    assert told.public_id == str(order.public_id)
    assert events() == before
    audit = AuditEvent.objects.get(action="AskOrder")
    assert (audit.order, audit.patient) == (order, order.patient)


# --- other content under a known number ---------------------------------------------------------


def test_other_content_is_a_change_where_that_was_agreed() -> None:
    patient = make.patient("4711")
    first = make.order(patient=patient, placer=OLD)
    changed = make.place_order(
        patient=patient, placer=OLD, details=OrderDetails(reason="fall"), revise_known=True
    )

    told: PlacedOrder = execute(changed, actor=people.ehr)
    again: PlacedOrder = execute(changed, actor=people.ehr)

    first.refresh_from_db()
    assert (told.public_id, told.created, again.created) == (str(first.public_id), False, False)
    assert first.reason == "fall"
    assert events().count("OrderRevised") == 1


def test_another_patient_under_a_known_number_is_no_change() -> None:
    make.order(patient=make.patient("4711"), placer=OLD)
    make.order(patient=make.patient("4712"), placer=NEW)

    with pytest.raises(StateConflictError):
        make.order(patient=make.patient("4712"), placer=OLD, revise_known=True)

    assert Order.objects.get(placer_order_number="PL-OLD").reason == "headache"


def test_an_order_that_was_canceled_is_not_changed_by_a_new_one() -> None:
    patient = make.patient()
    make.order(patient=patient, placer=OLD)
    execute(CancelOrder(order=by(OLD)), actor=people.ehr)

    with pytest.raises(DuplicateKeyError):
        make.order(
            patient=patient, placer=OLD, details=OrderDetails(reason="fall"), revise_known=True
        )

    assert statuses() == ["CANCELED"]
