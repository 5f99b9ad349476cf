"""A form that is sent twice is carried out once, in whichever process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from ris.models import SentForm
from ris.services import sent_forms

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2031, 3, 3, 12, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def test_the_first_carries_it_out_and_the_second_gets_what_it_made() -> None:
    first = sent_forms.claim("order", 7, "token")
    second = sent_forms.claim("order", 7, "token")
    first.keep("made-1")
    third = sent_forms.claim("order", 7, "token")

    assert (first.is_first, first.made) == (True, "")
    assert (second.is_first, second.made) == (False, "")
    assert (third.is_first, third.made) == (False, "made-1")


@pytest.mark.parametrize(
    "other", [("order", 8, "token"), ("order", 7, "another"), ("walk-in", 7, "token")]
)
def test_another_form_is_another_matter(other: tuple[object, ...]) -> None:
    sent_forms.claim("order", 7, "token")

    assert sent_forms.claim(*other).is_first


def test_what_was_refused_may_be_sent_again() -> None:
    sent_forms.claim("order", 7, "token").release()

    assert sent_forms.claim("order", 7, "token").is_first


def test_what_was_made_is_not_let_go() -> None:
    first = sent_forms.claim("order", 7, "token")
    first.keep("made-1")
    first.release()

    assert sent_forms.claim("order", 7, "token").made == "made-1"


def test_who_died_with_it_gives_way_and_says_no_more(clock: time_machine.Traveller) -> None:
    dead = sent_forms.claim("order", 7, "token")
    clock.shift(sent_forms.ABANDONED + timedelta(seconds=1))
    next_one = sent_forms.claim("order", 7, "token")
    dead.keep("made-1")
    next_one.keep("made-2")

    assert next_one.is_first
    assert sent_forms.claim("order", 7, "token").made == "made-2"


def test_it_is_forgotten_after_an_hour(clock: time_machine.Traveller) -> None:
    sent_forms.claim("order", 7, "token").keep("made-1")
    clock.shift(sent_forms.REMEMBERED + timedelta(seconds=1))

    sent_forms.claim("order", 7, "another")

    assert SentForm.objects.count() == 1


def test_what_came_of_it_is_known_once_it_is_made() -> None:
    first = sent_forms.claim("order", 7, "token")
    before = sent_forms.made_of("order", 7, "token")
    first.keep("made-1")

    assert (before, sent_forms.made_of("order", 7, "token")) == ("", "made-1")
