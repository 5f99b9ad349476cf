"""Every page in a real browser: accessible, within the policy, readable on desk and phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from docs.screenshots import SHOTS, Shot
from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(600)]
AXE = (Path(__file__).parent / "assets" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
At = Callable[..., Window]


def visit(window: Window, shot: Shot) -> None:
    window.open(shot.path)
    for selector in filter(None, shot.click.split("; ")):
        address = window.page.locator(selector).first.get_attribute("href")
        window.open(str(address))
    # What a page fetches once it stands belongs to it.
    expect(window.page.locator("[hx-trigger=load]")).to_have_count(0)


def violations(window: Window, *rules: str) -> list[str]:
    """What axe finds, one line each. Evaluated by the debugger, which no content policy stops."""
    window.page.evaluate(AXE)
    only = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": RULES}
    found = window.page.evaluate(
        "only => axe.run({runOnly: only}).then(result => result.violations)", only
    )
    return [f"{item['id']}: {node['html'][:200]}" for item in found for node in item["nodes"][:3]]


def roles() -> list[str]:
    return list(dict.fromkeys(shot.role for shot in SHOTS))


def test_pages_are_accessible_and_within_the_policy(at: At) -> None:
    """In light and in dark, which differ in nothing but colors."""
    found: dict[str, list[str]] = {}

    for role in roles():
        window = at(role, viewport=DESK, color_scheme="light")
        for shot in SHOTS:
            if shot.role == role:
                visit(window, shot)
                found[shot.name] = violations(window)
                window.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
                found[f"{shot.name} in dark"] = violations(window, "color-contrast")
                window.page.emulate_media(color_scheme="light")
        found[f"console of {role}"] = window.problems

    assert {name: problems for name, problems in found.items() if problems} == {}


# One of each kind of layout: cards of a list, columns, a form, the board, the slot finder.
ON_PHONE = {"home", "orders", "order", "order-form", "book", "board", "report", "message-in"}


def test_pages_fit_a_phone_and_stay_accessible(at: At) -> None:
    found: dict[str, list[str]] = {}

    for role in roles():
        window = at(role, viewport=PHONE)
        for shot in SHOTS:
            if shot.role == role:
                visit(window, shot)
                found[shot.name] = violations(window) if shot.name in ON_PHONE else []
                width = window.page.evaluate("document.documentElement.scrollWidth")
                if width > PHONE["width"]:
                    found[shot.name].append(f"is {width} px wide")

    assert {name: problems for name, problems in found.items() if problems} == {}


def test_pages_fit_a_very_narrow_screen(at: At) -> None:
    """WCAG 1.4.10: 320 pixels without scrolling sideways."""
    window = at("scheduler", viewport={"width": 320, "height": 640})
    wide = {}

    for path in ("/", "/orders/", "/board/", "/arrivals/", "/patients/", "/orders/new/"):
        window.open(path)
        wide[path] = window.page.evaluate("document.documentElement.scrollWidth")

    assert wide == dict.fromkeys(wide, 320)
