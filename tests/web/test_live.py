"""What open pages are told of, and what a stream says."""

from __future__ import annotations

import json
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from ris.domain.actors import Actor, ActorKind, Role
from ris.selectors.changes import days_of
from ris.web.live.hub import HEARTBEAT, OPENED, Stream
from ris.web.live.topics import TOPICS, concerned, heard_by, topic_of

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def stream(*topics: str, seconds: float = 60) -> Stream:
    opened = Stream(frozenset(topics), lambda _: None, seconds)
    assert next(opened) == OPENED
    return opened


def said(opened: Stream) -> object:
    return json.loads(next(opened).removeprefix(b"data: "))


def actor(*roles: Role) -> Actor:
    return Actor(ActorKind.USER, "somebody", frozenset(roles))


def test_stream_says_topic_and_days() -> None:
    opened = stream("board", "orders")

    opened.tell(["board", "rooms"], frozenset({MONDAY}))

    assert said(opened) == {"board": ["2026-03-02"]}


def test_changes_that_wait_are_one_message() -> None:
    opened = stream("board", "orders")

    opened.tell(["board"], frozenset({MONDAY}))
    opened.tell(["board", "orders"], frozenset({TUESDAY}))

    assert said(opened) == {"board": ["2026-03-02", "2026-03-03"], "orders": ["2026-03-03"]}


@pytest.mark.parametrize("first", [True, False])
def test_any_day_swallows_single_days(first: bool) -> None:
    opened = stream("board")

    for days in (frozenset[date](), frozenset({MONDAY}))[:: 1 if first else -1]:
        opened.tell(["board"], days)

    assert said(opened) == {"board": []}


def test_stream_that_has_lasted_long_enough_ends() -> None:
    opened = stream("board", seconds=0)

    with pytest.raises(StopIteration):
        next(opened)


def test_stream_that_is_let_go_ends() -> None:
    opened = stream("board")

    opened.end()

    with pytest.raises(StopIteration):
        next(opened)
    assert HEARTBEAT.startswith(b":")


def test_booking_concerns_the_board_and_a_login_concerns_nothing() -> None:
    assert {"board", "waiting", "arrivals", "rooms", "orders", "home"} <= concerned(
        "AppointmentBooked"
    )
    assert concerned("TokenIssued") == frozenset()
    assert "board" not in concerned("OrderPlaced")
    assert "reading" in concerned("ReportFinalized")
    assert "board" not in concerned("ReportFinalized")


def test_event_that_nobody_thought_of_concerns_everything() -> None:
    assert concerned("SomethingNew") == frozenset(TOPICS)


def test_only_topics_of_the_role_are_heard() -> None:
    wanted = ["board", "interfaces", "exceptions", "no-such"]

    assert heard_by(actor(Role.RADIOLOGIST), wanted) == {"board"}
    assert heard_by(actor(Role.ADMIN), wanted) == {"board", "interfaces", "exceptions"}


def test_region_without_a_topic_hears_of_everything() -> None:
    assert topic_of("board-live") == "waiting"
    assert topic_of("a-new-region") == "any"


def test_days_of_an_event_are_those_it_names() -> None:
    moved = {
        "start_at": "2026-03-03T09:00:00+00:00",
        "previous_start_at": "2026-03-02T09:00:00+00:00",
        "station": "CT1",
    }

    assert days_of(moved) == {MONDAY, TUESDAY}
    assert days_of({"start_at": None, "end_at": "soon"}) == frozenset()


def test_days_of_an_event_are_those_of_every_site() -> None:
    late = {"start_at": "2026-03-02T23:30:00+00:00"}

    assert days_of(late, [ZoneInfo("Asia/Tokyo")]) == {MONDAY, TUESDAY}
