"""``ris analytics``: daily facts counted again."""

from __future__ import annotations

import argparse
from datetime import date, timedelta

from django.utils import timezone

from ris.selectors.facts import first_day
from ris.services import analytics
from ris.terminal import say


def day(text: str) -> date:
    """The word that whoever typed something else is told."""
    return date.fromisoformat(text)


def rebuild(argv: list[str]) -> int:
    """Count the facts of a period again, from the records."""
    parser = argparse.ArgumentParser(
        prog="ris analytics rebuild",
        description=(
            "Count the daily facts behind the page Analytics again. Nothing is lost by that: they "
            "are made from orders, appointments, exams and reports. May run while the system works."
        ),
    )
    parser.add_argument(
        "--from", dest="first", type=day, metavar="YYYY-MM-DD",
        help="the first day; otherwise that of the first exam",
    )  # fmt: skip
    parser.add_argument(
        "--until", dest="last", type=day, metavar="YYYY-MM-DD",
        help="the last day; otherwise today",
    )  # fmt: skip
    said = parser.parse_args(argv)
    last = said.last or timezone.localdate()
    first = said.first or first_day() or last - timedelta(days=analytics.FIRST_DAYS)
    if first > last:
        parser.error("the first day is after the last")
    count = analytics.rebuild(first, last)
    say(f"{count} days were counted, {first.isoformat()} to {last.isoformat()}")
    return 0
