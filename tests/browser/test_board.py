"""The board in a real browser: dragged, moved by key, refused, and told of changes at once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser.conftest import Window, press
from tests.running import Running
from tests.wire.test_live import order

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]
Booked = Callable[[Window], str]

WIDE = {"viewport": {"width": 1440, "height": 1000}}
EXAM = "#calendar .exam[data-id]"


def monday(weeks: int = 0) -> str:
    """The Monday after next: nothing of the demo's present days, and open; or one after it."""
    today = datetime.now(UTC).date()
    return (today + timedelta(days=14 - today.weekday(), weeks=weeks)).isoformat()


_hours = itertools.count(8)


@pytest.fixture
def booked(running_ris: Running) -> Callable[[Window], str]:
    """Has the EHR book a CT for that Monday, each an hour later; opens the board there."""

    def book(window: Window) -> str:
        hour = next(_hours)
        at = datetime.fromisoformat(f"{monday()}T{hour:02d}:00:00+00:00")
        order(running_ris, f"66{hour}", at)
        window.open(f"/board/?day={monday()}")
        found = window.page.locator(EXAM).filter(has_text=f"{hour:02d}:00 LIVE").first
        expect(found).to_be_visible()
        return found.get_attribute("data-id") or ""

    return book


def exam(page: Page, key: str) -> Locator:
    return page.locator(f'{EXAM}[data-id="{key}"]')


def place_of(item: Locator) -> FloatRect:
    """Where an exam is; asked again while the board is being drawn anew."""
    for _ in range(50):
        if (box := item.bounding_box()) is not None:
            return box
    raise AssertionError("The exam did not stand still.")


def drag(page: Page, item: Locator, *, right: float = 0, down: float = 0) -> None:
    item.hover(position={"x": 20, "y": 6})
    box = place_of(item)
    x, y = box["x"] + 20, box["y"] + 6
    page.mouse.down()
    page.mouse.move(x + 4, y + 12, steps=4)
    page.mouse.move(x + right, y + down, steps=8)


def time_of(item: Locator) -> str:
    found = re.search(r"\d\d:\d\d", item.inner_text())
    assert found is not None
    return found[0]


def test_exam_is_dragged_and_brought_back(at: At, booked: Booked) -> None:
    window = at("scheduler", **WIDE)
    page = window.page
    key = booked(window)
    before = time_of(exam(page, key))

    drag(page, exam(page, key), down=288)  # eight quarters of an hour
    expect(page.locator(".drag-hint")).to_have_text(re.compile(r"\d\d:\d\d"))
    page.mouse.up()

    expect(page.locator("#toast")).to_contain_text("Moved to")
    expect(exam(page, key)).to_be_focused()
    assert time_of(exam(page, key)) != before
    page.locator("#toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#toast")).to_contain_text("It is back where it was")
    expect(exam(page, key)).to_contain_text(before)
    assert window.problems == []


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_browser_of_another_zone_shows_the_clock_of_the_site(
    at: At, booked: Booked, zone: str
) -> None:
    """Also one whose own clock is changed between today and the day that is shown."""
    window = at("scheduler", **WIDE, timezone_id=zone)
    page = window.page
    key = booked(window)  # found by its hour
    before = time_of(exam(page, key))

    drag(page, exam(page, key), down=36)  # a quarter of an hour
    page.mouse.up()

    expect(page.locator("#toast")).to_contain_text(f"Moved to {before[:2]}:15")
    day = datetime.now(UTC).date()
    half_a_year = (day + timedelta(days=182)).isoformat()
    window.open(f"/board/?day={half_a_year}")
    expect(page.locator(f"#calendar [datetime^='{half_a_year}']").first).to_be_attached()
    assert window.problems == []


def test_exam_of_five_minutes_can_be_hit_and_says_when_it_ends(at: At, booked: Booked) -> None:
    """WCAG 2.5.8: no target is smaller than 24 px, and the picture does not lie about time."""
    window = at("scheduler", **WIDE)
    page = window.page
    key = booked(window)
    start = f"{monday()}T{time_of(exam(page, key))}"
    version, device = page.evaluate(
        """async ([key, day]) => {
            const found = await (await fetch(`/board/events/?from=${day}&to=${day}`)).json();
            const one = found.events.find((event) => event.id === key);
            return [one.extendedProps.version, one.resourceIds[0]];
        }""",
        [key, monday()],
    )
    answer = page.request.post(
        f"{window.site}/board/drop/{key}/",
        form={
            "csrfmiddlewaretoken": page.locator(
                "input[name=csrfmiddlewaretoken]"
            ).first.input_value(),
            "start": start,
            "minutes": "5",
            "device": device,
            "version": str(version),
        },
    )
    assert answer.ok

    expect(exam(page, key)).to_contain_text(re.compile(r"\d\d:00–\d\d:05"))
    exam(page, key).press("Enter")

    expect(page.locator("#exam-when")).to_contain_text(re.compile(r":00 – \d\d:05"))
    heights = page.locator(EXAM).evaluate_all("all => all.map(one => one.offsetHeight)")
    assert min(heights) >= 24
    window.open("/board/")
    expect(page.locator(EXAM).first).to_be_visible()
    heights = page.locator(EXAM).evaluate_all("all => all.map(one => one.offsetHeight)")
    assert min(heights) >= 24
    assert window.problems == []


def test_grid_grows_to_the_full_hour_for_an_exam_of_the_night(at: At, running_ris: Running) -> None:
    order(running_ris, "6650", datetime.fromisoformat(f"{monday(1)}T00:50:00+00:00"))
    window = at("scheduler", **WIDE)

    window.open(f"/board/?day={monday(1)}")

    expect(window.page.locator(EXAM)).to_contain_text("00:50 LIVE")
    labels = window.page.locator("#calendar .ec-sidebar time").all_inner_texts()
    # The line at the very top has no label.
    assert [label for label in labels if label][:3] == ["00:30", "01:00", "01:30"]
    # And the morning is what one sees first, as on other days.
    window.page.wait_for_function("document.querySelector('.ec-main').scrollTop > 0")
    main, seven = window.page.locator(".ec-main"), window.page.locator("time", has_text="07:00")
    assert 0 < place_of(seven)["y"] - place_of(main)["y"] < 200
    assert window.problems == []


def test_room_of_another_modality_takes_no_exam(at: At, booked: Booked) -> None:
    window = at("scheduler", **WIDE)
    page = window.page
    key = booked(window)
    before = time_of(exam(page, key))
    box = place_of(exam(page, key))

    drag(page, exam(page, key), right=box["width"] * 1.5, down=30)
    expect(page.locator("#calendar")).to_have_class(re.compile("is-banned"))
    page.mouse.up()

    expect(page.locator("#toast")).to_contain_text("Nothing was moved")
    assert time_of(exam(page, key)) == before


def test_refused_drop_goes_back_and_says_why(at: At, booked: Booked) -> None:
    window, other = at("scheduler", **WIDE), at("frontdesk")
    page = window.page
    key = booked(window)
    before = time_of(exam(page, key))
    # Two people at once: the second has an old version in hand.
    page.route("**/live/**", lambda route: route.abort())
    page.reload()
    expect(exam(page, key)).to_be_visible()
    other.open(f"/board/move/{key}/")
    other.page.locator("button[name=slot]").last.click()
    expect(other.page.locator("#main")).to_contain_text("Moved.")

    drag(page, exam(page, key), down=144)
    page.mouse.up()

    expect(page.locator("#toast")).to_contain_text("Somebody else moved this appointment")
    assert before


def test_board_is_worked_by_keys_alone(at: At, booked: Booked) -> None:
    window = at("scheduler", **WIDE)
    page = window.page
    key = booked(window)
    exam(page, key).focus()

    press(page, "Enter")
    expect(page.locator("dialog#exam")).to_be_visible()
    press(page, "Escape")
    expect(exam(page, key)).to_be_focused()
    press(page, "m")
    expect(page.locator("dialog#move")).to_be_visible()
    page.locator("dialog#move button[name=slot]").last.click()

    expect(page.locator("#main")).to_contain_text("Moved.")
    press(page, "w")
    page.wait_for_url(re.compile("view=week"))
    press(page, "]")
    page.wait_for_url(re.compile(f"day={monday(1)}"))
    press(page, "t")
    page.wait_for_url(lambda url: "day=" not in url)
    press(page, "d")
    page.wait_for_url(re.compile("view=day"))
    assert window.problems == []


def test_exam_that_waits_is_dragged_onto_a_room(at: At) -> None:
    window = at("scheduler", **WIDE)
    page = window.page
    window.open(f"/board/?day={monday()}&modality=CT")
    item = page.locator(".waiting[data-modality=CT]").first
    name = item.get_attribute("data-title") or ""

    item.drag_to(page.locator("#calendar"), target_position={"x": 300, "y": 560})

    expect(page.locator("#toast")).to_contain_text("Booked for")
    expect(page.locator(EXAM).filter(has_text=name).first).to_be_visible()


def put_onto_the_board(page: Page) -> None:
    """Drag the first exam that waits onto the CT room."""
    item = page.locator(".waiting[data-modality=CT]").first
    item.drag_to(page.locator("#calendar"), target_position={"x": 300, "y": 420})


def test_booking_elsewhere_shows_by_itself_and_keeps_the_focus(at: At, booked: Booked) -> None:
    watching, working = at("scheduler", **WIDE), at("frontdesk", **WIDE)
    page = watching.page
    with page.expect_response(lambda response: "/live/" in response.url):
        key = booked(watching)
    exam(page, key).focus()
    before = page.locator(EXAM).count()
    working.open(f"/board/?day={monday()}&modality=CT")
    expect(working.page.locator(EXAM).first).to_be_visible()

    with working.page.expect_response(lambda response: "/board/place/" in response.url):
        put_onto_the_board(working.page)
    expect(page.locator(EXAM)).to_have_count(before + 1)

    expect(exam(page, key)).to_be_focused()
    assert watching.problems == []


def test_phone_shows_a_list(at: At) -> None:
    window = at("technologist", viewport={"width": 390, "height": 800})

    window.open("/board/")

    expect(window.page.locator("#calendar .ec-list")).to_be_visible()
    width = window.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


def test_room_that_is_down_has_its_exams_moved(at: At, booked: Booked) -> None:
    window = at("scheduler", **WIDE)
    page = window.page
    booked(window)
    window.open("/board/close/")
    page.locator("#id_what").select_option("down")
    page.locator("#id_room").select_option(label="CT room (CT1)")
    page.locator("#id_day").fill(monday())
    page.locator("#id_begins").fill("07:00")
    page.locator("#id_ends").fill("19:00")
    page.locator("#id_reason").fill("Tube is cold")

    page.get_by_role("button", name="Close this time").click()

    expect(page.locator("h1")).to_contain_text("Move the exams of a room")
    expect(page.locator("#main")).to_contain_text("Still to place")
    window.open(f"/board/?day={monday()}")
    expect(page.locator("#calendar").get_by_text("Down: Tube is cold").first).to_be_visible()
    assert window.problems == []


def test_without_script_the_table_is_shown(at: At) -> None:
    window = at("scheduler", java_script_enabled=False)

    window.open("/board/")

    window.page.wait_for_url(re.compile("view=table"))
    expect(window.page.locator("table.board")).to_be_visible()


def test_board_weighs_little(at: At) -> None:
    window = at("scheduler", **WIDE)
    sizes: list[int] = []
    window.page.on(
        "requestfinished",
        lambda request: sizes.append(request.sizes()["responseBodySize"]),
    )

    window.open("/board/")
    expect(window.page.locator(EXAM).first).to_be_visible()

    assert sum(sizes) < 300_000
