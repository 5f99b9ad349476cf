"""Lists of what is done or looked at are read from an index, however much was done before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from ris.selectors import critical, dose, dose_history, follow_ups, letter_lists, mammography
from tests.selectors.test_reading_plans import plan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("archive")]

NOW = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("UTC"))
DAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda: list(letter_lists.letters("sent", NOW)[:51]), "breast_letter_sent"),
        (lambda: list(letter_lists.letters("stopped", NOW)[:51]), "breast_letter_changed"),
        (lambda: list(mammography.recalls("settled", DAY)[:51]), "breast_recall_settled"),
        (lambda: list(follow_ups.in_pile(follow_ups.Pile.CLOSED)[:51]), "follow_up_changed"),
        (lambda: list(critical.in_pile(critical.Pile.DONE, NOW)[:51]), "critical_closed_at"),
        (lambda: dose.alerts(are_open=True), "exam_dose_to_be_looked_at"),
        # PostgreSQL begins elsewhere, where nearly every exam was in the last years.
        pytest.param(
            dose_history.trend_choices, "exam_dose_started", marks=pytest.mark.only("sqlite")
        ),
    ],
)  # fmt: skip
def test_a_list_is_found_by_its_index(ask: Callable[[], object], index: str) -> None:
    assert index in plan(ask)
