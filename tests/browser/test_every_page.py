"""Every page in a real browser: accessible, within the policy, readable on desk and phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from docs.screenshots import SHOTS, Shot, walk
from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(600)]
AXE = (Path(__file__).parent / "assets" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
At = Callable[..., Window]


def visit(window: Window, shot: Shot) -> None:
    walk(window.page, window.site, shot)
    stands(window)


def stands(window: Window) -> None:
    """What a page fetches once it stands belongs to it."""
    expect(window.page.locator("[hx-trigger=load]")).to_have_count(0)


def violations(window: Window, *rules: str) -> list[str]:
    """What axe finds, one line each. Evaluated by the debugger, which no content policy stops."""
    if not window.page.evaluate("'axe' in window"):
        window.page.evaluate(AXE)
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": RULES}
    # Of what is well, nothing is written down.
    found = window.page.evaluate(
        """only => axe.run({runOnly: only, resultTypes: ["violations"]})
            .then(result => result.violations)""",
        only,
    )
    return [f"{item['id']}: {node['html'][:200]}" for item in found for node in item["nodes"][:3]]


def roles() -> list[str]:
    return list(dict.fromkeys(shot.role for shot in SHOTS))


def in_dark(window: Window) -> list[str]:
    """What axe finds in dark, which differs from light in nothing but colors."""
    window.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found = violations(window, "color-contrast")
    window.page.emulate_media(color_scheme="light")
    return found


def in_high_contrast(window: Window) -> list[str]:
    """The same with the colors of high contrast, in light and in dark."""
    if window.page.locator("html.wall").count():
        return []  # what hangs in a waiting room has one look
    window.page.emulate_media(contrast="more")
    expect(window.page.locator("html")).to_have_attribute("data-contrast", "more")
    found = [*violations(window, "color-contrast"), *in_dark(window)]
    window.page.emulate_media(contrast="no-preference")
    return found


def kinds(window: Window) -> set[str]:
    """What there is on a page to have a color: each element's name with each of its classes."""
    found: list[str] = window.page.evaluate(
        """[...document.querySelectorAll("body, body *")].flatMap(({localName, classList}) =>
            [localName, ...[...classList].map(name => `${localName}.${name}`)])"""
    )
    return set(found)


def on_phone(window: Window, shot: Shot) -> list[str]:
    """How wide it is on a phone; and what axe finds there, where the layout is another."""
    window.page.set_viewport_size(PHONE)
    width = window.page.evaluate("document.documentElement.scrollWidth")
    if shot.name in ON_PHONE or width > PHONE["width"]:
        window.page.reload()  # as a phone would have loaded it
        stands(window)
        width = window.page.evaluate("document.documentElement.scrollWidth")
    found = violations(window) if shot.name in ON_PHONE else []
    window.page.set_viewport_size(DESK)
    return found if width <= PHONE["width"] else [*found, f"is {width} px wide"]


# One of each kind of layout: cards of a list, columns, a form, the board, the slot finder.
ON_PHONE = {"home", "orders", "order", "order-form", "book", "board", "report", "message-in"}


@pytest.fixture(scope="module")
def seen_in_dark() -> set[str]:
    """What was looked at in dark on some page before."""
    return set()


@pytest.mark.parametrize("role", roles(), ids=lambda role: role or "nobody")
def test_pages_are_accessible_within_the_policy_and_fit_a_phone(
    at: At, role: str, seen_in_dark: set[str]
) -> None:
    """One walk: in light and on a phone; in dark and in high contrast what no page had before."""
    window = at(role, viewport=DESK, color_scheme="light")
    found: dict[str, list[str]] = {}

    for shot in SHOTS:
        if shot.role == role:
            visit(window, shot)
            found[shot.name] = violations(window)
            if new := kinds(window) - seen_in_dark:
                seen_in_dark |= new
                found[f"{shot.name} in dark"] = in_dark(window)
                found[f"{shot.name} in high contrast"] = in_high_contrast(window)
            found[f"{shot.name} on a phone"] = on_phone(window, shot)
    found["console"] = window.problems

    assert {name: problems for name, problems in found.items() if problems} == {}


def test_pages_fit_a_very_narrow_screen(at: At) -> None:
    """WCAG 1.4.10: 320 pixels without scrolling sideways."""
    window = at("scheduler", viewport={"width": 320, "height": 640})
    wide = {}

    for path in ("/", "/orders/", "/board/", "/arrivals/", "/patients/", "/orders/new/"):
        window.open(path)
        wide[path] = window.page.evaluate("document.documentElement.scrollWidth")

    assert wide == dict.fromkeys(wide, 320)
