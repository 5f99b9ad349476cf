"""What lies over what on the board: the line of now, the words of exams, free time for a click."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, time
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]

WIDE = {"viewport": {"width": 1440, "height": 1000}}
# Moves the line of now to the middle of the name of an exam.
THROUGH_THE_NAME = """name => {
  const line = document.querySelector("#calendar .ec-now-indicator");
  const box = name.getBoundingClientRect();
  const down = (box.top + box.bottom) / 2 - line.getBoundingClientRect().top;
  line.style.insetBlockStart = `${parseFloat(line.style.insetBlockStart) + down}px`;
}"""
# How many points of a picture have the color of the line of now.
POINTS = """async picture => {
  const drawnLine = document.querySelector("#calendar .ec-now-indicator");
  const color = getComputedStyle(drawnLine).borderTopColor;
  const line = color.match(/\\d+/g).slice(0, 3).map(Number);
  const bytes = Uint8Array.from(atob(picture), (one) => one.charCodeAt(0));
  const drawn = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const context = new OffscreenCanvas(drawn.width, drawn.height).getContext("2d");
  context.drawImage(drawn, 0, 0);
  const points = context.getImageData(0, 0, drawn.width, drawn.height).data;
  let count = 0;
  for (let at = 0; at < points.length; at += 4) {
    if (line.every((part, index) => Math.abs(part - points[at + index]) < 12)) count += 1;
  }
  return count;
}"""


def points_of_the_line(page: Page, clip: FloatRect) -> int:
    picture = base64.b64encode(page.screenshot(clip=clip)).decode()
    found: int = page.evaluate(POINTS, picture)
    return found


def noon() -> datetime:
    """Of today: a time that the board always shows."""
    return datetime.combine(datetime.now(UTC).date(), time(12), UTC)


@pytest.mark.parametrize(("theme", "contrast"), [("light", ""), ("dark", ""), ("dark", "more")])
def test_line_of_now_runs_under_the_words_of_an_exam(at: At, theme: str, contrast: str) -> None:
    window = at("scheduler", **WIDE, color_scheme=theme)
    page = window.page
    page.context.add_cookies([{"name": "ris_contrast", "value": contrast, "url": window.site}])
    page.clock.set_fixed_time(noon())
    window.open("/board/")
    line = page.locator("#calendar .ec-now-indicator")
    expect(line).to_be_attached()
    exam = page.locator("#calendar .exam:not(.is-short)").filter(has_text=re.compile(r"\w")).first
    exam.scroll_into_view_if_needed()
    name = exam.locator(".exam-name")

    name.evaluate(THROUGH_THE_NAME)
    box = name.bounding_box()
    assert box is not None
    words = FloatRect(x=box["x"] + 2, width=box["width"] - 4, y=box["y"], height=box["height"])
    # The edge of its box.
    beside = FloatRect(x=box["x"] + box["width"] + 1, width=3, y=box["y"], height=box["height"])

    assert points_of_the_line(page, words) == 0
    assert points_of_the_line(page, beside) > 0


def test_a_click_on_free_time_is_what_would_be_closed(at: At) -> None:
    window = at("scheduler", **WIDE)
    page = window.page
    window.open("/board/?day=2031-03-03")  # nothing is booked yet
    day = page.locator("#calendar .ec-body .ec-day").first
    expect(day).to_be_visible()
    box = page.locator("#calendar").bounding_box()
    column = day.bounding_box()
    assert box is not None
    assert column is not None

    page.mouse.click(column["x"] + column["width"] / 2, box["y"] + box["height"] - 60)

    close = page.locator("[data-board-close]").first
    expect(close).to_have_attribute("href", re.compile("at=2031-03-03"))
    said = parse_qs(urlsplit(close.get_attribute("href") or "").query)
    assert re.fullmatch(r"2031-03-03T\d\d:\d\d", said["at"][0])
    assert said["room"][0]
    assert window.problems == []
