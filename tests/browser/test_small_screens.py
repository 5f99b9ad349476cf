"""What opens, and what one looks at, is on the screen: on a phone and at a desk."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(120)]
At = Callable[..., Window]

# Opens each small form of the page once; the edges of those that hang over the page.
HANGING = """async () => {
    const over = [];
    const main = document.querySelector("main").getBoundingClientRect();
    for (const menu of document.querySelectorAll("main details.menu")) {
        if (!menu.checkVisibility()) continue;
        const opened = new Promise(done => menu.addEventListener("toggle", done, { once: true }));
        menu.open = true;
        await opened;
        const body = menu.querySelector(".menu-body").getBoundingClientRect();
        const right = Math.min(main.right, document.documentElement.clientWidth);
        if (body.left < Math.max(0, main.left) || body.right > right)
            over.push(`${menu.innerText.trim().split("\\n")[0]}: ${body.left} to ${body.right}`);
        menu.open = false;
    }
    return over;
}"""


@pytest.mark.parametrize("width", [1440, 390])
def test_small_forms_open_on_the_screen_and_beside_the_menu(at: At, width: int) -> None:
    window = at("technologist", viewport={"width": width, "height": 844})
    found = {}

    for path in ("/room/CT1/", "/room/MR1/", "/room/US1/", "/exceptions/"):
        window.open(path)
        found[path] = window.page.evaluate(HANGING)

    assert {path: over for path, over in found.items() if over} == {}
    assert window.problems == []


# Words of a list's cells that stand under the label of the cell instead of beside it.
UNDER_LABELS = """() => {
    const under = [];
    for (const cell of document.querySelectorAll("main .list td[data-label]")) {
        if (!cell.checkVisibility()) continue;
        const beside = cell.getBoundingClientRect().left + 112;
        const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const text = walker.currentNode;
            const above = text.parentElement.closest(".visually-hidden, .menu-body");
            if (!text.data.trim() || above) continue;
            const range = document.createRange();
            range.selectNodeContents(text);
            if ([...range.getClientRects()].some((box) => box.width > 1 && box.left < beside))
                under.push(`${cell.dataset.label}: ${text.data.trim()}`);
        }
    }
    return under;
}"""


def test_on_a_phone_what_a_cell_says_stands_beside_its_label(at: At) -> None:
    window = at("manager", viewport={"width": 390, "height": 844})
    found = {}

    for path in ("/catalog/", "/resources/?kind=device", "/arrivals/", "/room/CT1/", "/orders/"):
        window.open(path)
        window.page.locator("main .list").first.wait_for()
        found[path] = window.page.evaluate(UNDER_LABELS)

    assert {path: under for path, under in found.items() if under} == {}
    assert window.problems == []


# On a phone each cell of a list begins with its label, in the padding that is there for it.
LABELS_OUTSIDE = """() => [...document.querySelectorAll("main .list td[data-label]")]
    .filter(cell => cell.checkVisibility())
    .filter(cell => {
        const room = parseFloat(getComputedStyle(cell).paddingInlineStart);
        const label = getComputedStyle(cell, "::before");
        return room + parseFloat(label.marginInlineStart) < 0;
    })
    .map(cell => `${cell.dataset.label}: ${cell.innerText}`)"""


def test_figures_on_a_phone_say_what_they_are(at: At) -> None:
    window = at("manager", viewport={"width": 390, "height": 844})

    window.open("/analytics/")

    assert window.page.locator("main .list td[data-label]").count() > 10
    assert window.page.evaluate(LABELS_OUTSIDE) == []


# Buttons and tables of lists that stand beyond the frame around them.
BEYOND = """() => [...document.querySelectorAll("main .panel table, main .panel td.actions > *")]
    .filter(item => item.checkVisibility())
    .map(item => [item, item.getBoundingClientRect().right
        - item.closest(".panel").getBoundingClientRect().right])
    .filter(([, over]) => over > 1)
    .map(([item, over]) => `${item.innerText.trim().slice(0, 40)}: ${over}`)"""


@pytest.mark.parametrize("width", [1280, 1200, 1093, 992, 768])
def test_no_button_of_a_list_leaves_its_frame_on_a_small_screen(at: At, width: int) -> None:
    window = at("scheduler", viewport={"width": width, "height": 844})
    found = {}

    for path in ("/arrivals/", "/exceptions/", "/orders/?tab=wait-list", "/orders/?tab=scheduled"):
        window.open(path)
        window.page.locator("main .list").first.wait_for()
        found[path] = window.page.evaluate(BEYOND)
    window.page.locator("main .list tbody .row-link").last.click()
    window.page.locator("td.actions [href^='/book/']").first.wait_for()
    found["order"] = window.page.evaluate(BEYOND)

    assert {path: beyond for path, beyond in found.items() if beyond} == {}
    assert window.problems == []


# Names of rooms over the board that come nearer to the border of their column than two pixels.
NEAR_BORDERS = """() => [...document.querySelectorAll("#calendar .ec-col-head .room-link")]
    .filter(link => {
        const name = link.getBoundingClientRect();
        const head = link.closest(".ec-col-head").getBoundingClientRect();
        return name.left - head.left < 2 || head.right - name.right < 2;
    })
    .map(link => link.innerText)"""


def test_names_of_rooms_stay_off_the_borders_of_the_board(at: At) -> None:
    window = at("scheduler", viewport={"width": 1280, "height": 844})

    window.open("/board/")
    window.page.locator("#calendar .room-link").first.wait_for()

    assert window.page.evaluate(NEAR_BORDERS) == []
    assert window.problems == []
