"""A real browser at the demo site.

The browser lives only as long as a test: its event loop would otherwise stand in the way of
database tests that run in the same process afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from docs.screenshots import ARGUMENTS
from tests import programs
from tests.running import Running


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


@pytest.fixture
def browser() -> Iterator[Browser]:
    programs.demand("chromium")
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


@pytest.fixture
def at(browser: Browser, running_ris: Running) -> Callable[..., Window]:
    """A window of somebody who is logged in: ``at("scheduler")``; options go to the context."""
    contexts: list[BrowserContext] = []

    def open_window(role: str = "", **options: object) -> Window:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(15_000)
        window = watch(context.new_page(), running_ris.url)
        if role:
            window.open("/login/")
            window.page.fill("#id_login", role)
            window.page.fill("#id_password", running_ris.password)
            window.page.press("#id_password", "Enter")
            window.page.wait_for_url(f"{running_ris.url}/")
        return window

    return open_window
