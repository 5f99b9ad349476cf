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
