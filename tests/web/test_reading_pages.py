"""The reading list: what somebody reads, what is due next, who reads it, the way on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris.domain.accounts import CreateUser
from ris.domain.actors import OPERATOR, Role
from ris.domain.orders import OrderDetails, Priority, ProcedureRequest
from ris.domain.patients import PatientClass, VisitDetails
from ris.domain.values import Code, Identifier
from ris.models import (
    AuditEvent,
    Order,
    ReadingLease,
    ReadingTarget,
    Report,
    RequestedProcedure,
    User,
)
from ris.selectors import reading
from ris.selectors.reading import Pile
from ris.selectors.reading_targets import targets
from ris.services import execute
from tests import make
from tests.web.department import booked_at, perform, person, today_at, version_in

As = Callable[[str], Client]
BUDGETS: dict[str, int] = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
ABDOMEN = Code("USABD", "TEST", "Ultrasound of the abdomen")
TEXT = {"findings": "No bleeding.", "impression": "Normal."}
PEOPLE = ("Adler", "Berg", "Czerny", "Dvorak", "Eder", "Fink")


def exam(last: str, waited: int = 0, **overrides: Any) -> Order:
    """An exam of somebody that ended ``waited`` minutes ago."""
    order = booked_at(
        today_at(11),
        overrides.pop("device", "CT1"),
        patient=person(last, "Eva", f"R-{last}"),
        **overrides,
    )
    perform(order)
    Order.objects.get(pk=order.pk).procedures.update(
        performed_at=timezone.now() - timedelta(minutes=waited)
    )
    # The room is free for the next one.
    order.procedures.get().steps.get().appointment.bookings.all().delete()
    return order


def of(priority: Priority) -> OrderDetails:
    return OrderDetails(priority=priority, reason="headache")


def visit(patient_class: PatientClass, ward: str = "") -> VisitDetails:
    return VisitDetails(
        number=Identifier(f"V-{patient_class.value}", "HOSP"),
        patient_class=patient_class,
        location=ward,
    )


def procedure(order: Order) -> str:
    return str(order.procedures.get().public_id)


def listed(client: Client, question: str = "") -> list[str]:
    """The family names of the list, in its order."""
    page = unescape(client.get(f"/reading/{question}").content.decode())
    names = re.findall(r'class="row-link"[^>]*>([^<]+)<', page)
    return [name.split(",")[0].capitalize() for name in names]


def text(response: Any) -> str:
    plain = re.sub(r"<[^>]+>", " ", unescape(response.content.decode()))
    return re.sub(r"[\s\u2066-\u2069]+", " ", plain)


def report_of(order: Order) -> Report:
    return Report.objects.filter(procedures__order=order).latest("id")


def opened(client: Client, order: Order) -> str:
    return str(client.post("/reading/open/", {"procedure": procedure(order)})["Location"])


@pytest.fixture
def ada(as_: As, rooms: None) -> Client:
    return as_("radiologist")


@pytest.fixture
def ben(ada: Client) -> Client:
    """Another radiologist, at another screen."""
    key = execute(
        CreateUser(
            username="ben",
            password="demo",
            roles=frozenset({Role.RADIOLOGIST}),
            first_name="Ben",
            last_name="Bold",
        ),
        actor=OPERATOR,
    )
    client = Client()
    client.force_login(User.objects.get(pk=key))
    return client


# --- the list


def test_stat_comes_first_and_then_what_is_due_next(ada: Client) -> None:
    exam("Adler", 5, details=of(Priority.ROUTINE))
    exam("Berg", 200, details=of(Priority.URGENT))
    exam("Czerny", 60 * 73, details=of(Priority.ROUTINE))
    exam("Dvorak", 1, details=of(Priority.STAT))
    exam("Eder", 50, details=of(Priority.ROUTINE), visit=visit(PatientClass.EMERGENCY))

    page = text(ada.get("/reading/"))

    assert listed(ada) == ["Dvorak", "Czerny", "Eder", "Berg", "Adler"]
    assert "overdue 60 min" in page or "overdue 1 h" in page
    assert "9 min left" in page
    assert "39 min left" in page


def test_the_list_is_narrowed_by_what_an_exam_is(ada: Client) -> None:
    make.definition(make.CT_HEAD, subspecialty="neuro")
    ward = visit(PatientClass.INPATIENT, "Ward 3 East")
    exam("Adler", details=of(Priority.URGENT), visit=ward)
    exam("Berg", device="US1", procedures=(ProcedureRequest(code=ABDOMEN),))

    found = {
        question: listed(ada, question)
        for question in (
            "?subspecialty=neuro",
            "?modality=US",
            "?priority=URGENT",
            "?patient_class=I",
            "?location=ward+3",
            "?q=berg",
            "?q=R-Adler",
            "?modality=US&priority=URGENT",
        )
    }

    assert found == {
        "?subspecialty=neuro": ["Adler"],
        "?modality=US": ["Berg"],
        "?priority=URGENT": ["Adler"],
        "?patient_class=I": ["Adler"],
        "?location=ward+3": ["Adler"],
        "?q=berg": ["Berg"],
        "?q=R-Adler": ["Adler"],
        "?modality=US&priority=URGENT": [],
    }


def test_the_list_opens_with_what_somebody_reads(ada: Client) -> None:
    make.definition(make.CT_HEAD, subspecialty="neuro")
    make.definition(ABDOMEN, modality="US", subspecialty="abdomen")
    make.definition(Code("CTKNEE", "TEST", "CT of the knee"), subspecialty="")
    exam("Adler")
    exam("Berg", device="US1", procedures=(ProcedureRequest(code=ABDOMEN),))
    exam("Czerny", procedures=(ProcedureRequest(code=Code("CTKNEE", "TEST", "CT of the knee")),))

    ada.post("/reading/mine/", {"subspecialty": "neuro", "others": "Head and neck,"})

    assert sorted(listed(ada)) == ["Adler", "Czerny"]  # of no subspecialty: everybody's
    assert sorted(listed(ada, "?scope=all")) == ["Adler", "Berg", "Czerny"]
    assert "Shown is what you read." in text(ada.get("/reading/"))
    assert 'value="neuro" checked' in ada.get("/reading/mine/").content.decode()
    assert 'value="Head and neck" checked' in ada.get("/reading/mine/").content.decode()


def test_the_list_and_the_report_ask_few_times_however_many_there_are(
    ada: Client, ben: Client
) -> None:
    order = exam("Adler")
    opened(ben, order)
    ada.get("/reading/")
    address = f"/reports/{report_of(order).public_id}/"

    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert ada.get(path).status_code == 200
        return len(queries)

    before = (asked("/reading/"), asked(address))
    for number, last in enumerate(PEOPLE[1:]):
        opened(ben, exam(last, number))
    make.final_report(exam("Adler"))
    after = (asked("/reading/"), asked(address))

    assert after[0] <= before[0]
    assert after[1] <= before[1]
    assert after[0] <= BUDGETS["page_reading"]
    assert after[1] <= BUDGETS["page_report"]


# --- one reader


def test_the_list_shows_who_reads_and_offers_no_second_report(ada: Client, ben: Client) -> None:
    order = exam("Adler")
    opened(ben, order)

    page = ada.get("/reading/")

    assert "Bold, Ben reads it, 0 min" in text(page).replace("BOLD", "Bold")
    assert 'name="procedure"' not in page.content.decode()


def test_who_opens_what_another_reads_sees_no_editor_and_may_take_over(
    ada: Client, ben: Client
) -> None:
    order = exam("Adler")
    address = opened(ben, order)

    elsewhere = opened(ada, order)
    shut = ada.get(address)
    taken = ada.post(f"{address}take-over/", {"reason": "Ben is in theater"}, follow=True)

    assert elsewhere == address
    assert 'id="editor"' not in shut.content.decode()
    assert "reads this report. It can be written again" in text(shut)
    assert 'id="editor"' in taken.content.decode()
    lease = ReadingLease.objects.get(ended_at=None)
    assert lease.reader.username == "radiologist"


def test_who_loses_a_report_is_told_and_keeps_what_was_typed(ada: Client, ben: Client) -> None:
    order = exam("Adler")
    address = opened(ben, order)
    ada.post(f"{address}take-over/", {"reason": "On call"})

    told = ben.post(f"{address}presence/", {"reading": "yes"})
    saved = ben.post(f"{address}draft/", {**TEXT, "revision": "0"}, headers={"HX-Request": "true"})
    signed = ben.post(f"{address}sign/", {**TEXT, "as": "final", "revision": "0"})

    assert "took this report over. Reason: On call." in text(told)
    assert saved.status_code == 409
    assert "is reading this report" in text(saved)
    assert signed.status_code == 409
    assert ">No bleeding.</textarea>" in signed.content.decode()
    report = report_of(order)
    assert (report.status, report.draft) == ("DRAFT", {})


def test_who_waits_for_a_report_is_told_when_it_is_free_and_when_it_is_signed(
    ada: Client, ben: Client
) -> None:
    order = exam("Adler")
    address = opened(ben, order)
    ada.get(address)

    held = ada.post(f"{address}presence/")
    ben.post(f"{address}release/")
    free = ada.post(f"{address}presence/")
    ben.post("/reading/open/", {"procedure": procedure(order)})
    ben.post(f"{address}sign/", {**TEXT, "as": "final", "revision": "0"})
    signed = ada.post(f"{address}presence/")

    assert "reads this report. It can be written again" in text(held)
    assert "Nobody reads this report any more. Open the editor" in text(free)
    assert report_of(order).status == "FINAL"
    assert "Open the editor" not in text(signed)


def test_presence_keeps_the_report_in_few_questions_and_without_a_trace(
    ada: Client, ben: Client
) -> None:
    address = opened(ada, exam("Adler"))
    ReadingLease.objects.update(alive_at=timezone.now() - timedelta(minutes=4))
    audits = AuditEvent.objects.count()

    with CaptureQueriesContext(connection) as asked:
        answer = ada.post(f"{address}presence/", {"reading": "yes"})
    statements = [each["sql"] for each in asked]
    ben.post(f"{address}presence/")

    assert answer.status_code == 200
    assert len([each for each in statements if each.startswith("UPDATE")]) == 1
    assert len(statements) <= 8
    assert AuditEvent.objects.count() == audits
    alive = ReadingLease.objects.get().alive_at
    assert timezone.now() - alive < timedelta(minutes=1)


def test_an_editor_that_stays_open_is_read_and_a_glance_is_not(ada: Client, ben: Client) -> None:
    address = opened(ada, exam("Adler"))
    ada.post(f"{address}release/")

    ben.get(address)
    ben.post(f"{address}presence/")
    shown = {"reading": "yes", "editor": "yes", "revision": "0"}
    just_now = int(timezone.now().timestamp())
    ben.post(f"{address}presence/", {**shown, "opened": str(just_now)})
    ben.post(f"{address}presence/", {**shown, "opened": str(just_now - 60), "revision": "7"})
    after_a_glance = ReadingLease.objects.filter(ended_at=None).count()
    ben.post(f"{address}presence/", {**shown, "opened": str(just_now - 60)})

    assert after_a_glance == 0
    assert ReadingLease.objects.get(ended_at=None).reader.username == "ben"


def test_a_report_is_left_to_others_with_its_draft(ada: Client, ben: Client) -> None:
    order = exam("Adler")
    address = opened(ada, order)
    ada.post(f"{address}draft/", {**TEXT, "revision": "0"})

    ada.post(f"{address}release/")

    assert opened(ben, order) == address
    assert ">No bleeding.</textarea>" in ben.get(address).content.decode()


# --- the way on


def test_next_and_previous_walk_the_list_without_returning_to_it(ada: Client) -> None:
    first, second, third = (exam(last, 30 - 10 * n) for n, last in enumerate(PEOPLE[:3]))

    def go(way: str, after: Order) -> str:
        form = {"after": procedure(after), "way": way}
        return str(ada.post("/reading/next/", form)["Location"])

    start = str(ada.post("/reading/next/")["Location"])

    assert start == f"/reports/{report_of(first).public_id}/"
    assert go("next", first) == f"/reports/{report_of(second).public_id}/"
    assert go("next", second) == f"/reports/{report_of(third).public_id}/"
    assert go("previous", third) == f"/reports/{report_of(second).public_id}/"
    assert ReadingLease.objects.get(ended_at=None).report == report_of(second)


def test_what_was_begun_comes_back_first_and_what_another_reads_does_not(
    ada: Client, ben: Client
) -> None:
    theirs, urgent, begun = exam("Adler", 90), exam("Berg", 60), exam("Czerny", 1)
    opened(ben, theirs)
    address = opened(ada, begun)
    ada.post(f"{address}draft/", {**TEXT, "revision": "0"})
    ada.post(f"{address}release/")

    first = str(ada.post("/reading/next/")["Location"])
    then = str(ada.post("/reading/next/", {"after": procedure(begun)})["Location"])
    last = str(ada.post("/reading/next/", {"after": procedure(urgent)})["Location"])

    assert first == address
    assert then == f"/reports/{report_of(urgent).public_id}/"
    assert last == address


def test_previous_leads_to_what_was_begun_before_whatever_is_due_first(ada: Client) -> None:
    begun, urgent = exam("Adler", 1), exam("Berg", 60)
    opened(ada, begun)

    there = str(ada.post("/reading/next/", {"after": procedure(begun)})["Location"])
    form = {"after": procedure(urgent), "way": "previous"}
    back = str(ada.post("/reading/next/", form)["Location"])

    assert there == f"/reports/{report_of(urgent).public_id}/"
    assert back == f"/reports/{report_of(begun).public_id}/"


def test_a_skipped_exam_waits_behind_the_others_for_half_an_hour(
    ada: Client, ben: Client, noon: Any
) -> None:
    first, second = exam("Adler", 30), exam("Berg", 10)

    went = str(ada.post("/reading/skip/", {"procedure": procedure(first)})["Location"])

    assert went == f"/reports/{report_of(second).public_id}/"
    assert listed(ada) == ["Adler"]  # the other is a draft of hers now
    assert "Skipped" in text(ada.get("/reading/"))
    assert "Skipped" not in text(ben.get("/reading/"))
    noon.move_to(timezone.now() + timedelta(minutes=31))
    assert "Skipped" not in text(ada.get("/reading/"))


def test_next_stays_among_the_exams_that_the_list_was_narrowed_to(ada: Client) -> None:
    exam("Adler", 90)
    wanted = exam("Berg", device="US1", procedures=(ProcedureRequest(code=ABDOMEN),))
    ada.get("/reading/?modality=US")

    went = str(ada.post("/reading/next/")["Location"])
    end = ada.post("/reading/next/", {"after": procedure(wanted)}, follow=True)

    assert went == f"/reports/{report_of(wanted).public_id}/"
    assert "All read." in text(end)


def test_a_signature_opens_the_next_if_it_is_asked_to(ada: Client) -> None:
    first, second = exam("Adler", 30), exam("Berg", 10)
    address = opened(ada, first)
    form = {**TEXT, "as": "final", "revision": "0", "then": "next", "after": procedure(first)}

    went = str(ada.post(f"{address}sign/", form)["Location"])

    assert report_of(first).status == "FINAL"
    assert went == f"/reports/{report_of(second).public_id}/"
    assert 'name="then" value="next" checked' in ada.get(went).content.decode()


# --- earlier exams


def test_earlier_exams_stand_by_likeness_and_are_read_in_place(ada: Client) -> None:
    make.definition(make.CT_HEAD, body_part="HEAD")
    same = make.final_report(exam("Adler", 60 * 24 * 400))
    other = exam("Adler", 60 * 24, device="US1", procedures=(ProcedureRequest(code=ABDOMEN),))
    make.final_report(exam("Berg"))
    now = exam("Adler")
    address = opened(ada, now)

    page = ada.get(f"{address}priors/?write=yes").content.decode()
    unwritten = ada.get(f"{address}priors/").content.decode()
    part = ada.get(f"/reports/{same.public_id}/prior/", headers={"HX-Request": "true"})
    alone = ada.get(f"/reports/{same.public_id}/prior/")

    priors = page[page.index('class="panel priors"') : page.index('id="prior-text"')]
    assert priors.index(f"/reports/{same.public_id}/") < priors.index(f"/orders/{other.public_id}/")
    assert "Ultrasound of the abdomen" in priors
    assert priors.count("<li") == 2
    day = timezone.localtime(RequestedProcedure.objects.get(reports=same).performed_at)
    words = f"CT head without contrast, {day.day} {day:%B %Y}"
    assert f'data-compares="{words}"' in priors
    assert "data-compares" not in unwritten
    assert f'hx-get="{address}priors/?write=yes"' in ada.get(address).content.decode()
    assert "Normal CT of the head." in text(part)
    assert alone["Location"] == f"/reports/{same.public_id}/"
    looked = AuditEvent.objects.get(action="ViewPrior")
    assert looked.patients == [str(now.patient.public_id)]


def test_a_draft_is_no_earlier_report_to_read(ada: Client) -> None:
    address = opened(ada, exam("Adler"))

    answer = ada.get(f"{address}prior/", headers={"HX-Request": "true"})

    assert answer.status_code == 404


# --- target times


def test_a_manager_sets_the_times_and_a_reader_sees_them(as_: As, ada: Client) -> None:
    exam("Adler", 5)
    form: dict[str, Any] = {
        "priority": ["STAT", "", ""],
        "patient_class": ["", "E", ""],
        "minutes": ["30", "", "25"],
        "version": version_in(as_("manager").get("/reading/targets/")),
    }

    denied = ada.post("/reading/targets/", form)
    wrong = as_("manager").post("/reading/targets/", {**form, "minutes": ["x", "", "25"]})
    before = ReadingTarget.objects.count()
    as_("manager").post("/reading/targets/", form)
    too_late = as_("manager").post("/reading/targets/", {**form, "minutes": ["99", "", "25"]})

    assert (denied.status_code, wrong.status_code, before) == (403, 422, 0)
    assert (too_late.status_code, 'value="99"' in too_late.content.decode()) == (409, True)
    rows = ReadingTarget.objects.order_by("minutes").values_list(
        "priority", "patient_class", "minutes"
    )
    assert list(rows) == [("", "", 25), ("STAT", "", 30)]
    assert "19 min left" in text(ada.get("/reading/"))
    assert 'name="minutes"' not in ada.get("/reading/targets/").content.decode()


def test_the_times_in_force_are_the_same_in_the_database_and_on_the_page(ada: Client) -> None:
    exam("Adler", 5, details=of(Priority.STAT))
    exam("Berg", 5, visit=visit(PatientClass.INPATIENT))
    exam("Czerny", 5)

    rows = reading.with_lines(reading.ordered(reading.in_pile(Pile.UNREAD, None), Pile.UNREAD))
    lines = reading.lines(rows, targets())

    due: list[datetime | None] = [row.due for row in rows]  # type: ignore[attr-defined]
    assert [line.due_at for line in lines] == due
