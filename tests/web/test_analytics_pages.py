"""Analytics and the rules of messages: who sees them, what they say, what they cost."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris.domain.actors import patient_actor
from ris.domain.critical import FlagCriticalResult, NoteCriticalAttempt
from ris.domain.patient_links import MakePatientLink, OpenPatientLink
from ris.domain.reporting import AmendReport, VersionKind
from ris.domain.scheduling import AddClosure
from ris.models import (
    Appointment,
    AppointmentLink,
    DeviceFact,
    PatientMessageRule,
    PatientMessageText,
    PatientPolicy,
    ProcedureDefinition,
    Report,
    Resource,
)
from ris.services import analytics, execute
from ris.services.patient_links import token_of
from tests import make, people
from tests.web.department import booked_at, perform, today_at

As = Callable[[str], Client]
BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
PAGES = ("/analytics/", "/patient-messages/", "/patient-messages/page/")


@pytest.fixture
def work(rooms: None) -> Appointment:
    """An exam of this morning with its report, and an appointment of next week."""
    order = booked_at(today_at(10))
    perform(order)
    make.final_report(order)
    coming = booked_at(today_at(10) + timedelta(days=7))
    return Appointment.objects.get(order=coming)


def count_today() -> None:
    today = timezone.localdate()
    analytics.rebuild(today, today)


@pytest.mark.parametrize("path", PAGES)
def test_managers_and_administrators_see_it_and_nobody_else(
    work: Appointment, as_: As, path: str
) -> None:
    codes = {
        role: as_(role).get(path).status_code
        for role in (
            "manager", "admin", "scheduler", "frontdesk", "technologist", "radiologist",
        )
    }  # fmt: skip

    assert codes == {
        "manager": 200, "admin": 200, "scheduler": 403, "frontdesk": 403, "technologist": 403,
        "radiologist": 403,
    }  # fmt: skip


def test_before_the_first_day_the_page_says_what_it_needs(users: None, as_: As) -> None:
    assert "Needs one day of data" in as_("manager").get("/analytics/").content.decode()


def test_each_chart_has_its_words_in_a_table(work: Appointment, as_: As) -> None:
    count_today()

    text = as_("manager").get("/analytics/").content.decode()

    assert text.count('<svg class="chart"') == 5
    assert text.count('role="img"') == 5
    assert text.count("<caption") == 6, "one for each chart, and the next free times"
    assert "style=" not in text, "the policy allows no inline style"
    assert "Exam to final report" in text


def test_a_rate_in_a_chart_is_rounded_as_in_its_table(work: Appointment, as_: As) -> None:
    count_today()
    DeviceFact.objects.filter(device__modality="CT").update(appointments=15, no_shows=1)

    text = as_("manager").get("/analytics/?modality=CT").content.decode()

    assert "6.7 / 0.0 %" in text, "one of fifteen"
    assert "(6.7 %)" in text


def test_a_modality_without_a_free_time_has_no_days(work: Appointment, as_: As) -> None:
    count_today()
    for room in Resource.objects.filter(device__modality="CT"):
        down = AddClosure(
            resource=str(room.public_id),
            start_at=timezone.now(),
            end_at=timezone.now() + timedelta(days=60),
            reason="tube",
        )
        execute(down, actor=people.manager)

    text = as_("manager").get("/analytics/?modality=CT").content.decode()

    assert re.search(r"not within four weeks</td><td[^>]*></td>", text)


def test_figures_come_as_csv_with_the_same_filters(work: Appointment, as_: As) -> None:
    count_today()
    client = as_("manager")

    everything = client.get("/analytics/turnaround.csv")
    nothing = client.get("/analytics/turnaround.csv?modality=MR")

    rows = list(csv.DictReader(StringIO(everything.content.decode("utf-8-sig"))))
    assert everything.content.startswith(b"\xef\xbb\xbf"), "or umlauts of rooms are lost"
    assert everything["Content-Type"] == "text/csv; charset=utf-8"
    assert {row["group"] for row in rows} == {"CT"}
    assert {row["leg"] for row in rows} >= {"begun-done", "done-final"}
    assert len(nothing.content.decode().splitlines()) == 1
    assert client.get("/analytics/secrets.csv").status_code == 404
    assert as_("scheduler").get("/analytics/use.csv").status_code == 403


@pytest.mark.parametrize(
    "query",
    ["from=x&until=y", "from=2026-13-40", "from=2030-01-01&until=2001-01-01", "by=color",
     "site=%00&priority=%00", "modality='"],
)  # fmt: skip
def test_odd_addresses_show_the_page_all_the_same(work: Appointment, as_: As, query: str) -> None:
    count_today()

    assert as_("manager").get(f"/analytics/?{query}").status_code == 200


def test_rules_words_and_what_patients_may_do_are_changed(work: Appointment, as_: As) -> None:
    client = as_("manager")

    client.post(
        "/patient-messages/rules/reminder/mail/",
        {"active": "on", "hours_before": "72", "quiet_from": "20:00", "quiet_until": "09:00"},
    )
    client.post(
        "/patient-messages/texts/booked/mail/de/", {"subject": "Termin", "body": "Am {date}."}
    )
    wrong = client.post("/patient-messages/texts/booked/mail/de/", {"body": "{name}"})
    client.post(
        "/patient-messages/page/",
        {"active": "on", "phone": "1", "notice_hours": "12", "days_ahead": "9", "keep_hours": "1"},
    )

    rule = PatientMessageRule.objects.get()
    assert (rule.hours_before, str(rule.quiet_from)) == (72, "20:00:00")
    assert PatientMessageText.objects.get().body == "Am {date}."
    assert wrong.status_code == 422
    assert "in braces there may only be" in wrong.content.decode()
    policy = PatientPolicy.objects.get()
    assert (policy.notice_hours, policy.may_move, policy.may_cancel) == (12, False, False)


def test_an_exception_is_for_one_exam(work: Appointment, as_: As) -> None:
    exam = ProcedureDefinition.objects.order_by("id")[0]
    form = {"active": "", "procedure": str(exam.public_id)}

    as_("manager").post("/patient-messages/rules/booked/mail/?for=one", form)

    rule = PatientMessageRule.objects.get()
    assert (rule.procedure, rule.active) == (exam, False)
    assert exam.meaning in as_("manager").get("/patient-messages/").content.decode()


def test_pages_stay_within_their_budgets(work: Appointment, as_: As) -> None:
    count_today()
    appointment = work
    link = execute(MakePatientLink(appointment=str(appointment.public_id)), actor=people.frontdesk)
    execute(
        OpenPatientLink(link=link, birth_date="1970-05-03"),
        actor=patient_actor(str(appointment.public_id)),
    )
    phone, page = Client(), f"/p/{token_of(AppointmentLink.objects.get())}/"
    phone.post(page, {"born": "1970-05-03"})

    cost = {
        "page_analytics": queries(as_("manager"), "/analytics/"),
        "page_patient_messages": queries(as_("admin"), "/patient-messages/"),
        "page_patient_contact": queries(
            as_("frontdesk"), f"/appointments/{appointment.public_id}/patient/"
        ),
        "page_patient_visit": queries(phone, page),
        "page_patient_move": queries(phone, f"{page}move/"),
    }

    assert cost == {name: BUDGETS[name] for name in cost}


def queries(client: Client, path: str) -> int:
    client.get(path)  # what is read once per process is read now
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def test_figures_about_reports_have_a_table_beside_each_chart(work: Appointment, as_: As) -> None:
    report = Report.objects.get()
    flag = FlagCriticalResult(report=str(report.public_id), finding="Free air", category="RED")
    key = execute(flag, actor=people.radiologist)
    note = NoteCriticalAttempt(critical_result=key, who="Dr. Night")
    execute(note, actor=people.radiologist)
    addendum = AmendReport(
        report=str(report.public_id), kind=VersionKind.ADDENDUM, sections={"addendum": "More."}
    )
    execute(addendum, actor=people.radiologist)
    client = as_("manager")
    client.get("/analytics/reports/")

    with CaptureQueriesContext(connection) as asked:
        text = client.get("/analytics/reports/").content.decode()

    assert text.count('<svg class="chart"') == text.count("<caption") == 4
    assert "Red: life is in danger</text>" in text
    assert ">100 %</text>" in text
    assert ">100.0 %</text>" in text, "one addendum for one final report"
    assert len(asked) <= BUDGETS["page_analytics_reports"]
    assert "Peer review</h2>" not in as_("admin").get("/analytics/reports/").content.decode()
    assert as_("scheduler").get("/analytics/reports/").status_code == 403
