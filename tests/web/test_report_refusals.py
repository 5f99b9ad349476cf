"""What a refused signature leaves on the page, and what an open page hears of a signed report."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client

from ris.models import Order, ReportVersion
from tests import make
from tests.web.department import opened

As = Callable[[str], Client]
TEXT = {"findings": "No bleeding.", "impression": "Normal."}


def words(response: Any) -> str:
    """A page as it is read: without its markup."""
    page = response.content.decode()
    main = page.partition('id="main"')[2] or page
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", main)))


def left_over(response: Any) -> str:
    """What was typed and has no form on the page any more."""
    page: str = response.content.decode()
    found = re.search(r'<section[^>]*aria-labelledby="left-over-title">.*?</section>', page)
    return found.group() if found else ""


# --- what was typed stays on the page


def test_an_addendum_to_a_withdrawn_report_is_refused_with_its_text(
    exam: Order, reader: Client
) -> None:
    report = make.final_report(exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}retract/", {"reason": "Wrong patient", "version": "1"})

    page = reader.post(f"{address}addendum/", {"addendum": "A small nodule.", "version": "1"})
    correction = {**TEXT, "findings": "A nodule.", "reason": "Seen late", "version": "1"}
    corrected = reader.post(f"{address}correct/", correction)

    assert page.status_code == 409
    assert "This report is closed." in words(page)
    assert '<p dir="auto">A small nodule.</p>' in left_over(page)
    assert corrected.status_code == 409
    assert '<p dir="auto">A nodule.</p>' in left_over(corrected)
    assert '<p dir="auto">Seen late</p>' in left_over(corrected)


def test_a_draft_that_was_signed_meanwhile_is_no_correction(exam: Order, reader: Client) -> None:
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    form = {"as": "final", "revision": str(report.draft_revision)}
    reader.post(f"{address}sign/", {**TEXT, **form})

    late = reader.post(f"{address}sign/", {**form, "findings": "Large bleeding."})
    page = late.content.decode()

    assert late.status_code == 409
    assert "This report is signed: add to it, or correct it." in words(late)
    assert '<p dir="auto">Large bleeding.</p>' in left_over(late)
    assert page.count("Large bleeding.") == 1
    assert ">No bleeding.</textarea>" in page


def test_a_note_to_a_resident_that_came_too_late_stays(
    exam: Order, reader: Client, as_: As
) -> None:
    resident = as_("resident")
    report = opened(resident, exam)
    address = f"/reports/{report.public_id}/"
    form = {**TEXT, "as": "preliminary", "revision": str(report.draft_revision)}
    resident.post(f"{address}sign/", form)

    stale = reader.post(f"{address}return/", {"note": "Measure it.", "version": "0"})
    reader.post(f"{address}retract/", {"reason": "Wrong patient", "version": "1"})
    closed = reader.post(f"{address}return/", {"note": "Measure it.", "version": "1"})

    assert ">Measure it.</textarea>" in stale.content.decode()
    assert left_over(stale) == ""
    assert '<p dir="auto">Measure it.</p>' in left_over(closed)


def test_nothing_of_a_report_is_cut(exam: Order, reader: Client) -> None:
    report = opened(reader, exam)
    address = f"/reports/{report.public_id}/"
    long = "x" * 100_001
    form = {**TEXT, "findings": long, "revision": str(report.draft_revision)}

    saved = reader.post(f"{address}draft/", form, headers={"HX-Request": "true"})
    signed = reader.post(f"{address}sign/", {**form, "as": "final"})
    report.refresh_from_db()
    kept = dict(report.draft)
    final = {**TEXT, "as": "final", "revision": str(report.draft_revision)}
    reader.post(f"{address}sign/", final)
    added = reader.post(f"{address}addendum/", {"addendum": long, "version": "1"})
    reasoned = {**TEXT, "reason": "y" * 501, "version": "1"}
    corrected = reader.post(f"{address}correct/", reasoned)

    told = "Findings has more than 100,000 characters: shorten it; nothing was cut"
    assert (saved.status_code, told in words(saved)) == (422, True)
    assert (signed.status_code, told in words(signed)) == (422, True)
    assert f">{long}</textarea>" in signed.content.decode()
    assert kept == {}
    assert added.status_code == 422
    assert f">{long}</textarea>" in added.content.decode()
    assert corrected.status_code == 422
    assert f'value="{"y" * 501}"' in corrected.content.decode()
    assert ReportVersion.objects.count() == 1


# --- what a signature must say


@pytest.mark.parametrize("how", ["nonsense", ""])
def test_a_signature_is_preliminary_or_final(exam: Order, reader: Client, how: str) -> None:
    report = opened(reader, exam)
    form = {**TEXT, "as": how, "revision": str(report.draft_revision)}

    refused = reader.post(f"/reports/{report.public_id}/sign/", form)

    assert refused.status_code == 422
    assert "Sign as preliminary or as final." in words(refused)
    assert ReportVersion.objects.count() == 0


@pytest.mark.parametrize("revision", [None, "", "abc", "-1", "99"])
def test_a_signature_names_the_draft_that_was_read(
    exam: Order, reader: Client, revision: str | None
) -> None:
    report = opened(reader, exam)
    form = {**TEXT, "as": "final"} | ({} if revision is None else {"revision": revision})

    refused = reader.post(f"/reports/{report.public_id}/sign/", form)
    again = re.search(r'name="revision" id="revision" value="(-?\d+)"', refused.content.decode())

    assert refused.status_code == 409
    assert again is not None
    assert again.group(1) != str(report.draft_revision)  # it signs nothing unread at the second try
    assert ReportVersion.objects.count() == 0


def test_an_addendum_names_the_version_that_was_read(exam: Order, reader: Client) -> None:
    report = make.final_report(exam)

    refused = reader.post(f"/reports/{report.public_id}/addendum/", {"addendum": "Seen again."})

    assert refused.status_code == 409
    assert ">Seen again.</textarea>" in refused.content.decode()
    assert ReportVersion.objects.count() == 1


def test_a_withdrawn_report_is_refused_in_plain_words(exam: Order, reader: Client) -> None:
    report = make.final_report(exam)
    address = f"/reports/{report.public_id}/"
    reader.post(f"{address}retract/", {"reason": "Wrong patient", "version": "1"})
    report.refresh_from_db()

    form = {**TEXT, "as": "final", "revision": str(report.draft_revision)}
    signed = reader.post(f"{address}sign/", form)
    withdrawn = reader.post(f"{address}retract/", {"reason": "Again", "version": "2"})

    assert "This report is closed." in words(signed)
    assert "This report is closed." in words(withdrawn)
    assert '<p dir="auto">Again</p>' in left_over(withdrawn)


@pytest.mark.parametrize("version", ["-1", "0", "2", "1000000000", "x"])
def test_only_a_version_that_there_is_is_printed(exam: Order, reader: Client, version: str) -> None:
    report = make.final_report(exam)

    answer = reader.get(f"/reports/{report.public_id}/print/?version={version}")

    assert answer.status_code == 404


# --- an open page hears of it


def test_an_open_page_hears_of_a_later_version_and_of_a_withdrawal(
    exam: Order, reader: Client, as_: As
) -> None:
    desk = as_("frontdesk")
    report = make.final_report(exam)
    address = f"/reports/{report.public_id}/"
    shown = desk.get(address).content.decode()
    found = re.search(r'id="report-changed" data-live="reading" hx-get="([^"]+)"', shown)
    assert found is not None
    listens = found.group(1)

    same = words(desk.get(listens))
    reader.post(f"{address}addendum/", {"addendum": "Seen again.", "version": "1"})
    changed = words(desk.get(listens))
    reader.post(f"{address}retract/", {"reason": "Wrong patient", "version": "2"})
    withdrawn = words(desk.get(listens))

    assert same.strip() == ""
    assert "This report was changed: there is version 2. Amended load the present state" in changed
    assert "This report was withdrawn: do not rely on what it said." in withdrawn
    assert "report-changed" not in desk.get(address).content.decode()
