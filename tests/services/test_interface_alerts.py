"""Traffic counted by the clock, and alerts that begin and end with what is wrong."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from ris.domain.actors import TIMER
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.exchange import Direction, PauseEndpoint
from ris.domain.interfaces import (
    LIMITS,
    AcknowledgeAlert,
    AlertKind,
    RaiseAlerts,
    Watch,
    added,
    class_of,
    percentile,
)
from ris.models import (
    Delivery,
    DomainEvent,
    Endpoint,
    InboundMessage,
    InterfaceAlert,
    Traffic,
)
from ris.selectors import interfaces
from ris.selectors.interface_faults import faults
from ris.services import alerts, execute, traffic
from tests import make, people

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 2, tzinfo=UTC)  # a Monday


def endpoint(name: str = "EHR", direction: Direction = Direction.OUT, **fields: Any) -> Endpoint:
    if direction is Direction.IN:
        fields = {"host": "", "port": None, "sends": (), **fields}
    return Endpoint.objects.get(
        public_id=make.endpoint(name, direction=direction, port=fields.pop("port", 2576), **fields)
    )


def message(at: datetime, sender: Endpoint | None, state: str = "APPLIED", took: int = 8) -> Any:
    return InboundMessage.objects.create(
        endpoint=sender,
        protocol="hl7",
        key=uuid.uuid4().hex,
        digest=uuid.uuid4().hex,
        message_type="ORM^O01",
        raw=b"MSH|",
        state=state,
        received_at=at,
        answered_at=at + timedelta(milliseconds=took),
    )


def delivery(to: Endpoint, state: str = "PENDING", *, at: datetime = NOON, **fields: Any) -> Any:
    key = uuid.uuid4().hex[:16]
    row = Delivery.objects.create(
        endpoint=to,
        control_id=key,
        message_type="ORU^R01",
        payload=b"MSH|",
        state=state,
        due_at=at,
        **{"lane": f"order:{key}", **fields},
    )
    Delivery.objects.filter(pk=row.pk).update(created_at=at)
    return row


def attempt(row: Delivery, result: str, at: datetime, number: int = 1, took: int = 30) -> None:
    row.attempts.create(
        number=number,
        started_at=at,
        ended_at=at + timedelta(milliseconds=took),
        result=result,
    )


# --- traffic


def test_traffic_is_one_row_for_each_connection_and_five_minutes() -> None:
    ehr = endpoint(direction=Direction.IN, protocol_name="EHR")
    pacs = endpoint("PACS")
    at = NOON - timedelta(minutes=1)
    message(at, ehr)
    message(at, ehr, "REJECTED")
    message(at, ehr, "FAILED", took=700)
    message(at - timedelta(minutes=6), ehr)
    message(at, None)
    attempt(delivery(pacs), "DELIVERED", at)
    attempt(delivery(pacs), "REFUSED", at)
    attempt(delivery(pacs), "AMBIGUOUS", at, took=30_000)

    with time_machine.travel(NOON, tick=False):
        written = traffic.count()

    rows = Traffic.objects.order_by("link", "start_at").values_list(
        "link", "start_at__minute", "messages", "refused", "failed"
    )
    assert written == 4
    assert list(rows) == [
        ("in:hl7:-", 0, 1, 0, 0),
        (f"in:hl7:{ehr.pk}", 55, 1, 0, 0),
        (f"in:hl7:{ehr.pk}", 0, 3, 1, 1),
        (f"out:{pacs.pk}", 0, 1, 1, 1),
    ]
    answers = Traffic.objects.get(link=f"out:{pacs.pk}").answers
    assert (sum(answers), answers[class_of(30)]) == (2, 2)


def test_traffic_counted_twice_is_counted_once() -> None:
    ehr = endpoint(direction=Direction.IN, protocol_name="EHR")
    message(NOON - timedelta(minutes=1), ehr)
    with time_machine.travel(NOON, tick=False):
        traffic.count()
    message(NOON, ehr)

    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        traffic.count()
        traffic.count()

    assert list(Traffic.objects.values_list("messages", flat=True)) == [2]


def test_traffic_counts_what_passed_while_nobody_counted() -> None:
    ehr = endpoint(direction=Direction.IN, protocol_name="EHR")
    message(NOON, ehr)
    with time_machine.travel(NOON, tick=False):
        traffic.count()
    message(NOON + timedelta(hours=2), ehr)

    with time_machine.travel(NOON + timedelta(hours=3), tick=False):
        traffic.count()

    assert Traffic.objects.count() == 2


def test_old_traffic_is_forgotten() -> None:
    ehr = endpoint(direction=Direction.IN, protocol_name="EHR")
    message(NOON, ehr)
    with time_machine.travel(NOON, tick=False):
        traffic.count()
    message(NOON + timedelta(days=9), ehr)

    with time_machine.travel(NOON + timedelta(days=9), tick=False):
        traffic.count()

    assert Traffic.objects.get().start_at > NOON + timedelta(days=8)


def test_busy_minutes_are_read_again_only_when_they_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traffic, "BUSY", 1)
    ehr = endpoint(direction=Direction.IN, protocol_name="EHR")
    for _ in range(2):
        message(NOON, ehr)
    with time_machine.travel(NOON, tick=False):
        traffic.count()
    message(NOON, ehr)

    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        during = traffic.count()
    with time_machine.travel(NOON + timedelta(minutes=6), tick=False):
        traffic.count()

    assert during == 0
    assert Traffic.objects.get().messages == 3


@pytest.mark.parametrize(
    ("times", "expected"),
    [([], None), ([3], 5), ([3] * 19 + [90], 5), ([3] * 9 + [90], 100), ([60_000], -1)],
)
def test_answer_times_are_told_as_the_limit_that_most_stayed_within(
    times: list[float], expected: int | None
) -> None:
    counts = [0] * (len(LIMITS) + 1)
    for each in times:
        counts[class_of(each)] += 1

    assert percentile(added([counts])) == expected


# --- what is wrong


def found(at: datetime = NOON) -> list[tuple[str, str, str]]:
    with time_machine.travel(at, tick=False):
        return [
            (each.endpoint.name if each.endpoint else "", each.kind.value, each.detail)
            for each in faults(at)
        ]


def test_nothing_is_wrong_with_what_is_quiet() -> None:
    endpoint()
    endpoint("HIS", Direction.IN, protocol_name="HIS")

    assert found() == []


def test_parked_and_lagging_messages_are_reported() -> None:
    to = endpoint()
    delivery(to, "REFUSED")
    delivery(to, at=NOON - timedelta(minutes=16))

    assert found() == [
        ("EHR", "PARKED", "1 message refused or given up"),
        ("EHR", "LAGGING", "the oldest waits for 16 min"),
    ]


def test_queue_over_its_limit_is_reported_and_says_that_it_is_paused() -> None:
    to = endpoint(watch={"queued": 2})
    for _ in range(2):
        delivery(to)
    execute(
        PauseEndpoint(endpoint=str(to.public_id), paused=True, reason="moved"), actor=people.admin
    )

    assert found() == [("EHR", "LAGGING", "2 in the queue, paused")]


def test_what_is_stored_and_not_applied_lags_too() -> None:
    ehr = endpoint("HIS", Direction.IN, protocol_name="HIS")
    message(NOON - timedelta(minutes=20), ehr, "RECEIVED")

    assert found() == [("HIS", "LAGGING", "the oldest waits for 20 min")]


def test_peer_that_does_not_answer_is_reported_until_it_does() -> None:
    to = endpoint()
    row = delivery(to, attempt_count=3)
    for number in (1, 2, 3):
        attempt(row, "TRANSIENT", NOON - timedelta(minutes=4 - number), number)
    silent = found()

    other = delivery(to, "DELIVERED", delivered_at=NOON)
    attempt(other, "DELIVERED", NOON)

    assert silent == [("EHR", "UNREACHED", "it does not answer")]
    assert found() == []


def test_two_tries_are_not_yet_silence() -> None:
    row = delivery(endpoint(), attempt_count=2)
    for number in (1, 2):
        attempt(row, "AMBIGUOUS", NOON, number)

    assert found() == []


def test_refusals_within_an_hour_are_reported() -> None:
    ehr = endpoint("HIS", Direction.IN, protocol_name="HIS", watch={"refused_an_hour": 2})
    for _ in range(2):
        row = message(NOON - timedelta(minutes=5), ehr, "REJECTED")
        InboundMessage.objects.filter(pk=row.pk).update(resolved_at=NOON)
    with time_machine.travel(NOON, tick=False):
        traffic.count()

    assert found() == [("HIS", "REFUSED", "2 messages refused within the hour")]
    assert found(NOON + timedelta(hours=2)) == []


def test_messages_nobody_dealt_with_are_reported_for_strangers_too() -> None:
    ehr = endpoint("HIS", Direction.IN, protocol_name="HIS")
    message(NOON, ehr, "FAILED")
    message(NOON, None, "REJECTED")

    assert found() == [
        ("HIS", "WAITING", "1 message not applied"),
        ("", "WAITING", "1 message not applied"),
    ]


def test_an_answer_that_refuses_on_the_connection_we_sent_over_is_reported_there() -> None:
    his = endpoint("HIS", Direction.OUT, host="127.0.0.1", port=2576)
    message(NOON, his, "REJECTED")

    assert found() == [("HIS", "WAITING", "1 message not applied")]


@pytest.mark.parametrize(
    ("hours", "minutes_ago", "expected"),
    [
        ((), 61, "no message for 61 min"),
        ((), 59, None),
        (("Mon-Fri 07:00-19:00",), 61, "no message for 61 min"),
        (("Tue 07:00-19:00",), 61, None),
        (("Mon 11:30-19:00",), 300, None),  # open for half an hour
        (("Mon 10:00-19:00",), 600, "no message for 2 h"),
    ],
)
def test_silence_counts_in_the_hours_of_the_connection(
    hours: tuple[str, ...], minutes_ago: int, expected: str | None
) -> None:
    watch = {"silent_minutes": 60, "hours": list(hours)}
    ehr = endpoint("HIS", Direction.IN, protocol_name="HIS", watch=watch)
    message(NOON - timedelta(minutes=minutes_ago), ehr)

    assert found() == ([("HIS", "SILENT", expected)] if expected else [])


def test_what_is_not_in_use_is_not_watched() -> None:
    to = endpoint(active=False)
    delivery(to, "REFUSED")

    assert found() == []


@pytest.mark.parametrize(
    ("watch", "path"),
    [
        ({"silent": 5}, "watch.silent"),
        ({"silent_minutes": -1}, "watch.silent_minutes"),
        ({"queued": "many"}, "watch.queued"),
        ({"queued": True}, "watch.queued"),
        ({"hours": ["Mon-Fri"]}, "watch.hours"),
        ({"hours": "always"}, "watch.hours"),
    ],
)
def test_limits_that_are_none_are_refused_with_their_place(watch: Any, path: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        endpoint(watch=watch)

    assert refused.value.path == path
    assert Endpoint.objects.count() == 0


def test_only_what_differs_from_the_usual_limits_is_kept() -> None:
    to = endpoint(watch={"queued": 1000, "oldest_minutes": 5, "hours": []})

    assert to.watch == {"oldest_minutes": 5}
    assert Watch.of(to.watch).queued == 1000


# --- alerts


def test_alert_lasts_as_long_as_what_is_wrong() -> None:
    row = delivery(endpoint(), "REFUSED")

    with time_machine.travel(NOON, tick=False):
        alerts.watch()
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        alerts.watch()
    during = InterfaceAlert.objects.get()
    Delivery.objects.filter(pk=row.pk).update(state="DELIVERED")
    with time_machine.travel(NOON + timedelta(minutes=2), tick=False):
        alerts.watch()

    after = InterfaceAlert.objects.get()
    assert (during.kind, during.since, during.ended_at) == ("PARKED", NOON, None)
    assert during.last_seen_at == NOON + timedelta(minutes=1)
    assert after.ended_at == NOON + timedelta(minutes=2)
    told = DomainEvent.objects.filter(name__startswith="Alert").order_by("id")
    assert [event.name for event in told] == ["AlertRaised", "AlertEnded"]
    assert told[0].payload["detail"] == "1 message refused or given up"


def test_alert_that_comes_back_is_a_new_one() -> None:
    row = delivery(endpoint(), "REFUSED")
    for minute, state in enumerate(("REFUSED", "DELIVERED", "REFUSED")):
        Delivery.objects.filter(pk=row.pk).update(state=state)
        with time_machine.travel(NOON + timedelta(minutes=minute), tick=False):
            alerts.watch()

    assert InterfaceAlert.objects.count() == 2
    assert interfaces.alert_counts() == (1, 1)


def test_raising_twice_raises_once() -> None:
    delivery(endpoint(), "REFUSED")

    changed = [execute(RaiseAlerts(), actor=TIMER) for _ in range(2)]

    assert changed == [1, 0]
    assert InterfaceAlert.objects.get().kind == AlertKind.PARKED.value


def test_alert_is_acknowledged_with_a_note_and_stays() -> None:
    delivery(endpoint(), "REFUSED")
    alerts.watch()
    alert = InterfaceAlert.objects.get()

    with pytest.raises(MissingValueError):
        execute(AcknowledgeAlert(alert=str(alert.public_id), note=" "), actor=people.manager)
    execute(
        AcknowledgeAlert(alert=str(alert.public_id), note="Vendor called"), actor=people.manager
    )

    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.note, alert.ended_at) == ("manager", "Vendor called", None)
    assert interfaces.alert_counts() == (1, 0)


def test_alert_that_is_over_is_not_acknowledged() -> None:
    row = delivery(endpoint(), "REFUSED")
    alerts.watch()
    Delivery.objects.filter(pk=row.pk).update(state="SKIPPED")
    alerts.watch()
    alert = InterfaceAlert.objects.get()

    with pytest.raises(StateConflictError):
        execute(AcknowledgeAlert(alert=str(alert.public_id), note="late"), actor=people.admin)


def test_alerts_are_raised_by_nobody_but_the_clock() -> None:
    with pytest.raises(DeniedError):
        execute(RaiseAlerts(), actor=people.admin)
