"""What the templates' filters say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.formats import date_format

from ris.domain.values import Code, PartialDate, PersonName
from ris.web.templatetags import ris_web as tags


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Berg^Anna", "BERG, Anna"),
        ("Yamada^Tarou=山田^太郎", "YAMADA, Tarou (山田 太郎)"),
        ("", ""),
        (None, ""),
    ],
)
def test_person(stored: str | None, shown: str) -> None:
    assert tags.person(stored) == shown


def test_name_from_right_to_left_does_not_pull_its_neighbors() -> None:
    assert tags.person(PersonName.of("כהן", "יעל")) == "\u2068כהן, יעל\u2069"


def test_dates_in_english_are_read_alike_on_both_sides_of_the_ocean() -> None:
    at = datetime(2026, 11, 12, 16, 30, tzinfo=UTC)

    assert date_format(at, "DATE_FORMAT") == "12 November 2026"
    assert date_format(at, "SHORT_DATETIME_FORMAT") == "12 Nov 2026, 16:30"
    assert date_format(at, "TIME_FORMAT") == "16:30"


def test_a_language_is_a_word() -> None:
    assert tags.language_name("da") == "Danish"
    assert tags.language_name("tlh") == "tlh"


@pytest.mark.parametrize(
    ("born", "age"),
    [
        (date(1970, 5, 3), "55 y"),
        (date(2024, 3, 2), "2 y"),
        (date(2024, 3, 3), "23 mo"),
        (date(2026, 2, 1), "1 mo"),
        (date(2026, 2, 20), "10 d"),
        (date(2026, 3, 3), "0 d"),
    ],
)
def test_age_is_said_as_pediatrics_say_it(born: date, age: str) -> None:
    assert tags.age_on(born, date(2026, 3, 2)) == age


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("1970-05-03", "3 May 1970 (55 y)"), ("1970-05", "1970-05"), ("1970", "1970"), ("", "")],
)
def test_birth_date_to_its_precision(stored: str, shown: str) -> None:
    assert tags.birth(PartialDate(stored)) == shown


@pytest.mark.parametrize(
    ("days", "words"),
    [(-1, "Yesterday"), (0, "Today"), (1, "Tomorrow"), (2, "Wed 4 Mar"), (400, "Tue 6 Apr 2027")],
)
def test_days_are_said_as_people_say_them(days: int, words: str) -> None:
    assert tags.day_words(timezone.localdate() + timedelta(days=days)) == words


def test_time_carries_its_instant_for_machines() -> None:
    shown = tags.when(datetime(2026, 3, 2, 14, 30, tzinfo=UTC))

    assert str(shown) == '<time datetime="2026-03-02T14:30+00:00">Today 14:30</time>'


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "0 min"), (59, "59 min"), (60, "1 h"), (2879, "47 h"), (2880, "2 d")]
)
def test_how_long_ago(minutes: int, words: str) -> None:
    assert tags.since(timezone.now() - timedelta(minutes=minutes)) == words


def test_code_says_its_meaning_or_itself() -> None:
    assert tags.code(Code("X", "S", "Chest")) == "Chest"
    assert tags.code({"value": "X"}) == "X"
    assert tags.code(None) == ""


def test_report_sections_come_in_reading_order() -> None:
    sections = {"impression": "b", "findings": "a", "technique": " "}

    assert tags.titled(sections) == [("Findings", "a"), ("Impression", "b")]


@pytest.mark.parametrize(("count", "shown"), [(0, "0"), (999, "999"), (1000, "999+")])
def test_large_counts_are_not_counted_out(count: int, shown: str) -> None:
    assert tags.capped(count) == shown


def test_a_day_inside_a_sentence_is_not_begun_with_a_capital() -> None:
    now = timezone.localtime()

    assert f">today {now:%H:%M}<" in str(tags.when_said(now))
    assert f">Today {now:%H:%M}<" in str(tags.when(now))
    assert str(tags.when_said(now + timedelta(days=5))) == str(tags.when(now + timedelta(days=5)))
