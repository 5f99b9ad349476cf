"""The demo's commands where it is not loaded, and the machinery that tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from ris import demo
from ris.demo.player import Diary, Player, Story, up_to_grid
from ris.domain.orders import Stage
from ris.models import Order, RequestedProcedure
from ris.selectors import exceptions
from tests import make

NOW = datetime(2026, 3, 4, 10, 32, 17, tzinfo=UTC)


# --- at any time of day, always the same


def picture() -> list[tuple[object, ...]]:
    """What a user sees of the orders, without what is random by nature."""
    return list(
        Order.objects.order_by("id", "procedures__id", "procedures__steps__id").values_list(
            "accession_number",
            "placer_order_number",
            "status",
            "patient__name",
            "ordered_at",
            "procedures__stage",
            "procedures__steps__status",
            "procedures__steps__start_at",
            "procedures__steps__station_ae_title",
        )
    )


@pytest.mark.django_db
def test_it_is_the_same_every_time_and_whole_a_minute_before_midnight() -> None:
    late = NOW.replace(hour=23, minute=59)
    pictures = []
    for _ in range(2):
        with transaction.atomic():
            demo.fill(late)
            pictures.append(picture())
            counts = exceptions.counts()
            stages = set(RequestedProcedure.objects.values_list("stage", flat=True))
            transaction.set_rollback(True)

    assert pictures[0] == pictures[1]
    assert len(pictures[0]) > 100
    assert counts["performed"] == 4
    assert stages == {stage.value for stage in Stage}


# --- the commands


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    moments: list[datetime] = []
    monkeypatch.setattr(demo, "fill", moments.append)
    return moments


@pytest.mark.django_db
def test_load_fills_an_empty_database(filled: list[datetime]) -> None:
    assert demo.load([]) == 0
    assert len(filled) == 1


@pytest.mark.django_db
def test_neither_load_nor_reset_touch_a_site_that_is_not_the_demo(
    filled: list[datetime], capsys: pytest.CaptureFixture[str]
) -> None:
    make.order()

    assert demo.load(["--if-empty"]) == 1
    assert demo.reset(["--yes"]) == 1
    assert "not the demo's; nothing was deleted" in capsys.readouterr().err
    assert Order.objects.count() == 1
    assert filled == []


@pytest.mark.django_db(transaction=True)
def test_reset_empties_the_database_and_fills_it_again(filled: list[datetime]) -> None:
    assert demo.reset(["--yes"]) == 0
    assert len(filled) == 1


# --- the machinery


def test_a_story_is_left_where_the_present_finds_it() -> None:
    done: list[int] = []

    def story() -> Story:
        for number in range(4):
            yield NOW + timedelta(hours=number - 2)
            done.append(number)

    player = Player(NOW)
    player.add(story())

    assert player.play() == 3
    assert done == [0, 1, 2]


def test_acts_of_many_stories_happen_in_the_order_of_time() -> None:
    seen: list[str] = []

    def story(name: str, *minutes: int) -> Story:
        for minute in minutes:
            yield NOW - timedelta(minutes=minute)
            seen.append(f"{name}{minute}")

    player = Player(NOW)
    player.add(story("a", 50, 10))
    player.add(story("b", 40, 30, 5))
    player.play()

    assert seen == ["a50", "b40", "b30", "a10", "b5"]


def test_a_diary_gives_no_time_away_twice() -> None:
    diary = Diary(UTC)
    at = NOW.replace(hour=18, minute=31)

    first = diary.take_in_hours("CT1", at, 20)
    second = diary.take_in_hours("CT1", at, 20)
    other = diary.take_in_hours("MR1", at, 20)

    assert first == up_to_grid(at) == other
    assert second == (NOW + timedelta(days=1)).replace(hour=7, minute=0, second=0)
