"""A real browser at the demo site, and how its keys are pressed.

The browser lives as long as its tests follow one another: its event loop would stand in the way of
database tests that run in the same process afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    StorageState,
    expect,
    sync_playwright,
)

from docs.screenshots import ARGUMENTS, log_in
from tests import programs
from tests.running import Running

# How long anything may take: what is right is there sooner, but on a machine with much to do.
PATIENCE_MS = 30_000


@dataclass(slots=True)
class Window:
    """A page with what went wrong in it."""

    page: Page
    site: str
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> int:
        """Go to a path; returns the HTTP status."""
        response = self.page.goto(f"{self.site}{path}")
        assert response is not None
        return response.status

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.site)


def press(page: Page, *keys: str) -> None:
    """Press keys, each once the page stands: what listens to them is loaded last."""
    for key in keys:
        page.wait_for_load_state()
        page.keyboard.press(key)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    programs.demand("chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=programs.chromium(), args=ARGUMENTS)
        yield started
        started.close()


def watch(page: Page, site: str) -> Window:
    """Note every error that the page reports, violations of the content policy included."""
    window = Window(page, site)
    page.on(
        "console",
        lambda message: window.problems.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: window.problems.append(str(error)))
    return window


@pytest.fixture(scope="session")
def logins() -> dict[str, StorageState]:
    """The cookies of each role, once it has logged in."""
    return {}


@pytest.fixture
def at(
    browser: Browser, running_ris: Running, logins: dict[str, StorageState]
) -> Iterator[Callable[..., Window]]:
    """A window of somebody who is logged in: ``at("scheduler")``; options go to the context."""
    contexts: list[BrowserContext] = []

    def open_window(role: str = "", **options: Any) -> Window:
        if role and role not in logins:
            logins[role] = log_in(browser, running_ris.url, role, running_ris.password)
        context = browser.new_context(storage_state=logins.get(role), **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        window = watch(context.new_page(), running_ris.url)
        window.open("/" if role else "/login/")
        return window

    yield open_window
    for context in contexts:
        context.close()
