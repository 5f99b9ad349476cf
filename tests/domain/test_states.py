"""Every (state, trigger) pair of every machine has the outcome the design says, or is refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from ris.domain.documents import DOCUMENT
from ris.domain.errors import ErrorCode, IllegalTransitionError
from ris.domain.exchange import DELIVERY, MESSAGE
from ris.domain.orders import ORDER, STEP
from ris.domain.performing import PERFORMED_STEP
from ris.domain.reporting import REPORT
from ris.domain.scheduling import APPOINTMENT
from ris.domain.states import StateMachine
from ris.domain.subscriptions import SUBSCRIPTION
from ris.domain.waiting import OFFER, WAITING

# Written from the design and not from the code: trigger: from, from → to.
DESIGN: dict[str, tuple[StateMachine[Any, Any], str]] = {
    "Subscription": (
        SUBSCRIPTION,
        """
        request: requested, active, error, off -> requested
        activate: requested, error -> active
        fail: requested, active -> error
        turn_off: requested, active, error -> off
        """,
    ),
    "Order": (
        ORDER,
        """
        hold: ACTIVE -> ON_HOLD
        release: ON_HOLD -> ACTIVE
        cancel: ACTIVE, ON_HOLD -> CANCELED
        discontinue: ACTIVE, ON_HOLD -> DISCONTINUED
        complete: ACTIVE -> COMPLETED
        reopen: COMPLETED, CANCELED, DISCONTINUED -> ACTIVE
        void: ACTIVE, ON_HOLD, CANCELED, DISCONTINUED, COMPLETED -> ENTERED_IN_ERROR
        """,
    ),
    "ScheduledProcedureStep": (
        STEP,
        """
        schedule: PENDING, NO_SHOW -> SCHEDULED
        move: SCHEDULED -> SCHEDULED
        move: ARRIVED, READY -> ARRIVED
        unschedule: SCHEDULED -> PENDING
        arrive: SCHEDULED -> ARRIVED
        prepare: ARRIVED -> READY
        start: SCHEDULED, ARRIVED, READY -> STARTED
        complete: STARTED -> COMPLETED
        discontinue: STARTED -> DISCONTINUED
        no_show: SCHEDULED -> NO_SHOW
        cancel: PENDING, SCHEDULED, ARRIVED, READY, NO_SHOW -> CANCELED
        revert: STARTED, COMPLETED, DISCONTINUED, CANCELED -> SCHEDULED
        restore: CANCELED -> PENDING
        retract: ARRIVED -> SCHEDULED
        """,
    ),
    "PerformedProcedureStep": (
        PERFORMED_STEP,
        """
        update: IN PROGRESS -> IN PROGRESS
        complete: IN PROGRESS -> COMPLETED
        discontinue: IN PROGRESS -> DISCONTINUED
        """,
    ),
    "Report": (
        REPORT,
        """
        sign_preliminary: DRAFT, PRELIMINARY -> PRELIMINARY
        finalize: DRAFT, PRELIMINARY -> FINAL
        amend: FINAL, AMENDED -> AMENDED
        discard: DRAFT -> DISCARDED
        retract: PRELIMINARY, FINAL, AMENDED -> RETRACTED
        """,
    ),
    "Appointment": (
        APPOINTMENT,
        """
        book: PROPOSED, HELD -> BOOKED
        expire: HELD -> EXPIRED
        move: BOOKED -> BOOKED
        move: ARRIVED -> ARRIVED
        arrive: BOOKED -> ARRIVED
        fulfill: ARRIVED -> FULFILLED
        cancel: PROPOSED, HELD, BOOKED -> CANCELED
        miss: BOOKED -> NO_SHOW
        retract: ARRIVED, NO_SHOW -> BOOKED
        """,
    ),
    "WaitingEntry": (
        WAITING,
        """
        serve: WAITING -> SERVED
        withdraw: WAITING -> WITHDRAWN
        """,
    ),
    "SlotOffer": (
        OFFER,
        """
        accept: OPEN -> ACCEPTED
        decline: OPEN -> DECLINED
        expire: OPEN -> EXPIRED
        """,
    ),
    "Document": (
        DOCUMENT,
        """
        replace: CURRENT -> REPLACED
        cancel: CURRENT -> CANCELED
        """,
    ),
    "InboundMessage": (
        MESSAGE,
        """
        apply: RECEIVED -> APPLIED
        reject: RECEIVED -> REJECTED
        fail: RECEIVED -> FAILED
        replay: FAILED, REJECTED -> RECEIVED
        """,
    ),
    "Delivery": (
        DELIVERY,
        """
        lease: PENDING -> LEASED
        succeed: LEASED -> DELIVERED
        defer: LEASED -> PENDING
        refuse: LEASED -> REFUSED
        give_up: LEASED -> DEAD
        requeue: REFUSED, DEAD -> PENDING
        skip: LEASED, REFUSED, DEAD -> SKIPPED
        """,
    ),
}


def expected(text: str) -> dict[tuple[str, str], str]:
    rows: dict[tuple[str, str], str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        trigger, _, change = line.partition(": ")
        before, _, after = change.partition(" -> ")
        rows |= {(state.strip(), trigger): after for state in before.split(",")}
    return rows


PAIRS = [
    (machine, state, trigger, expected(text).get((state.value, trigger.value)))
    for machine, text in DESIGN.values()
    for state, trigger in machine.pairs()
]


@pytest.mark.parametrize(
    ("machine", "state", "trigger", "following"),
    PAIRS,
    ids=[f"{m.name}-{s.value}-{t.value}" for m, s, t, _ in PAIRS],
)
def test_pair(
    machine: StateMachine[Any, Any], state: StrEnum, trigger: StrEnum, following: str | None
) -> None:
    if following is not None:
        assert machine.next(state, trigger).value == following
        return
    with pytest.raises(IllegalTransitionError) as refused:
        machine.next(state, trigger)
    assert refused.value.code is ErrorCode.STATE_CONFLICT
    assert refused.value.details["trigger"] == trigger.value


@pytest.mark.parametrize("name", DESIGN)
def test_final_states(name: str) -> None:
    final = {
        "Order": {"ENTERED_IN_ERROR"},
        "ScheduledProcedureStep": set(),
        "PerformedProcedureStep": {"COMPLETED", "DISCONTINUED"},
        "Report": {"DISCARDED", "RETRACTED"},
        "Appointment": {"EXPIRED", "FULFILLED", "CANCELED"},
        "WaitingEntry": {"SERVED", "WITHDRAWN"},
        "SlotOffer": {"ACCEPTED", "DECLINED", "EXPIRED"},
        "Document": {"REPLACED", "CANCELED"},
        "InboundMessage": {"APPLIED"},
        "Delivery": {"DELIVERED", "SKIPPED"},
        "Subscription": set(),
    }[name]

    assert DESIGN[name][0].final() == final
