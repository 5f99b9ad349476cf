"""States, signatures and versions at the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris import config
from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.reporting import CommunicateCriticalResult
from ris.models import AuditEvent, Order, ReadingLease, Report, ReportVersion, User
from ris.services import execute
from ris.services.audit import record_access
from tests import make, people
from tests.web.department import Department, opened

As = Callable[[str], Client]
BUDGETS: dict[str, int] = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
EHR = Actor(ActorKind.CLIENT, "EHR", frozenset({Role.INTERFACE}))
TEXT = {"findings": "No bleeding.", "impression": "Normal."}


def send(client: Client, report: Report, how: str, **more: str) -> str:
    """The page after signing; of a refusal the page that says so."""
    report.refresh_from_db()
    form = {**TEXT, "as": how, "revision": str(report.draft_revision), **more}
    response = client.post(f"/reports/{report.public_id}/sign/", form, follow=True)
    return words(response.content.decode())


def words(page: str) -> str:
    """A page as it is read: without its markup."""
    main = page.partition('id="main"')[2] or page
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", main)))


def look(client: Client, report: Report, part: str = "") -> str:
    return words(client.get(f"/reports/{report.public_id}/{part}").content.decode())


# --- residents


def test_a_resident_signs_preliminary_and_an_attending_final(exam: Order, as_: As) -> None:
    report = opened(as_("resident"), exam)
    editor = look(as_("resident"), report)

    send(as_("resident"), report, "preliminary")
    waiting = look(as_("radiologist"), report)
    done = send(as_("radiologist"), report, "final")

    assert "Sign and send to an attending radiologist" in editor
    assert "Sign final" not in editor
    assert "signed this as resident" in waiting
    assert "Give back to MUSTER, Resident" in waiting
    assert "Written by MUSTER, Resident, verified by MUSTER, Radiologist" in done
    assert list(ReportVersion.objects.values_list("signed_as", flat=True)) == [
        "RESIDENT",
        "ATTENDING",
    ]


def test_a_resident_who_tries_to_sign_final_keeps_the_text(exam: Order, as_: As) -> None:
    report = opened(as_("resident"), exam)

    response = as_("resident").post(
        f"/reports/{report.public_id}/sign/",
        {"findings": "All of it.", "as": "final", "revision": "0"},
    )

    assert response.status_code == 403
    assert ">All of it.</textarea>" in response.content.decode()
    assert "is signed by an attending radiologist" in words(response.content.decode())
    assert ReportVersion.objects.count() == 0


def test_what_is_given_back_says_what_to_change(exam: Order, as_: As) -> None:
    report = opened(as_("resident"), exam)
    send(as_("resident"), report, "preliminary")

    as_("radiologist").post(
        f"/reports/{report.public_id}/return/", {"note": "Measure it.", "version": "1"}
    )

    assert "Given back by MUSTER, Radiologist" in look(as_("resident"), report)
    assert "Measure it." in look(as_("resident"), report)


def test_what_waits_for_whom_stands_in_a_pile_of_its_own(exam: Order, as_: As) -> None:
    report = opened(as_("resident"), exam)
    send(as_("resident"), report, "preliminary")

    def piles(login: str) -> tuple[bool, bool]:
        seen = [
            f"/reports/{report.public_id}/"
            in as_(login).get(f"/reading/?pile={pile}").content.decode()
            for pile in ("sent", "drafts")
        ]
        return seen[0], seen[1]

    sent = (piles("radiologist"), piles("resident"))
    as_("radiologist").post(
        f"/reports/{report.public_id}/return/", {"note": "Measure it.", "version": "1"}
    )
    given_back = (piles("radiologist"), piles("resident"))

    assert sent == ((True, False), (True, False))
    assert given_back == ((False, False), (False, True))


def test_a_resident_chooses_who_signs_with_him(exam: Order, as_: As) -> None:
    report = opened(as_("resident"), exam)
    editor = as_("resident").get(f"/reports/{report.public_id}/").content.decode()
    sent = {"findings": "Clear.", "as": "preliminary", "attending": "radiologist"}

    as_("resident").post(f"/reports/{report.public_id}/sign/", {**sent, "revision": "0"})
    listed = as_("radiologist").get("/reading/?pile=sent").content.decode()
    waiting = look(as_("radiologist"), report)
    as_("radiologist").post(f"/reports/{report.public_id}/attending/", {"attending": ""})

    assert '<option value="radiologist">MUSTER, Radiologist</option>' in editor
    assert "for you" in listed
    assert "Attending radiologist" in waiting
    assert "for you" not in as_("radiologist").get("/reading/?pile=sent").content.decode()


def test_what_only_shows_a_signed_text_is_read_by_nobody_until_somebody_writes(
    exam: Order, as_: As
) -> None:
    resident, attending = as_("resident"), as_("radiologist")
    report = opened(resident, exam)
    address = f"/reports/{report.public_id}/"
    send(resident, report, "preliminary")
    signed = resident.get(address).content.decode()

    open_since_before = resident.post(f"{address}presence/", {"editor": "yes", "reading": "yes"})
    after_signing = ReadingLease.objects.filter(ended_at=None).count()
    report.refresh_from_db()
    typed = {**TEXT, "findings": "A small bleed.", "revision": str(report.draft_revision)}
    attending.post(f"{address}draft/", typed, headers={"HX-Request": "true"})
    told = words(resident.post(f"{address}presence/", {"editor": "yes"}).content.decode())
    kept = attending.post(f"{address}presence/", {"editor": "yes"}).content.decode()

    assert 'id="editor"' in signed
    assert 'name="reading"' not in signed
    assert "Nobody reads" not in words(open_since_before.content.decode())
    assert after_signing == 0
    assert ReadingLease.objects.get(ended_at=None).reader.username == "radiologist"
    assert "reads this report" in told
    assert "What you type now is not saved" in told
    assert 'name="reading" value="yes"' in kept


def test_who_waits_without_an_editor_hears_that_the_report_is_hers_in_another_tab(
    exam: Order, as_: As
) -> None:
    resident, attending = as_("resident"), as_("radiologist")
    report = opened(resident, exam)
    address = f"/reports/{report.public_id}/"
    shut = attending.get(address).content.decode()
    attending.post(f"{address}take-over/", {"reason": "On call"})

    told = words(attending.post(f"{address}presence/").content.decode())

    assert 'name="editor"' not in shut
    assert "You read this report. Open the editor" in told


# --- a proof at signing


@pytest.fixture
def password_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from asking("password", monkeypatch)


@pytest.fixture
def code_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from asking("second-factor", monkeypatch)


def asking(what: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RIS_REPORTS__SIGN_WITH", what)
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


def test_the_addendum_about_a_call_is_signed_with_a_password_too(
    full: Department, as_: As, request: pytest.FixtureRequest
) -> None:
    reader, address = as_("radiologist"), f"/reports/{full.final.public_id}/"
    told = {"finding": "Free air", "told": "Dr. X", "by": "phone"}
    reader.post(f"{address}critical/", told)
    request.getfixturevalue("password_asked")  # only now: the department signed without

    part = reader.get(f"{address}findings/").content.decode()

    assert 'action="/reports/' in part.partition("does not say so yet")[2]
    assert 'id="proof-critical"' in part


@pytest.mark.usefixtures("password_asked")
def test_a_wrong_password_signs_nothing_loses_nothing_and_is_on_record(
    exam: Order, as_: As
) -> None:
    reader = as_("radiologist")
    report = opened(reader, exam)

    page = reader.post(
        f"/reports/{report.public_id}/sign/",
        {**TEXT, "findings": "Typed.", "as": "final", "revision": "0", "proof": "guess"},
    )

    refused = AuditEvent.objects.get(action="RefuseSignature")
    assert page.status_code == 422
    assert ">Typed.</textarea>" in page.content.decode()
    assert "guess" not in page.content.decode()
    assert ReportVersion.objects.count() == 0
    assert (refused.actor_name, refused.outcome, refused.detail) == (
        "radiologist",
        "refused",
        {"subject": f"Report {report.public_id}", "asked": "password"},
    )


@pytest.mark.usefixtures("password_asked")
def test_the_password_signs_and_the_version_says_so(exam: Order, as_: As) -> None:
    reader = as_("radiologist")
    report = opened(reader, exam)

    page = send(reader, report, "final", proof="demo")

    assert "with password" in page
    assert ReportVersion.objects.get().signed_with == "password"


@pytest.mark.usefixtures("password_asked")
def test_passwords_are_not_guessed_here_either(exam: Order, as_: As) -> None:
    reader = as_("radiologist")
    report = opened(reader, exam)

    for _ in range(5):
        send(reader, report, "final", proof="guess")
    page = send(reader, report, "final", proof="demo")

    assert "Too many failed" in page
    assert ReportVersion.objects.count() == 0


@pytest.mark.usefixtures("password_asked")
def test_an_addendum_and_a_withdrawal_ask_as_well_and_keep_what_was_typed(
    exam: Order, as_: As
) -> None:
    reader = as_("radiologist")
    report = opened(reader, exam)
    send(reader, report, "final", proof="demo")
    address = f"/reports/{report.public_id}/"

    added = reader.post(f"{address}addendum/", {"addendum": "Seen again.", "version": "1"})
    gone = reader.post(f"{address}retract/", {"reason": "Other patient", "version": "1"})

    assert (added.status_code, gone.status_code) == (422, 422)
    assert ">Seen again.</textarea>" in added.content.decode()
    assert 'value="Other patient"' in gone.content.decode()
    assert ReportVersion.objects.count() == 1


@pytest.mark.usefixtures("code_asked")
def test_a_code_of_the_app_signs_once(exam: Order, as_: As) -> None:
    from allauth.mfa.totp.internal.auth import (
        TOTP,
        format_hotp_value,
        hotp_value,
        yield_hotp_counters_from_time,
    )

    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    reader = as_("radiologist")
    report = opened(reader, exam)
    without = send(reader, report, "final", proof="123456")
    TOTP.activate(User.objects.get(username="radiologist"), secret)
    code = format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))

    signed = send(reader, report, "preliminary", proof=code)
    again = send(reader, report, "final", proof=code)

    assert "set one up under your account" in without
    assert "Sign final" in signed
    assert "This code was used already" in again
    assert list(ReportVersion.objects.values_list("kind", "signed_with")) == [
        ("PRELIMINARY", "second-factor")
    ]


# --- versions


def test_a_correction_is_looked_at_before_it_is_signed(exam: Order, as_: As) -> None:
    reader = as_("radiologist")
    report = make.final_report(exam)
    form = {
        "findings": "Small bleeding.",
        "impression": make.TEXT["impression"],
        "reason": "Seen late",
        "version": "1",
    }

    page = reader.post(f"/reports/{report.public_id}/correct/", {**form, "step": "preview"})
    text = page.content.decode()

    assert page.status_code == 200
    assert "removed: No end of what was removed added: Small end of what was added bleeding." in (
        words(text)
    )
    assert 'value="Seen late"' in text
    assert "Sign the correction" in text
    assert ReportVersion.objects.count() == 1


def test_a_correction_is_not_said_to_take_out_who_was_told(exam: Order, as_: As) -> None:
    reader = as_("radiologist")
    report = opened(reader, exam)
    told = CommunicateCriticalResult(
        report=str(report.public_id), finding="Bleeding", told="Dr. Ordonez"
    )
    execute(told, actor=people.radiologist)
    send(reader, report, "final")
    form = {**TEXT, "version": "1", "step": "preview"}

    page = reader.post(f"/reports/{report.public_id}/correct/", form)

    assert "Nothing: the text is as it was signed." in words(page.content.decode())


def test_versions_are_compared_word_by_word(exam: Order, as_: As) -> None:
    reader = as_("radiologist")
    report = make.final_report(exam)
    reader.post(
        f"/reports/{report.public_id}/addendum/", {"addendum": "Seen again.", "version": "1"}
    )

    page = look(reader, report, "differences/")

    assert "From version 1 to version 2" in page
    assert "2 words added, 0 removed" in page
    assert "Addendum new section" in page
    assert "Findings unchanged" in page


def test_one_version_has_nothing_to_be_compared_with(exam: Order, as_: As) -> None:
    report = make.final_report(exam)

    response = as_("radiologist").get(f"/reports/{report.public_id}/differences/")

    assert response.status_code == 404


def test_a_withdrawn_report_says_so_and_a_new_one_is_begun_from_it(exam: Order, as_: As) -> None:
    reader = as_("radiologist")
    report = make.final_report(exam)
    reader.post(f"/reports/{report.public_id}/retract/", {"reason": "Left side", "version": "1"})

    page = look(reader, report)
    anew = reader.post("/reading/open/", {"procedure": str(exam.procedures.get().public_id)})

    assert "it must not be used. Left side" in page
    assert "Begin a new report" in page
    assert anew["Location"] != f"/reports/{report.public_id}/"
    assert Report.objects.count() == 2


# --- who read it


def test_who_read_a_report_is_seen_by_those_who_answer_for_it(exam: Order, as_: As) -> None:
    report = make.final_report(exam)
    look(as_("frontdesk"), report)
    look(as_("frontdesk"), report)
    as_("technologist").get(f"/reports/{report.public_id}/print/")
    patient = str(exam.patient.public_id)
    for action, subject, order in (
        ("FHIR read DiagnosticReport", f"DiagnosticReport/{report.public_id}", ""),
        ("FHIR read Patient", f"Patient/{patient}", ""),
        ("ViewOwnOrder", f"Order {exam.public_id}", str(exam.public_id)),
    ):
        record_access(EHR, action=action, patients=[patient], order=order, subject=subject)

    page = look(as_("manager"), report, "readers/")
    refused = as_("frontdesk").get(f"/reports/{report.public_id}/readers/")

    assert re.search(r"MUSTER, Technologist technologist \S+ \S+ as PDF", page)
    assert re.search(r"MUSTER, Frontdesk frontdesk \S+ \S+ 2 times on the page", page)
    assert re.search(r"EHR another system \S+ \S+ over FHIR", page)
    assert "on the ordering doctor's page" in page
    assert page.count("EHR another system") == 2  # not that of the patient alone
    assert refused.status_code == 403


# --- how often the pages ask


@pytest.mark.parametrize("name", ["draft", "preliminary", "final"])
def test_pages_of_a_report_ask_few_times(as_: As, full: Department, name: str) -> None:
    report: Report = getattr(full, name)
    client = as_("radiologist")
    asked = {}

    for page, part in (("page_report", ""), ("page_report_readers", "readers/")):
        address = f"/reports/{report.public_id}/{part}"
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        asked[page] = len(queries)

    assert {key: number for key, number in asked.items() if number > BUDGETS[key]} == {}


def test_comparing_versions_asks_few_times(exam: Order, as_: As) -> None:
    reader = as_("radiologist")
    report = make.final_report(exam)
    address = f"/reports/{report.public_id}/differences/"
    reader.post(f"/reports/{report.public_id}/addendum/", {"addendum": "Again.", "version": "1"})
    reader.get(address)

    with CaptureQueriesContext(connection) as queries:
        assert reader.get(address).status_code == 200

    assert len(queries) <= BUDGETS["page_report_versions"]
