"""Messages that a person changed, in and out, and runs over many of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integration.hl7.inbound import handle
from integration.hl7.server import Peer
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.exchange import (
    Direction,
    EditDelivery,
    EditMessage,
    StartRun,
    StopRun,
)
from ris.models import (
    AuditEvent,
    Delivery,
    DomainEvent,
    Endpoint,
    InboundMessage,
    MessageEdit,
    MessageRun,
    Order,
)
from ris.services import execute, message_runs
from tests import make, people
from tests.integration.hl7 import messages
from tests.integration.hl7.messages import PID

pytestmark = pytest.mark.django_db

PEER = Peer("127.0.0.1", 50000, 2575, 1)
BROKEN = PID.replace("19700503", "19700231")
TEXT = "MSH|^~\\&|RIS|RAD|EHR|HOSP|20260302||ORU^R01|{key}|P|2.3.1\rPID|||1||Berg^Anna\r"


@pytest.fixture
def his() -> str:
    return make.endpoint(
        "HIS", direction=Direction.IN, protocol_name="HIS^GENERAL", host="", port=None, sends=()
    )


def received(key: str = "M1", pid: str = BROKEN) -> InboundMessage:
    handle(messages.order(pid=pid, key=key).encode(), PEER)
    return InboundMessage.objects.latest("id")


def edit(message: InboundMessage, text: str, reason: str = "Wrong day of birth") -> InboundMessage:
    key = execute(
        EditMessage(message=str(message.public_id), text=text, reason=reason), actor=people.admin
    )
    return InboundMessage.objects.get(public_id=key)


def test_edited_message_is_applied_as_new_and_the_first_stays(his: str) -> None:
    first = received()

    new = edit(first, messages.order(key="M1").replace("\r", "\n"))

    first.refresh_from_db()
    row = MessageEdit.objects.get()
    assert (first.state, bytes(first.raw)) == ("REJECTED", messages.order(pid=BROKEN).encode())
    assert (new.state, new.outcome, new.reply_state) == ("APPLIED", "AA", "NOT_DUE")
    assert (new.endpoint_id, new.sender) == (first.endpoint_id, first.sender)
    assert (row.before_message, row.after_message) == (first, new)
    assert (row.reason, row.actor) == ("Wrong day of birth", "admin")
    assert first.resolved_note == "edited and applied as new: Wrong day of birth"
    order = Order.objects.get()
    assert list(new.orders.all()) == [order]
    placed = DomainEvent.objects.get(name="OrderPlaced")
    assert (placed.actor_kind, placed.actor_name, placed.message_id) == ("user", "admin", new.pk)
    assert AuditEvent.objects.filter(action="EditMessage", actor_name="admin").count() == 1


def test_edit_that_is_refused_again_is_kept_with_its_fault(his: str) -> None:
    first = received()

    new = edit(first, messages.order(pid=PID.replace("19700503", "19700230")))

    first.refresh_from_db()
    assert (new.state, new.error_path) == ("REJECTED", "PID-7")
    assert first.resolved_at is None
    assert Order.objects.count() == 0


@pytest.mark.parametrize(
    ("text", "reason", "error", "path"),
    [
        (messages.order(), "", MissingValueError, "reason"),
        ("", "because", MissingValueError, "text"),
        ("PID|1", "because", InvalidValueError, "MSH"),
        (messages.order(key=""), "because", InvalidValueError, "MSH-10"),
        (messages.order(pid=BROKEN), "because", InvalidValueError, "text"),
    ],
)
def test_edit_that_makes_no_sense_writes_nothing(
    his: str, text: str, reason: str, error: type[Exception], path: str
) -> None:
    first = received()

    with pytest.raises(error) as refused:
        edit(first, text, reason)

    assert refused.value.path == path  # type: ignore[attr-defined]
    assert InboundMessage.objects.count() == 1
    assert MessageEdit.objects.count() == 0


def test_edit_may_be_repeated_with_the_same_text(his: str) -> None:
    """No earlier answer is given for it: each edit is a message of its own."""
    first = received()
    again = messages.order(pid=PID.replace("19700503", "19700230"))

    keys = {edit(first, again).pk, edit(first, again).pk}

    assert len(keys) == 2


@pytest.mark.parametrize("actor", [people.manager, people.technologist, people.ehr])
def test_edit_is_for_administrators(his: str, actor: Any) -> None:
    first = received()

    with pytest.raises(DeniedError):
        execute(
            EditMessage(message=str(first.public_id), text=messages.order(), reason="because"),
            actor=actor,
        )

    assert InboundMessage.objects.count() == 1


# --- out


def delivery(state: str = "REFUSED", key: str = "C1", lane: str = "order:1", **fields: Any) -> Any:
    endpoint = Endpoint.objects.filter(name="ARCHIVE").first()
    if endpoint is None:
        endpoint = Endpoint.objects.get(public_id=make.endpoint("ARCHIVE", port=2599))
    return Delivery.objects.create(
        endpoint=endpoint,
        lane=lane,
        control_id=key,
        message_type="ORU^R01",
        payload=TEXT.format(key=key).encode(),
        state=state,
        attempt_count=3,
        due_at=timezone.now(),
        last_error="AE: unknown patient",
        **fields,
    )


def send_edited(row: Delivery, text: str, reason: str = "Number was wrong") -> Delivery:
    key = execute(
        EditDelivery(delivery=str(row.public_id), text=text, reason=reason), actor=people.admin
    )
    return Delivery.objects.get(public_id=key)


def test_edited_delivery_keeps_its_place_and_what_it_was_stays() -> None:
    row = delivery()
    behind = delivery("PENDING", "C2")
    row.attempts.create(number=1, started_at=timezone.now(), result="REFUSED")

    new = send_edited(row, TEXT.format(key="C1").replace("|||1|", "|||2|").replace("\r", "\n"))

    before = MessageEdit.objects.get().before_delivery
    assert before is not None
    assert (new.pk, new.state, new.attempt_count, new.last_error) == (row.pk, "PENDING", 0, "")
    assert new.pk < behind.pk
    assert (before.state, before.control_id, before.lane) == ("SKIPPED", "C1", "order:1")
    assert bytes(before.payload) == TEXT.format(key="C1").encode()
    assert [(one.number, one.result) for one in before.attempts.all()] == [(1, "REFUSED")]
    assert new.attempts.count() == 0
    assert new.control_id not in ("C1", "C2")
    assert bytes(new.payload) == TEXT.format(key=new.control_id).replace("|||1|", "|||2|").encode()
    told = DomainEvent.objects.get(name="DeliveryEdited").payload
    assert told["reason"] == "Number was wrong"
    assert told["previous"] == str(before.public_id)


def test_what_was_delivered_is_edited_as_a_message_of_its_own() -> None:
    row = delivery("DELIVERED", delivered_at=timezone.now())

    new = send_edited(row, TEXT.format(key="C1").replace("Anna", "Anne"))

    row.refresh_from_db()
    assert (row.state, new.state, new.delivered_at) == ("DELIVERED", "PENDING", None)
    assert new.pk != row.pk
    assert b"Berg^Anne" in bytes(new.payload)


def test_what_waits_is_not_edited() -> None:
    row = delivery("PENDING")

    with pytest.raises(StateConflictError):
        send_edited(row, TEXT.format(key="C1").replace("Anna", "Anne"))

    assert Delivery.objects.count() == 1


def test_edited_text_that_its_character_set_cannot_hold_is_refused_with_the_place() -> None:
    row = delivery()
    text = TEXT.format(key="C1").replace("2.3.1", "2.3.1||||||8859/1").replace("Anna", "Žofie")

    with pytest.raises(InvalidValueError):
        send_edited(row, text)

    assert Delivery.objects.get().control_id == "C1"


# --- runs


def start(direction: Direction, expected: int, **filters: str) -> MessageRun:
    key = execute(
        StartRun(
            direction=direction,
            filters=filters,
            reason="Catalog was mended",
            expected=expected,
            per_minute=4,
        ),
        actor=people.admin,
    )
    return MessageRun.objects.get(public_id=key)


def test_run_applies_in_order_at_its_pace_and_ends(his: str) -> None:
    first, second, third = (received(f"M{number}") for number in (1, 2, 3))
    InboundMessage.objects.filter(pk__in=[first.pk, second.pk]).update(
        raw=messages.order(
            orc=messages.ORC.replace("PL1", "PL8"),
            obr=messages.OBR.replace("PL1", "PL8"),
            key="M1",
        ).encode()
    )
    run = start(Direction.IN, 3, endpoint=his)

    passes = [message_runs.advance(), message_runs.advance()]

    run.refresh_from_db()
    states = [InboundMessage.objects.get(pk=row.pk).state for row in (first, second, third)]
    assert passes == [2, 1]
    assert states[0] == "APPLIED"
    assert states[2] == "REJECTED"
    assert (run.state, run.done + run.refused, run.cursor) == ("FINISHED", 3, third.pk)
    replayed = DomainEvent.objects.filter(name="MessageReplayed").order_by("id").first()
    assert replayed is not None
    assert replayed.payload["reason"] == "Catalog was mended (run by admin)"


def test_run_leaves_alone_what_came_after_it_was_started(his: str) -> None:
    received("M1")
    run = start(Direction.IN, 1, endpoint=his)
    later = received("M2")

    for _ in range(3):
        message_runs.advance()

    run.refresh_from_db()
    assert (run.state, run.refused) == ("FINISHED", 1)
    assert not DomainEvent.objects.filter(
        name="MessageReplayed", subject_id=str(later.public_id)
    ).exists()


def test_run_is_refused_if_it_is_not_what_was_shown(his: str) -> None:
    received("M1")

    with pytest.raises(StateConflictError):
        start(Direction.IN, 2, endpoint=his)

    assert MessageRun.objects.count() == 0


def test_run_out_sends_what_is_parked_and_what_was_sent_again() -> None:
    parked = delivery("DEAD", "C1", "order:1")
    sent = delivery("DELIVERED", "C2", "order:2", delivered_at=timezone.now())
    waiting = delivery("PENDING", "C3", "order:3")
    run = start(Direction.OUT, 2, endpoint=str(parked.endpoint.public_id))

    message_runs.advance()
    message_runs.advance()

    run.refresh_from_db()
    parked.refresh_from_db()
    new = Delivery.objects.exclude(pk__in=[parked.pk, sent.pk, waiting.pk]).get()
    assert (run.state, run.done, run.refused) == ("FINISHED", 2, 0)
    assert (parked.state, parked.control_id) == ("PENDING", "C1")
    assert (new.lane, new.state) == ("order:2", "PENDING")
    assert new.control_id != "C2"


def test_stopped_run_does_no_more(his: str) -> None:
    received("M1")
    run = start(Direction.IN, 1, endpoint=his)

    execute(StopRun(run=str(run.public_id)), actor=people.admin)

    assert message_runs.advance() == 0
    run.refresh_from_db()
    assert (run.state, run.done, run.refused) == ("STOPPED", 0, 0)
    with pytest.raises(StateConflictError):
        execute(StopRun(run=str(run.public_id)), actor=people.admin)


def test_run_without_anything_to_do_is_refused(his: str) -> None:
    with pytest.raises(InvalidValueError):
        start(Direction.IN, 0, endpoint=his)


def test_run_of_a_text_seeks_it_once_and_its_span_stays(his: str) -> None:
    first, other = received("M1"), received("M2", BROKEN.replace("Anna", "Olga"))

    run = start(Direction.IN, 1, contains="Anna")
    message_runs.advance()
    message_runs.advance()

    run.refresh_from_db()
    assert run.filters["keys"] == str(first.pk)
    assert run.filters["since"] < first.received_at.isoformat()
    assert (run.state, run.refused) == ("FINISHED", 1)
    assert not other.events.exists()


def test_filter_of_a_run_counts_days_whole(his: str) -> None:
    """A run of one day holds what came at its end."""
    message = received("M1")
    day = timezone.localtime(message.received_at).date()
    InboundMessage.objects.filter(pk=message.pk).update(
        received_at=message.received_at.replace(hour=23, minute=59)
    )

    run = start(Direction.IN, 1, since=f"{day}", until=f"{day + timedelta(days=1)}")

    assert run.total == 1
