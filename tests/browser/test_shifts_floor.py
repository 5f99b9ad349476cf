"""Shifts on the floor: a room's day with MPPS and without, a rush at the desk, the wall."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset
from pynetdicom import AE

from ris.domain.identifiers import new_uid
from tests.browser.conftest import Window, press
from tests.running import Running
from worklist.modality import begun, ended

pytestmark = [pytest.mark.browser, pytest.mark.wire, pytest.mark.timeout(300)]
At = Callable[..., Window]
MPPS = "1.2.840.10008.3.1.2.3.3"
WORKLIST = "1.2.840.10008.5.1.4.31"


def take_in(window: Window, exam: str, room: str, family: str) -> str:
    """Somebody without an appointment, over what is booked whatever the hour; the accession."""
    page = window.page
    window.open("/arrivals/walk-in/?new=1")
    page.locator("#id_family_name").fill(family)
    page.locator("#id_given_name").fill("Nora")
    page.locator("#id_birth_date").fill("17.2.2001")
    chosen = page.get_by_role("combobox", name="Exam", exact=True)
    chosen.fill(exam)
    chosen.press("Enter")
    page.locator("#id_device").select_option(label=option(page, "#id_device", room))
    page.locator("#id_reason").fill("Fell from a bicycle")
    page.locator("#id_squeeze").check()
    page.locator("#id_squeeze_reason").fill("Sent from the emergency room")
    page.get_by_role("button", name="Take in and check in").click()
    page.wait_for_url(re.compile(r"/arrivals/\?done="))
    row = page.locator("tr", has_text=family.upper())
    return row.locator(".mono").last.inner_text()


def option(page: Page, select: str, words: str) -> str:
    labels = page.locator(f"{select} option").all_inner_texts()
    return next(label for label in labels if label.startswith(words))


@contextmanager
def scanner(ris: Running, *contexts: str) -> Iterator[Any]:
    """An association of CT1, as pynetdicom makes it."""
    ae = AE("CT1")
    for context in contexts:
        ae.add_requested_context(context)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    association = ae.associate("127.0.0.1", ris.dicom_port, ae_title=ris.ae_title)
    assert association.is_established
    yield association
    association.release()


def entry(ris: Running, accession: str) -> Dataset:
    query = Dataset()
    query.PatientName = query.PatientID = query.PatientBirthDate = query.PatientSex = ""
    query.StudyInstanceUID = query.RequestedProcedureID = ""
    query.RequestedProcedureDescription = ""
    query.AccessionNumber = accession
    step = Dataset()
    step.ScheduledStationAETitle = step.Modality = step.ScheduledProcedureStepID = ""
    step.ScheduledProcedureStepDescription = ""
    query.ScheduledProcedureStepSequence = [step]
    with scanner(ris, WORKLIST) as association:
        found = [each for _, each in association.send_c_find(query, WORKLIST) if each]
    assert len(found) == 1
    return found[0]


def refresh(page: Page) -> None:
    page.evaluate("htmx.trigger(document.querySelector('[data-live]'), 'every')")


def front(page: Page, name: str) -> None:
    """Bring a patient of the lists to the front, if it is not there."""
    if name not in page.locator("#current-title").inner_text():
        page.locator("main table .row-link", has_text=name).first.click()
    expect(page.locator("#current-title")).to_contain_text(name)


def test_room_follows_its_scanner_through_an_exam(at: At, running_ris: Running) -> None:
    accession = take_in(at("scheduler"), "CT head without contrast", "CT room", "Bellweather")
    room = at("technologist")
    page = room.page
    room.open("/room/CT1/")
    front(page, "BELLWEATHER")
    press(page, "r")
    expect(page.locator(".current-state")).to_contain_text("Prepared")

    worklist_entry, uid, now = entry(running_ris, accession), new_uid(), datetime.now(UTC)
    with scanner(running_ris, MPPS) as association:
        status, _ = association.send_n_create(
            begun(worklist_entry, station="CT1", at=now), MPPS, uid
        )
        assert status.Status == 0x0000
        refresh(page)
        expect(page.locator(".current")).to_contain_text("Scanner reported begin")
        page.locator(".current [data-key=s]").focus()
        press(page, "s")
        dialog = page.locator("dialog#exam")
        expect(dialog).to_be_visible()
        dialog.locator("select[name=supply]").first.select_option(label="Iohexol 350 (ml)")
        dialog.locator("input[name=amount]").first.fill("60")
        dialog.locator("input[name=amount]").first.press("Enter")
        expect(page.locator("main")).to_contain_text("its lot number is required")
        page.locator("input[name=lot]").first.fill("L777")
        page.locator("input[name=lot]").first.press("Enter")
        front(page, "BELLWEATHER")
        expect(page.locator(".current-notes")).to_contain_text("60 ml, 21 g I")
        status, _ = association.send_n_set(ended(worklist_entry, at=now), MPPS, uid)
        assert status.Status == 0x0000
    refresh(page)

    expect(page.locator(".current-state")).to_contain_text("Done")
    # The page that said what was missing answered 422, which the browser notes.
    assert [text for text in room.problems if "422" not in text] == []


def test_room_without_mpps_is_run_by_keys(at: At) -> None:
    take_in(at("scheduler"), "Ultrasound abdomen", "US room", "Quillfeather")
    room = at("technologist")
    page = room.page
    room.open("/room/US1/")
    front(page, "QUILLFEATHER")

    press(page, "c")
    expect(page.locator("#main")).to_contain_text("is called")
    press(page, "r")
    expect(page.locator(".current-state")).to_contain_text("Prepared")
    press(page, "b")
    expect(page.locator("#main")).to_contain_text("Begun.")
    front(page, "QUILLFEATHER")
    page.locator("#current-title a").focus()
    press(page, "e")

    expect(page.locator("#main")).to_contain_text("Completed. The exam waits to be read.")
    done = page.locator("section", has=page.locator("#list-done"))
    expect(done).to_contain_text("QUILLFEATHER")
    assert room.problems == []


def test_rush_at_the_desk_is_checked_in_without_a_mouse(at: At) -> None:
    desk = at("frontdesk")
    page = desk.page
    desk.open("/arrivals/")
    people = page.locator("section:has(#group-expected) tbody tr").evaluate_all(
        """rows => rows.map(row => [row.querySelector("th .mono").innerText,
            row.querySelector("th .sub").innerText])"""
    )
    known = [(number, born(text)) for number, text in people if born(text)]
    assert known, "the demo expects somebody today"
    singles = [pair for pair in known if [n for n, _ in known].count(pair[0]) == 1][:3]

    for number, day in singles:
        page.locator("#main").focus()
        press(page, "f")
        page.keyboard.insert_text(number)
        press(page, "Enter")
        page.wait_for_url(re.compile(r"/arrivals/[0-9a-f-]{36}/"))
        expect(page.locator("#id_birth_date")).to_be_focused()
        expect(page.locator("#id_number")).to_have_value(number)
        page.keyboard.type(day)
        press(page, "Enter")
        page.wait_for_url(re.compile(r"/arrivals/\?.*done="))
        expect(page.locator("#main")).to_contain_text("Checked in as number")
        row = page.locator("section:has(#group-here) tr", has_text=number)
        expect(row.locator(".row-link")).to_be_focused()
        expect(row.locator("[data-key=p]")).to_have_attribute(
            "href", re.compile(r"^/labels/appointment/")
        )

    assert desk.problems == []


def born(text: str) -> str:
    """``1 Jul 1967 (59 y) …`` as somebody types it: 01.07.1967; empty for part of a date."""
    match = re.match(r"(\d{1,2} \w{3} \d{4})", text)
    return datetime.strptime(match[1], "%d %b %Y").strftime("%d.%m.%Y") if match else ""  # noqa: DTZ007


def test_wall_shows_who_is_called_and_says_when_it_is_cut_off(at: At) -> None:
    address = wall(at, "Test wall")
    screen = at("")
    with screen.page.expect_response(lambda response: "/live/" in response.url):
        screen.page.goto(address)
    take_in(at("scheduler"), "Ultrasound thyroid", "US room", "Nightingale")
    room = at("technologist")
    room.open("/room/US1/")
    front(room.page, "NIGHTINGALE")
    press(room.page, "c")
    expect(room.page.locator("#main")).to_contain_text("is called")
    said = re.search(r"Number (\d+)", room.page.locator("#main").inner_text())
    assert said is not None

    newest = screen.page.locator(".wall-called .is-newest")
    # Told by the stream: by the clock it would ask only every 15 seconds.
    expect(newest).to_contain_text(said[1], timeout=12_000)
    expect(newest).to_contain_text("US room")
    expect(screen.page.locator("#wall")).not_to_contain_text("NIGHTINGALE")

    screen.page.context.set_offline(True)
    expect(screen.page.locator("#stale")).to_be_visible()
    expect(screen.page.locator("#stale")).to_contain_text("Not up to date")


def test_wall_whose_stream_fails_again_and_again_still_asks(at: At) -> None:
    address = wall(at, "Wall without a stream")
    page = at("").page
    page.route("**/live/**", lambda route: route.abort("connectionrefused"))
    page.goto(address)

    for _ in range(2):
        with page.expect_response(lambda response: response.url == page.url, timeout=12_000):
            pass


def wall(at: At, name: str) -> str:
    """The address of a new screen."""
    admin = at("admin")
    admin.open("/arrivals/setup/")
    admin.page.locator("#id_screen-name").fill(name)
    admin.page.get_by_role("button", name="Issue an address").click()
    row = admin.page.locator("tr", has_text=name).first
    return str(row.locator("a.wall-address").get_attribute("href"))


def test_each_role_is_offered_only_what_it_may_do(at: At) -> None:
    desk, reader, technologist = at("frontdesk"), at("radiologist"), at("technologist")

    desk.open("/room/US1/")
    technologist.open("/arrivals/")

    assert desk.page.get_by_role("button", name="Begin").count() == 0
    assert desk.page.get_by_role("link", name="Contrast and material").count() == 0
    assert technologist.page.get_by_role("link", name="Walk-in").count() == 0
    assert reader.open("/arrivals/") == 403
    assert reader.open("/arrivals/walk-in/") == 403
    assert technologist.open("/arrivals/setup/") == 403
