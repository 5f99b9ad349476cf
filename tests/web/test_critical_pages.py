"""Critical results at the pages: flagged, called, signed, and the list by time left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris.models import CriticalCategory, CriticalFinding
from tests import make
from tests.web.department import Department, version_in, whole

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
As = Callable[[str], Client]


def flag(client: Client, full: Department, **said: str) -> CriticalFinding:
    form = {"finding": "Free air", "category": "RED", **said}
    client.post(f"/reports/{full.draft.public_id}/critical/flag/", form)
    return CriticalFinding.objects.latest("pk")


def test_no_result_of_a_call_is_chosen_for_who_notes_it(as_: As, full: Department) -> None:
    row = flag(as_("radiologist"), full, tell="Dr. Night")
    desk = as_("frontdesk")

    listed = desk.get("/critical/").content.decode()
    noted = desk.post(f"/critical/{row.public_id}/attempt/", {"who": "Dr. Night", "result": ""})

    row.refresh_from_db()
    assert 'name="result" required><option value="">' in listed
    assert noted.status_code == 422
    assert (row.status, row.attempts.count()) == ("OPEN", 0)


def test_a_finding_is_flagged_called_and_closed(as_: As, full: Department) -> None:
    row = flag(as_("radiologist"), full, tell="Dr. Night", phone="555-0101")
    desk = as_("frontdesk")
    listed = desk.get("/critical/").content.decode()

    desk.post(f"/critical/{row.public_id}/attempt/", {"who": "Dr. Night", "result": "missed"})
    desk.post(f"/critical/{row.public_id}/attempt/", {"who": "Dr. Night", "result": "read-back"})

    row.refresh_from_db()
    assert "Free air" in listed
    assert "555-0101" in listed
    assert "60 min left" in listed
    assert (row.status, [each.reached for each in row.attempts.all()]) == (
        "ACKNOWLEDGED",
        [False, True],
    )
    assert "Free air" not in desk.get("/critical/").content.decode()
    assert "read back" in desk.get("/critical/?pile=done").content.decode()


def test_signing_waits_for_a_call_or_a_reason(as_: As, full: Department) -> None:
    reader = as_("radiologist")
    row = flag(reader, full)
    address = f"/reports/{full.draft.public_id}/"
    form = {**make.TEXT, "as": "final", "revision": str(full.draft.draft_revision)}

    refused = reader.post(f"{address}sign/", form)
    reader.post(f"/critical/{row.public_id}/waive/", {"reason": "ward closed"})
    signed = reader.post(f"{address}sign/", form)

    assert refused.status_code == 409
    assert "obody was called about “Free air” yet" in refused.content.decode()
    # Nobody wrote meanwhile: there is nothing to copy, and the call is noted on this page.
    assert "load the present state" not in refused.content.decode()
    assert '</strong> Nothing was signed; your text is below.</p><p><a href="#critical">' in (
        refused.content.decode()
    )
    assert signed.status_code == 303
    assert "Reason: ward closed" in whole(reader, address)


def test_the_page_itself_says_that_a_finding_waits_for_its_call(as_: As, full: Department) -> None:
    """Also where the part with the calls does not come."""
    reader, address = as_("radiologist"), f"/reports/{full.draft.public_id}/"
    before = reader.get(address).content.decode()
    row = flag(reader, full)
    waiting = reader.get(address).content.decode()

    told = {"who": "Dr. Night", "result": "read-back", "next": address}
    noted = reader.post(f"/critical/{row.public_id}/attempt/", told)

    words = "A critical finding of this exam is not acknowledged yet."
    assert words not in before
    assert f'{words}</strong> <a href="#critical">' in waiting
    assert 'id="critical"' in waiting
    assert noted["Location"] == address
    assert words not in reader.get(address).content.decode()


def test_a_withdrawn_report_leaves_its_finding_to_the_next(as_: As, full: Department) -> None:
    reader, address = as_("radiologist"), f"/reports/{full.draft.public_id}/"
    flag(reader, full)
    full.draft.refresh_from_db()
    form = {**make.TEXT, "as": "preliminary", "revision": str(full.draft.draft_revision)}
    reader.post(f"{address}sign/", form)
    reader.post(f"{address}retract/", {"reason": "Wrong patient", "version": "1"})
    exam = str(full.draft.procedures.get().public_id)

    listed = reader.get("/critical/").content.decode()
    closed = reader.get(f"{address}findings/").content.decode()
    begun = reader.post("/reading/open/", {"procedure": exam})
    anew = reader.get(begun["Location"]).content.decode()

    assert "Report withdrawn" in listed
    assert "Free air" in closed
    assert "Flag a critical finding" not in closed
    assert "A critical finding of this exam is not acknowledged yet." in anew


def test_a_call_noted_in_the_part_leads_back_to_the_report(as_: As, full: Department) -> None:
    reader, address = as_("radiologist"), f"/reports/{full.draft.public_id}/"
    flag(reader, full)

    part = reader.get(f"{address}findings/", headers={"HX-Request": "true"}).content.decode()

    assert f'name="next" value="{address}"' in part


def test_what_was_told_later_offers_an_addendum(as_: As, full: Department) -> None:
    reader, address = as_("radiologist"), f"/reports/{full.final.public_id}/"
    reader.post(f"{address}critical/flag/", {"finding": "Free air", "category": "RED"})
    row = CriticalFinding.objects.get()
    before = whole(reader, address)

    reader.post(f"/critical/{row.public_id}/attempt/", {"who": "Dr. X", "result": "told"})

    offer = "the printed report does not say so yet"
    assert offer not in before
    assert offer in whole(reader, address)


def test_categories_are_changed_by_a_manager_and_errors_keep_what_was_typed(
    as_: As, rooms: None
) -> None:
    manager = as_("manager")
    row = {"code-0": "now", "name-0": "At once", "time-0": "20", "unit-0": "min", "share-0": "25"}
    row |= {"version": version_in(manager.get("/critical/categories/"))}

    refused = manager.post("/critical/categories/", {**row, "time-0": "soon"})
    saved = manager.post("/critical/categories/", {**row, "escalation-0": "radiologist, Dr. Lee"})

    too_late = manager.post("/critical/categories/", {**row, "name-0": "Over it"})

    stored = CriticalCategory.objects.get()
    assert too_late.status_code == 409
    assert 'value="Over it"' in too_late.content.decode()
    assert stored.name == "At once"
    assert (refused.status_code, 'value="soon"' in refused.content.decode()) == (422, True)
    assert saved.status_code == 303
    assert (stored.code, stored.minutes, stored.share, stored.escalation) == (
        "NOW",
        20,
        25,
        ["radiologist", "Dr. Lee"],
    )
    assert as_("radiologist").get("/critical/categories/").status_code == 403


def test_the_list_stays_within_its_queries(as_: As, full: Department) -> None:
    reader = as_("radiologist")
    for number in range(3):
        flag(reader, full, finding=f"Finding {number}")
    reader.get("/critical/")

    with CaptureQueriesContext(connection) as queries:
        reader.get("/critical/")

    assert len(queries) <= BUDGETS["page_critical"]


def test_a_finding_is_flagged_before_there_is_a_report(as_: As, full: Department) -> None:
    reader = as_("radiologist")
    procedure = full.unread.procedures.get()
    address = f"/procedures/{procedure.public_id}/critical/flag/"
    offered = [
        reader.get(page).content.decode()
        for page in ("/reading/", f"/orders/{full.unread.public_id}/")
    ]

    refused = reader.post(address, {"finding": " ", "category": "RED", "phone": "555-0102"})
    flagged = reader.post(address, {"finding": "Free air", "category": "RED"})
    row = CriticalFinding.objects.get()
    told = {"who": "Dr. Night", "result": "missed", "next": address}
    noted = reader.post(f"/critical/{row.public_id}/attempt/", told)

    shown = reader.get(address).content.decode()
    assert all(f'href="{address}"' in page for page in offered)
    assert (refused.status_code, 'value="555-0102"' in refused.content.decode()) == (422, True)
    assert (row.procedure, row.report, flagged["Location"]) == (procedure, None, address)
    assert noted["Location"] == address
    assert "Free air" in shown
    assert "Dr. Night not reached" in shown
    assert as_("frontdesk").get(address).status_code == 403


def test_an_exam_with_a_report_is_flagged_there(as_: As, full: Department) -> None:
    procedure = full.drafted.procedures.get()

    there = as_("radiologist").get(f"/procedures/{procedure.public_id}/critical/flag/")

    assert there["Location"] == f"/reports/{full.draft.public_id}/#critical"
