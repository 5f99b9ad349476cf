"""Take the pictures of ``docs/images`` from a running demo site.

    make run                                  # in one terminal
    .venv/bin/python docs/screenshots.py      # in another

Each page is shown to the role it is for, at desk and phone width, light and dark. Name pages to
take only those: ``docs/screenshots.py orders board --widths 1440 --themes light``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, StorageState, sync_playwright

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HEIGHTS = {1440: 900, 390: 844}


@dataclass(frozen=True, slots=True)
class Shot:
    """``role`` empty: not logged in. ``click``: what the way goes on by, see ``walk``."""

    name: str
    role: str
    path: str
    click: str = ""


ROW = "main .row-link"
BORN = "the birth date"
CONTACT = "main a[href$='/patient/']"
OPENED = "main a[href^='/p/']"
SHOTS: tuple[Shot, ...] = (
    Shot("login", "", "/login/"),
    Shot("home", "scheduler", "/"),
    Shot("home-radiologist", "radiologist", "/"),
    Shot("home-admin", "admin", "/"),
    Shot("orders", "scheduler", "/orders/"),
    Shot("orders-needs-information", "scheduler", "/orders/?tab=needs-information"),
    Shot("orders-wait-list", "scheduler", "/orders/?tab=wait-list"),
    Shot("orders-scheduled", "scheduler", "/orders/?tab=scheduled"),
    Shot("orders-closed", "scheduler", "/orders/?tab=closed"),
    Shot("order", "scheduler", "/orders/?tab=scheduled", ROW),
    Shot("order-timeline", "admin", "/orders/?tab=closed", ROW),
    Shot("order-new", "frontdesk", "/orders/new/"),
    Shot("order-change", "scheduler", "/orders/", f"{ROW}; main a[href$='/revise/']"),
    Shot(
        "order-form",
        "frontdesk",
        "/patients/",
        "main .row-link >> nth=0; main a[href*='/orders/new/']",
    ),
    Shot("book", "scheduler", "/orders/", "main a[href^='/book/']"),
    Shot("board", "scheduler", "/board/"),
    Shot("board-week", "scheduler", "/board/?view=week&modality=CT"),
    Shot("board-list", "frontdesk", "/board/?view=list"),
    Shot("board-table", "scheduler", "/board/?view=table"),
    Shot("board-close", "scheduler", "/board/close/"),
    Shot("board-relocate", "scheduler", "/board/relocate/?room=CT1"),
    Shot("board-print", "frontdesk", "/board/print/"),
    Shot("arrivals", "frontdesk", "/arrivals/"),
    Shot("check-in", "frontdesk", "/arrivals/", ROW),
    Shot("walk-in", "frontdesk", "/arrivals/walk-in/?new=1"),
    Shot("desk-setup", "manager", "/arrivals/setup/"),
    Shot("wall", "manager", "/arrivals/setup/", "main a[href^='/wall/']"),
    Shot("wall-control", "manager", "/arrivals/setup/", "main a[href$='kind=CONTROL']"),
    Shot("rooms", "technologist", "/room/"),
    Shot("room", "technologist", "/room/CT1/"),
    Shot("room-supplies", "technologist", "/room/CT1/", "main a[data-key=s]"),
    Shot("supplies", "manager", "/supplies/"),
    Shot("supply", "manager", "/supplies/", ROW),
    Shot("supplies-usual", "manager", "/supplies/usual/"),
    Shot("letterhead", "admin", "/letterhead/"),
    Shot("reading", "radiologist", "/reading/"),
    Shot("reading-mine", "radiologist", "/reading/mine/"),
    Shot("reading-targets", "manager", "/reading/targets/"),
    Shot("report", "radiologist", "/reading/?pile=preliminary", ROW),
    Shot("report-editor", "radiologist", "/reading/?pile=drafts", ROW),
    Shot("report-templates", "radiologist", "/report-templates/"),
    Shot("report-template", "radiologist", "/report-templates/", ROW),
    Shot(
        "report-template-edit",
        "radiologist",
        "/report-templates/",
        f"{ROW}; main a[href$='/edit/']",
    ),
    Shot("report-template-import", "radiologist", "/report-templates/import/"),
    Shot("report-macros", "radiologist", "/report-templates/macros/"),
    Shot("report-final", "radiologist", "/reading/?pile=signed", ROW),
    Shot("report-to-verify", "radiologist", "/reading/?pile=sent", ROW),
    Shot("report-given-back", "resident", "/reading/?pile=drafts", ROW),
    Shot(
        "report-versions",
        "radiologist",
        "/reading/?pile=signed&modality=MR",
        f"{ROW}; a[href$='/differences/']",
    ),
    Shot("report-readers", "manager", "/reading/?pile=signed", f"{ROW}; a[href$='/readers/']"),
    Shot(
        "report-archive",
        "radiologist",
        "/reading/?pile=signed",
        f"{ROW}; main a[href$='/archive/']",
    ),
    Shot("critical", "radiologist", "/critical/"),
    Shot("critical-flag", "radiologist", "/reading/", "main a[href$='/critical/flag/']"),
    Shot("critical-done", "frontdesk", "/critical/?pile=done"),
    Shot("critical-categories", "manager", "/critical/categories/"),
    Shot("follow-ups", "scheduler", "/follow-ups/"),
    Shot("follow-up-letter", "scheduler", "/follow-ups/", "main a[href$='/letter/']"),
    Shot("peer-review", "radiologist", "/peer-review/"),
    Shot("peer-review-rates", "manager", "/peer-review/"),
    Shot("peer-review-one", "radiologist", "/peer-review/", "main a[href^='/peer-review/']"),
    Shot("peer-review-rules", "manager", "/peer-review/rules/"),
    Shot("exceptions", "admin", "/exceptions/"),
    Shot("exception", "technologist", "/exceptions/", "main a[href*='/exceptions/performed/']"),
    Shot("messages", "admin", "/messages/"),
    Shot("message-in", "admin", "/messages/", ROW),
    Shot("messages-out", "admin", "/messages/?way=out"),
    Shot("message-out", "admin", "/messages/?way=out", ROW),
    Shot("messages-parked", "admin", "/messages/parked/"),
    Shot("message-edit", "admin", "/messages/parked/", "main a[href*='/in/'][href$='/edit/']"),
    Shot("messages-compare", "admin", "/messages/compare/"),
    Shot("runs", "admin", "/messages/runs/"),
    Shot("run-new", "admin", "/messages/runs/new/?state=open"),
    Shot("interfaces", "admin", "/interfaces/"),
    Shot("interface-in", "admin", "/interfaces/", "main article:nth-of-type(1) h3 a"),
    Shot("interface-out", "admin", "/interfaces/", "main article:nth-of-type(2) h3 a"),
    Shot("interface-new", "admin", "/interfaces/new/"),
    Shot("subscriptions", "admin", "/interfaces/subscriptions/"),
    Shot("api-clients", "admin", "/interfaces/clients/"),
    Shot("mappings", "admin", "/interfaces/mappings/"),
    Shot("mapping", "admin", "/interfaces/mappings/", ROW),
    Shot("try", "admin", "/interfaces/try/"),
    Shot(
        "interface-edit",
        "admin",
        "/interfaces/",
        "main article:nth-of-type(2) h3 a; main a[href$='/edit/']",
    ),
    Shot("devices", "admin", "/devices/"),
    Shot("device", "admin", "/devices/CT1/"),
    Shot(
        "device-query",
        "admin",
        "/devices/CT1/",
        "main a.row-link[href^='/devices/queries/']",
    ),
    Shot("device-refused", "admin", "/devices/US1/"),
    Shot("why", "technologist", "/orders/?tab=scheduled", f"{ROW}; main a[href*='/devices/why/']"),
    Shot("analytics", "manager", "/analytics/?from=2020-01-01&by=priority"),
    Shot("analytics-reports", "manager", "/analytics/reports/"),
    Shot("patient-messages", "admin", "/patient-messages/"),
    Shot("patient-message-rule", "admin", "/patient-messages/rules/reminder/mail/?for=one"),
    Shot("patient-message-text", "admin", "/patient-messages/texts/booked/mail/de/"),
    Shot("patient-page-policy", "manager", "/patient-messages/page/"),
    Shot("patient-contact", "admin", "/patient-messages/", CONTACT),
    Shot("patient-page-closed", "admin", "/patient-messages/", f"{CONTACT}; {OPENED}"),
    Shot("patient-page", "admin", "/patient-messages/", f"{CONTACT}; {OPENED}; {BORN}"),
    Shot("resources", "manager", "/resources/"),
    Shot("resource", "technologist", "/resources/?kind=device", "main a.row-link:text-is('NM1')"),
    Shot("resource-edit", "manager", "/resources/?kind=device", ROW),
    Shot(
        "resource-block",
        "manager",
        "/resources/?kind=device",
        f"{ROW}; main a[href*='/blocks/']",
    ),
    Shot("resource-new", "manager", "/resources/new/staff/"),
    Shot("resource-groups", "manager", "/resources/groups/"),
    Shot("holidays", "manager", "/resources/holidays/"),
    Shot("resource-files", "manager", "/resources/files/"),
    Shot("resource-upload", "manager", "/resources/files/staff/"),
    Shot("catalog", "manager", "/catalog/"),
    Shot("catalog-procedure", "manager", "/catalog/", ROW),
    Shot("catalog-upload", "manager", "/catalog/upload/"),
    Shot("protocol-upload", "manager", "/catalog/protocols/upload/"),
    Shot("protocoling", "radiologist", "/protocoling/"),
    Shot("protocoling-exam", "radiologist", "/protocoling/", ROW),
    Shot("protocoling-rejected", "radiologist", "/protocoling/?tab=rejected", ROW),
    Shot("safety", "radiologist", "/protocoling/?tab=decided", f"{ROW}; main a[href^='/safety/']"),
    Shot("safety-open", "technologist", "/protocoling/", f"{ROW}; main a[href^='/safety/']"),
    Shot("safety-questions", "manager", "/catalog/safety/"),
    Shot("safety-question", "manager", "/catalog/safety/", ROW),
    Shot("safety-upload", "manager", "/catalog/safety/upload/"),
    Shot("protocols", "manager", "/catalog/protocols/"),
    Shot("protocol", "manager", "/catalog/protocols/", ROW),
    Shot("protocol-needs", "manager", "/catalog/protocols/needs/?modality=MR"),
    Shot("authorization", "scheduler", "/authorization/"),
    Shot("authorization-rules", "manager", "/authorization/rules/"),
    Shot("dose", "manager", "/dose/"),
    Shot("dose-trend", "manager", "/dose/trend/"),
    Shot("dose-export", "manager", "/dose/export/"),
    Shot("mammography", "radiologist", "/mammography/"),
    Shot("mammography-exam", "radiologist", "/mammography/", ROW),
    Shot("mammography-letters", "frontdesk", "/mammography/letters/"),
    Shot("mammography-outcomes", "manager", "/mammography/outcomes/"),
    Shot("mammography-setup", "manager", "/mammography/setup/"),
    Shot("mammography-text", "manager", "/mammography/setup/texts/biopsy/de/"),
    Shot("dose-document", "technologist", "/dose/", "main a[href^='/dose/documents/']"),
    Shot("dose-order", "manager", "/dose/", "main a.row-link[href^='/orders/']"),
    Shot("dose-levels", "manager", "/dose/levels/"),
    Shot("patients", "frontdesk", "/patients/"),
    Shot("patient", "frontdesk", "/patients/", ROW),
    Shot("patient-new", "frontdesk", "/patients/new/"),
    Shot("patient-record", "scheduler", "/patients/?q=H100161"),
    Shot("patient-merge", "scheduler", "/patients/?q=H100161", "a[href$='/merge/']"),
    Shot("search", "admin", "/search/?q=a"),
    Shot("referrer", "referrer", "/referrer/"),
    Shot("referrer-to-acknowledge", "referrer", "/referrer/?pile=to-acknowledge"),
    Shot("referrer-result", "referrer", "/referrer/?pile=to-acknowledge", ROW),
    Shot("referrer-waiting", "referrer", "/referrer/?pile=open", ROW),
    Shot("referrer-new", "referrer", "/referrer/new/"),
    Shot(
        "referrer-order-again",
        "referrer",
        "/referrer/",
        f"{ROW}; main a[href*='/referrer/new/?patient=']",
    ),
    Shot("referrer-notices", "referrer", "/referrer/notices/"),
    Shot("referrers", "manager", "/referrers/"),
    Shot("logins", "admin", "/users/"),
    Shot("login-roles", "admin", "/users/", ROW),
    Shot("audit", "admin", "/audit/"),
    Shot("account", "radiologist", "/account/"),
)


def chromium() -> str:
    """The system's browser; ``RIS_CHROMIUM`` names another."""
    names = [os.environ.get("RIS_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        sys.exit("no Chromium: install one or name it in RIS_CHROMIUM")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield started
        started.close()


def log_in(browser: Browser, url: str, role: str, password: str) -> StorageState:
    """The cookies of a login."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/login/")
    page.fill("#id_login", role)
    page.fill("#id_password", password)
    page.press("#id_password", "Enter")
    # Each role has a page of its own to start with.
    page.wait_for_url(lambda address: "/login/" not in address)
    state = context.storage_state()
    context.close()
    return state


def walk(page: Page, url: str, shot: Shot) -> None:
    """Go to a page: by its address, then by the first link of each selector.

    A patient's own page asks for the birth date; the page before has said it.
    """
    page.goto(f"{url}{shot.path}")
    born = ""
    for step in filter(None, shot.click.split("; ")):
        if step == BORN:
            field = page.locator("#born")
            if field.count():  # else it was said before
                field.fill(born)
                field.press("Enter")
            page.locator(".visit-facts").wait_for()
            continue
        told = page.locator("time[data-birth]")
        born = str(told.first.get_attribute("datetime")) if told.count() else born
        address = page.locator(step).first.get_attribute("href")
        page.goto(f"{url}{address}" if address and address.startswith("/") else str(address))


def open_page(page: Page, url: str, shot: Shot) -> None:
    walk(page, url, shot)
    # The network is never idle, for open pages listen. What a page fetches by itself belongs to it.
    page.locator("[hx-trigger=load]").first.wait_for(state="detached")
    page.wait_for_timeout(1000)


def take(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    states: dict[str, Any] = {}
    with browser() as chrome:
        for shot in SHOTS:
            if arguments.names and shot.name not in arguments.names:
                continue
            if shot.role and shot.role not in states:
                states[shot.role] = log_in(chrome, arguments.url, shot.role, arguments.password)
            for width in arguments.widths:
                for theme in arguments.themes:
                    context = chrome.new_context(
                        viewport={"width": width, "height": HEIGHTS.get(width, 900)},
                        color_scheme=theme,
                        storage_state=states.get(shot.role),
                    )
                    context.set_default_timeout(10_000)
                    page = context.new_page()
                    open_page(page, arguments.url, shot)
                    name = f"{shot.name}-{width}-{theme}.png"
                    page.screenshot(path=folder / name, full_page=arguments.full)
                    sys.stdout.write(f"{folder / name}\n")
                    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="name", help="only these pages")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the running demo")
    parser.add_argument("--password", default="demo")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--widths", type=int, nargs="+", default=[1440, 390])
    parser.add_argument("--themes", nargs="+", default=["light", "dark"])
    parser.add_argument("--full", action="store_true", help="the whole page, not only the screen")
    take(parser.parse_args())


if __name__ == "__main__":
    main()
