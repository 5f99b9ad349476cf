"""The waiting list: freed times are offered, held, taken or passed on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from ris.domain.actors import OPERATOR, TIMER
from ris.domain.errors import InvalidValueError, StateConflictError
from ris.domain.facility import RegisterRoom, RegisterSite
from ris.domain.orders import CancelOrder, HoldOrder, OrderDetails, OrderReference, Priority
from ris.domain.scheduling import (
    CancelAppointment,
    ExpireHolds,
    RecordNoShow,
    RescheduleAppointment,
)
from ris.domain.waiting import (
    AcceptOffer,
    DayPart,
    DeclineOffer,
    OfferSlot,
    StopWaiting,
    WaitForSlot,
)
from ris.models import Appointment, Booking, Order, SlotOffer, WaitingEntry
from ris.selectors.waiting import proposals, waiting_lines
from ris.services import execute
from ris.services.scheduling import offer_freed
from tests import make, people

pytestmark = pytest.mark.django_db


def at(hour: int, minute: int = 0, days: int = 0) -> datetime:
    return datetime(2026, 3, 4, hour, minute, tzinfo=UTC) + timedelta(days=days)


@pytest.fixture(autouse=True)
def _monday() -> object:
    """Two days before the Wednesday on which a time becomes free."""
    with time_machine.travel(datetime(2026, 3, 2, 7, tzinfo=UTC), tick=False):
        make.device("CT1")
        make.definition()
        yield


def wait(order: Order, **more: object) -> str:
    command = WaitForSlot(step=str(make.step_of(order).public_id), **more)  # type: ignore[arg-type]
    return execute(command, actor=people.scheduler)


def appointment_of(order: Order) -> str:
    return str(make.appointment_of(order).public_id)


def free(order: Order) -> None:
    command = CancelAppointment(appointment=appointment_of(order), reason="ill")
    execute(command, actor=people.frontdesk)


def urgent() -> Order:
    return make.order(details=OrderDetails(priority=Priority.URGENT))


def offer_to(order: Order) -> SlotOffer | None:
    rows = SlotOffer.objects.filter(entry__step__procedure__order=order, status="OPEN")
    return rows.first()


def test_a_canceled_time_is_offered_and_held() -> None:
    going, waiting = make.booked(at(10)), make.order()
    wait(waiting)
    free(going)

    assert offer_freed() == 1

    offer = offer_to(waiting)
    assert offer is not None
    assert offer.start_at == at(10)
    assert Booking.objects.filter(live=True, resource__name="CT1").count() == 1
    assert offer_freed() == 0, "nothing is offered twice"


@pytest.mark.parametrize("how", ["no-show", "move"])
def test_other_ways_in_which_a_time_becomes_free(how: str) -> None:
    going, waiting = make.booked(at(10)), make.order()
    wait(waiting)
    if how == "move":
        later = RescheduleAppointment(appointment=appointment_of(going), start_at=at(10, days=1))
        execute(later, actor=people.scheduler)
    else:
        execute(RecordNoShow(appointment=appointment_of(going)), actor=people.frontdesk)

    offer_freed()

    offer = offer_to(waiting)
    assert offer is not None
    assert offer.start_at == at(10)


def test_the_urgent_come_first_then_who_waits_longest() -> None:
    going = make.booked(at(10))
    first, second, third = make.order(), make.order(), urgent()
    wait(first)
    with time_machine.travel(datetime(2026, 3, 2, 7, 1, tzinfo=UTC), tick=False):
        wait(second)
        wait(third)
        free(going)
        offer_freed()
        lines = waiting_lines()

    assert [line.entry.step.procedure.order_id for line in lines] == [
        third.pk,
        first.pk,
        second.pk,
    ]
    assert [line.offer is not None for line in lines] == [True, False, False]


def test_an_accepted_offer_books_and_ends_the_waiting() -> None:
    going, waiting = make.booked(at(10)), make.order()
    wait(waiting)
    free(going)
    offer_freed()
    offer = offer_to(waiting)
    assert offer is not None

    execute(AcceptOffer(offer=str(offer.public_id)), actor=people.frontdesk)

    step = make.step_of(waiting)
    assert (step.status, step.start_at) == ("SCHEDULED", at(10))
    offer.refresh_from_db()
    assert (offer.status, WaitingEntry.objects.get().status) == ("ACCEPTED", "SERVED")
    with pytest.raises(StateConflictError):
        execute(AcceptOffer(offer=str(offer.public_id)), actor=people.frontdesk)


def test_who_is_booked_later_is_moved_to_the_earlier_time() -> None:
    going, later = make.booked(at(10)), make.booked(at(10, days=5))
    wait(later)
    free(going)
    offer_freed()
    offer = offer_to(later)
    assert offer is not None

    execute(AcceptOffer(offer=str(offer.public_id)), actor=people.scheduler)

    assert make.step_of(later).start_at == at(10)
    live = Booking.objects.filter(live=True, resource__name="CT1")
    assert [row.start_at for row in live] == [at(10)]


def test_who_is_booked_is_not_offered_a_time_at_another_site() -> None:
    for name in ("North", "South"):
        execute(RegisterSite(name=name), actor=OPERATOR)
        execute(RegisterRoom(name=f"CT {name}", site=name), actor=OPERATOR)
    make.device("CT1", room="CT North")
    make.device("CT2", room="CT South")
    going, later = make.booked(at(10)), make.booked(at(10, days=5), station="CT2")
    nowhere = make.order()
    wait(later)
    free(going)
    offer_freed()
    before = offer_to(later)
    wait(nowhere)
    offer_freed()

    assert before is None
    offer = offer_to(nowhere)
    assert offer is not None
    assert offer.device.ae_title == "CT1"


def test_a_declined_time_goes_to_the_next_and_not_to_the_same_again() -> None:
    going, first, second = make.booked(at(10)), make.order(), make.order()
    wait(first)
    wait(second)
    free(going)
    offer_freed()
    offer = offer_to(first)
    assert offer is not None

    execute(DeclineOffer(offer=str(offer.public_id), reason="no car"), actor=people.frontdesk)
    offer_freed()

    assert (offer_to(first), offer_to(second) is not None) == (None, True)


def test_an_offer_that_runs_out_gives_the_time_back() -> None:
    going, waiting = make.booked(at(10)), make.order()
    wait(waiting)
    free(going)
    offer_freed()

    with time_machine.travel(datetime(2026, 3, 2, 9, 1, tzinfo=UTC), tick=False):
        execute(ExpireHolds(), actor=TIMER)

    assert SlotOffer.objects.get().status == "EXPIRED"
    assert not Booking.objects.filter(live=True).exists()
    assert WaitingEntry.objects.get().status == "WAITING"


@pytest.mark.parametrize(
    "wish",
    [
        {"notice_hours": 72},
        {"latest": at(0, days=-1).date()},
        {"earliest": at(0, days=1).date()},
        {"day_parts": (DayPart.AFTERNOON,)},
    ],
)
def test_a_time_that_does_not_suit_is_not_offered(wish: dict[str, object]) -> None:
    going, waiting = make.booked(at(10)), make.order()
    wait(waiting, **wish)
    free(going)

    assert offer_freed() == 0


def test_an_exam_too_long_for_the_gap_gets_no_offer() -> None:
    going = make.booked(at(10))
    make.booked(at(10, 20))
    waiting = make.order()
    step = make.step_of(waiting)
    step.duration_minutes = 60
    step.save()
    make.booked(at(9, 40))
    wait(waiting)
    free(going)

    assert offer_freed() == 0


def test_whoever_is_booked_otherwise_waits_no_longer() -> None:
    waiting = make.order()
    wait(waiting)
    from ris.domain.scheduling import BookAppointment

    execute(
        BookAppointment(step=str(make.step_of(waiting).public_id), device="CT1", start_at=at(12)),
        actor=people.scheduler,
    )

    assert WaitingEntry.objects.get().status == "SERVED"


def test_stopping_gives_back_what_was_held() -> None:
    going, waiting = make.booked(at(10)), make.order()
    entry = wait(waiting)
    free(going)
    offer_freed()

    execute(StopWaiting(entry=entry, reason="went elsewhere"), actor=people.scheduler)

    assert not Booking.objects.filter(live=True).exists()
    assert (SlotOffer.objects.get().status, WaitingEntry.objects.get().status) == (
        "DECLINED",
        "WITHDRAWN",
    )


def test_waiting_again_changes_the_wish_and_keeps_the_place() -> None:
    order = make.order()
    first = wait(order)
    since = WaitingEntry.objects.get().since

    with time_machine.travel(datetime(2026, 3, 2, 8, tzinfo=UTC), tick=False):
        assert wait(order, notice_hours=2) == first

    entry = WaitingEntry.objects.get()
    assert (entry.notice_hours, entry.since) == (2, since)


def test_a_freed_time_is_looked_up_in_a_bounded_number_of_queries(
    django_assert_max_num_queries: object,
) -> None:
    going = make.booked(at(10))
    for _ in range(6):
        wait(make.order())
    free(going)

    # The first in turn fits; others would cost seven more each, twenty of them at most.
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        assert len(proposals(datetime(2026, 3, 2, 6, tzinfo=UTC))) == 1


def test_nobody_waiting_costs_one_query(django_assert_num_queries: object) -> None:
    free(make.booked(at(10)))

    with django_assert_num_queries(1):  # type: ignore[operator]
        assert proposals(datetime(2026, 3, 2, 6, tzinfo=UTC)) == []
    assert Appointment.objects.count() == 1


@pytest.mark.parametrize("how", ["canceled", "performed"])
def test_whose_exam_is_over_waits_no_longer(how: str) -> None:
    order = make.booked(at(10, days=2)) if how == "performed" else make.order()
    wait(order)
    going = make.booked(at(10))
    free(going)
    offer_freed()
    reference = OrderReference(public_id=str(order.public_id))
    if how == "canceled":
        execute(CancelOrder(order=reference), actor=people.scheduler)
    else:
        execute(make.start(order), actor=people.ct1)
    assert waiting_lines() == []

    offer_freed()

    assert WaitingEntry.objects.get().status == "WITHDRAWN"
    assert offer_to(order) is None
    held = Booking.objects.filter(live=True, start_at=at(10), resource__name="CT1")
    assert not held.exists(), "the time that was held for it is free"


@pytest.mark.parametrize("booked", [False, True])
def test_an_order_on_hold_is_offered_nothing_and_takes_nothing(booked: bool) -> None:
    order = make.booked(at(10, days=2)) if booked else make.order()
    entry = wait(order)
    free(make.booked(at(10)))
    offer_freed()
    offer = offer_to(order)
    assert offer is not None
    reference = OrderReference(public_id=str(order.public_id))
    execute(HoldOrder(order=reference, reason="creatinine"), actor=people.scheduler)

    with pytest.raises(StateConflictError, match="on hold"):
        execute(AcceptOffer(offer=str(offer.public_id)), actor=people.scheduler)
    execute(DeclineOffer(offer=str(offer.public_id)), actor=people.scheduler)
    with pytest.raises(StateConflictError, match="waits for no time"):
        execute(OfferSlot(entry=entry, device="CT1", start_at=at(11)), actor=TIMER)


def test_a_time_that_begins_in_a_moment_is_offered_to_nobody() -> None:
    entry = wait(make.order())

    with time_machine.travel(at(10), tick=False), pytest.raises(InvalidValueError):
        execute(
            OfferSlot(entry=entry, device="CT1", start_at=at(10) + timedelta(minutes=5)),
            actor=TIMER,
        )

    assert not SlotOffer.objects.exists()
