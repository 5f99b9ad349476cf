"""The night when the clock is put back, on the board of a site in Berlin: 2:30 is twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from docs.screenshots import log_in
from tests.browser.conftest import PATIENCE_MS, Window, press, watch
from tests.browser.test_board import EXAM, drag
from tests.running import running_ris as ris_with
from tests.wire.test_live import order

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]

OPEN_AT_NIGHT = """
from datetime import time
from ris.domain.actors import OPERATOR
from ris.domain.scheduling import SetResourceHours
from ris.models import Resource
from ris.services import execute
for each in Resource.objects.filter(kind__in=["DEVICE", "ROOM"]):
    hours = tuple((day, time(0), time(0)) for day in range(7))
    execute(SetResourceHours(resource=str(each.public_id), hours=hours), actor=OPERATOR)
"""


def put_back() -> date:
    """The next last Sunday of October that is not soon."""
    today = datetime.now(UTC).date()
    for year in (today.year, today.year + 1):
        last = date(year, 10, 31)
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        if sunday > today + timedelta(days=60):
            return sunday
    raise AssertionError("no such night")


NIGHT = put_back()


@pytest.fixture(scope="module")
def board(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Window]]:
    """The board of that night, with an exam at four."""
    with ris_with(
        tmp_path_factory.mktemp("berlin"), "--demo", RIS_TIME_ZONE="Europe/Berlin"
    ) as site:
        done = site.ris("shell", "-c", OPEN_AT_NIGHT)
        assert done.returncode == 0, done.stderr
        order(site, "6699", datetime.fromisoformat(f"{NIGHT}T04:00:00+01:00"))
        state = log_in(browser, site.url, "scheduler", site.password)

        def open_window() -> Window:
            context = browser.new_context(
                storage_state=state,
                viewport={"width": 1440, "height": 1000},
                timezone_id="America/New_York",
            )
            context.set_default_timeout(PATIENCE_MS)
            window = watch(context.new_page(), site.url)
            window.open(f"/board/?day={NIGHT}")
            expect(window.page.locator(EXAM)).to_have_count(1)
            return window

        yield open_window


def drop_at_half_past_two(page: Page) -> None:
    """A slot of the grid is a quarter of an hour and 36 px high."""
    drag(page, page.locator(EXAM), down=-6 * 36)
    expect(page.locator(".drag-hint")).to_contain_text("02:30")
    page.mouse.up()


def test_which_one_is_meant_is_asked_and_chosen_by_key(board: Callable[[], Window]) -> None:
    window = board()
    page = window.page
    asked = page.locator("#toast")

    drop_at_half_past_two(page)
    expect(asked).to_contain_text("02:30 twice that night")
    expect(page.locator(EXAM)).to_contain_text("04:00")
    first = asked.get_by_role("button", name="02:30, the first (UTC+2)")
    second = asked.get_by_role("button", name="02:30, the second (UTC+1)")
    expect(first).to_be_focused()

    press(page, "Tab")
    expect(second).to_be_focused()
    press(page, "Enter")

    expect(asked).to_contain_text("Moved to 02:30")
    expect(asked).to_contain_text("this is the second")
    expect(page.locator(EXAM)).to_contain_text(re.compile(r"02:30 UTC\+1"))
    asked.get_by_role("button", name="Undo").click()
    expect(page.locator(EXAM)).to_contain_text("04:00")
    assert [each for each in window.problems if "422" not in each] == []


def test_whoever_closes_the_question_has_moved_nothing(board: Callable[[], Window]) -> None:
    page = board().page

    drop_at_half_past_two(page)
    page.locator("#toast").get_by_role("button", name="Close").click()

    expect(page.locator("#toast")).to_be_hidden()
    page.reload()
    expect(page.locator(EXAM)).to_contain_text("04:00")
