"""The referring doctor's pages: the own, all of it, and nothing else wherever one looks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from ris.domain.accounts import CreateUser
from ris.domain.actors import OPERATOR, Role
from ris.domain.order_questions import AskForInformation
from ris.domain.orders import OrderReference
from ris.domain.referring import (
    AcknowledgeResult,
    NoticeTime,
    SetResultNotices,
)
from ris.domain.reporting import AmendReport, RetractReport, VersionKind
from ris.models import (
    AuditEvent,
    NoticeChoice,
    Patient,
    ReferrerAccess,
    Report,
    ResultReceipt,
    User,
)
from ris.services import execute
from tests import ground, make, people
from tests import referring as build
from tests.referring import OTTO, Doctors
from tests.web.referrer_pages import browser, doctors_at_work

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
pytestmark = pytest.mark.django_db
NO_KEY = UUID(int=7)


@pytest.fixture
def doctors(db: None, noon: Any) -> Doctors:
    made, at = ground.begin("referrer pages", doctors_at_work)
    noon.move_to(at)
    cache.clear()
    return made


@pytest.fixture
def olga(doctors: Doctors) -> Client:
    return browser(doctors.olga)


# --- everywhere else


def addresses(patterns: Any, before: str = "/") -> Iterator[str]:
    """Every address there is, with something in each of its places."""
    for each in patterns:
        route = re.sub(r"\(\?:/\|\$\)|[\^$]|\\Z", "", str(each.pattern))
        if isinstance(each, URLResolver):
            slash = "/" if str(each.pattern).endswith("(?:/|$)") else ""
            yield from addresses(each.url_patterns, before + route + slash)
        elif isinstance(each, URLPattern):
            filled = re.sub(r"<uuid:\w+>", str(NO_KEY), route)
            filled = re.sub(r"<int:\w+>", "1", filled)
            filled = re.sub(r"<(?:\w+:)?\w+>", "x", filled)
            yield (before + re.sub(r"\(\?P<\w+>.*?\)", "x", filled)).replace("//", "/")


# What a referring doctor, or anybody, may ask for: the own pages, the own account, what asks for
# no login or for another one (a token, a link, the administration's own login).
OPEN = re.compile(
    r"/(?:referrer/.*|account/.*|login/|logout/|session/|healthz|readyz|metrics|admin/.*|fhir.*|api/v1.*"
    r"|dicom-web.*|p/.*|wall/screen/.*|)$"
)


def test_every_other_address_is_closed(olga: Client) -> None:
    """Whatever somebody adds is closed to a referring doctor unless it names the role."""
    every = sorted(set(addresses(get_resolver().url_patterns)))
    assert len(every) > 200
    inside = [path for path in every if not OPEN.match(path)]

    def answer(path: str) -> int:
        # As part of a page asks: the refusal is then a line, not a page.
        code = olga.get(path, headers={"HX-Request": "true"}).status_code
        return olga.post(path, headers={"HX-Request": "true"}).status_code if code == 405 else code

    answers = {path: answer(path) for path in inside}

    assert answers == dict.fromkeys(inside, 403)


def test_the_login_of_a_page_opens_no_door_for_programs(olga: Client) -> None:
    """The REST addresses take the session of our pages too: not of who is confined to his own."""
    build.order(OTTO)
    rest = [path for path in addresses(get_resolver().url_patterns) if path.startswith("/api/v1/")]
    names = {path: olga.get(path).status_code for path in rest if "schema" not in path}

    assert len(names) > 20
    assert set(names.values()) <= {403, 404, 405}
    assert olga.get("/api/v1/patients/?q=" + Patient.objects.get().name[:3]).status_code == 403
    assert olga.get("/api/v1/orders/").status_code == 403
    assert olga.get("/fhir/Patient").status_code == 401
    assert olga.get("/admin/").status_code in {302, 404}
    assert olga.get("/dicom-web/workitems").status_code in {401, 403, 404}


def test_home_leads_to_the_own_pages_and_the_menu_offers_no_other(olga: Client) -> None:
    assert olga.get("/")["Location"] == "/referrer/"

    page = olga.get("/referrer/").content.decode()

    menu = re.search(r'<nav[^>]*id="menu".*?</nav>', page, re.S)
    assert menu is not None
    assert set(re.findall(r'href="(/[^"]*)"', menu[0])) == {
        "/referrer/",
        "/referrer/new/",
        "/referrer/notices/",
    }
    assert 'action="/search/"' not in page
    assert "data-palette" not in page


def test_the_department_does_not_work_on_the_doctors_pages(as_: Any) -> None:
    assert as_("radiologist").get("/referrer/").status_code == 403
    assert as_("scheduler").get("/referrers/").status_code == 403


# --- the list and the order


def test_the_list_shows_the_own_and_how_far_it_is(olga: Client) -> None:
    waiting = build.order(patient=make.patient(name=make.PersonName.of("Adler", "Ada")))
    done = build.performed()
    make.final_report(done)
    others = build.order(OTTO)

    page = olga.get("/referrer/").content.decode()
    new = olga.get("/referrer/?pile=new").content.decode()

    assert waiting.accession_number in page
    assert others.accession_number not in page
    assert "Requested" in page
    assert "Final result" in page
    assert "To acknowledge" in page
    assert done.accession_number in new
    assert waiting.accession_number not in new


def test_the_search_finds_among_the_own_only(olga: Client) -> None:
    build.order(patient=make.patient(name=make.PersonName.of("Adler", "Ada")))
    build.order(OTTO, patient=make.patient(name=make.PersonName.of("Adler", "Otto")))

    page = olga.get("/referrer/?q=adler").content.decode()

    assert "Ada" in page
    assert "ADLER, Otto" not in page
    assert "Nothing found among your patients" in olga.get("/referrer/?q=Nobody").content.decode()


def test_an_order_shows_its_report_and_is_opened_by_it(doctors: Doctors, olga: Client) -> None:
    order = build.performed()
    make.final_report(order)

    page = olga.get(f"/referrer/orders/{order.public_id}/").content.decode()

    assert "Normal CT of the head." in page
    assert "Acknowledge version 1" in page
    assert ResultReceipt.objects.get().user == doctors.olga
    assert olga.get("/referrer/?pile=new").content.decode().count("data-row") == 0
    row = AuditEvent.objects.get(action="ViewOwnOrder")
    assert (row.actor_name, row.order, row.patients) == (
        "olga",
        order,
        [str(order.patient.public_id)],
    )


def test_a_refresh_by_itself_opens_nothing(olga: Client) -> None:
    order = build.performed()
    make.final_report(order)

    olga.get(f"/referrer/orders/{order.public_id}/", headers={"X-Ris-Poll": "1"})

    assert ResultReceipt.objects.count() == 0


def test_others_orders_and_reports_do_not_exist(olga: Client) -> None:
    others = build.performed(OTTO)
    report = make.final_report(others)

    paths = [
        f"/referrer/orders/{others.public_id}/",
        f"/referrer/reports/{report.public_id}/print/",
        f"/referrer/new/?patient={others.patient.public_id}",
    ]

    assert [olga.get(path).status_code for path in paths] == [404, 404, 404]
    assert olga.post(
        f"/referrer/reports/{report.public_id}/seen/", {"version": "1"}
    ).status_code == 404  # fmt: skip
    assert olga.post(
        f"/referrer/orders/{others.public_id}/cancel/", {"reason": "x"}
    ).status_code == 404  # fmt: skip
    assert ResultReceipt.objects.count() == 0


def test_a_result_is_acknowledged_with_a_click(doctors: Doctors, olga: Client) -> None:
    order = build.performed()
    report = make.final_report(order)
    address = f"/referrer/orders/{order.public_id}/"

    answer = olga.post(
        f"/referrer/reports/{report.public_id}/seen/", {"version": "1", "next": address}
    )

    assert (answer.status_code, answer["Location"]) == (303, address)
    page = olga.get(address).content.decode()
    assert "Acknowledge version" not in page
    assert "Olga Test" in page
    assert ResultReceipt.objects.get().acknowledged_at is not None
    # The practice's other login sees who took note, once it may see the order.
    assert browser(doctors.otto).get(address).status_code == 404


def correct(report: Report, impression: str, reason: str) -> None:
    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.CORRECTION,
            sections={**make.TEXT, "impression": impression},
            reason=reason,
        ),
        actor=people.radiologist,
    )


def test_an_older_version_cannot_be_acknowledged_any_more(olga: Client) -> None:
    order = build.performed()
    report = make.final_report(order)
    correct(report, "Small bleeding.", "Seen again")

    answer = olga.post(f"/referrer/reports/{report.public_id}/seen/", {"version": "1"})

    assert answer.status_code == 409
    page = olga.get(f"/referrer/orders/{order.public_id}/").content.decode()
    assert "Final, changed since" in page
    assert "Reason: Seen again" in page
    assert page.index("Small bleeding.") < page.index("Normal CT of the head.")


def test_a_correction_says_word_by_word_what_it_changes(olga: Client) -> None:
    order = build.performed()
    report = make.final_report(order)
    correct(report, "Abnormal CT of the head.", "Typing mistake")

    page = olga.get(f"/referrer/orders/{order.public_id}/").content.decode()

    before, _, newest = page.partition("<summary>What changed</summary>")
    assert before.endswith('<details class="preview" data-keeps open>')
    shown = newest.partition("</details>")[0]
    removed = re.search(r"<del>.*?</span>(.*?)<span", shown)
    added = re.search(r"<ins>.*?</span>(.*?)<span", shown)
    assert (removed and removed[1], added and added[1]) == ("Normal", "Abnormal")
    assert "No bleeding" not in shown  # what stayed as it was stands below
    assert "ris/reporting.css" in page


def test_versions_that_only_add_or_withdraw_say_so_by_their_kind(olga: Client) -> None:
    order = build.performed()
    report = make.final_report(order)
    addendum = AmendReport(
        report=str(report.public_id),
        kind=VersionKind.ADDENDUM,
        sections={"addendum": "Compared with the CT of May."},
    )
    execute(addendum, actor=people.radiologist)
    execute(
        RetractReport(report=str(report.public_id), reason="Other patient"),
        actor=people.radiologist,
    )

    page = olga.get(f"/referrer/orders/{order.public_id}/").content.decode()

    assert "What changed" not in page


def test_a_withdrawn_report_is_not_shown_as_a_result(olga: Client) -> None:
    order = build.performed()
    report = make.final_report(order)
    execute(
        RetractReport(report=str(report.public_id), reason="Other patient"),
        actor=people.radiologist,
    )

    page = olga.get(f"/referrer/orders/{order.public_id}/").content.decode()

    assert "This report was withdrawn: do not rely on what it said." in page
    assert "Result withdrawn" in page
    assert page.index("do not rely") < page.index("Normal CT of the head.")


def test_the_pdf_is_of_the_version_asked_for(olga: Client) -> None:
    report = make.final_report(build.performed())

    answer = olga.get(f"/referrer/reports/{report.public_id}/print/?version=1")

    assert answer.content.startswith(b"%PDF-")
    assert answer["Cache-Control"] == "private, no-store"
    path = f"/referrer/reports/{report.public_id}/print/?version=2"
    assert olga.get(path).status_code == 404


def test_a_question_of_the_department_is_answered_on_the_page(olga: Client) -> None:
    order = build.order()
    question = execute(
        AskForInformation(
            order=OrderReference(public_id=str(order.public_id)), question="Which side?"
        ),
        actor=people.scheduler,
    )
    assert "Question to you" in olga.get("/referrer/").content.decode()

    olga.post(f"/referrer/questions/{question}/answer/", {"answer": "Left"})

    page = olga.get(f"/referrer/orders/{order.public_id}/").content.decode()
    assert "Left" in page
    assert "Send the answer" not in page


# --- mail and access


def test_mail_is_chosen_on_its_page(doctors: Doctors, olga: Client) -> None:
    assert "sends no mail about results yet" in olga.get("/referrer/notices/").content.decode()

    bad = olga.post("/referrer/notices/", {"when": "AT_ONCE", "address": "nowhere"})
    good = olga.post("/referrer/notices/", {"when": "DAILY", "address": "olga@home.example"})

    assert (bad.status_code, good.status_code) == (422, 303)
    row = NoticeChoice.objects.get(user=doctors.olga)
    assert (row.when, row.address) == ("DAILY", "olga@home.example")


def test_a_manager_links_a_login_and_ends_it(doctors: Doctors) -> None:
    key = execute(
        CreateUser(
            username="mona", password="", roles=frozenset({Role.MANAGER}), last_name="Muster"
        ),
        actor=OPERATOR,
    )
    manager = browser(User.objects.get(pk=key))
    page = manager.get("/referrers/").content.decode()
    assert "Ordonez, Olga, HOSP (D100)" in page

    unknown = manager.post("/referrers/", {"username": "desk", "person": "Olga"})
    answer = manager.post(
        "/referrers/", {"username": "desk", "person": "Ordonez, Olga, HOSP (D100)"}
    )

    assert unknown.status_code == 422
    assert "Nobody has this name and number" in unknown.content.decode()
    assert answer.status_code == 303
    row = ReferrerAccess.objects.get(user=doctors.desk, practitioner__identifier="D100")
    assert row.granted_by == "Muster"

    manager.post(f"/referrers/{row.public_id}/end/")

    assert not ReferrerAccess.objects.filter(pk=row.pk).exists()


def test_who_sees_whose_orders_is_shown_a_page_at_a_time(doctors: Doctors) -> None:
    ReferrerAccess.objects.bulk_create(
        ReferrerAccess(user=doctors.otto, service=f"Practice {number:02}", granted_at=make.NOON)
        for number in range(60)
    )
    manager = User.objects.create_user("mona")
    manager.groups.add(Group.objects.get_or_create(name=Role.MANAGER.value)[0])
    client = browser(manager)

    first = client.get("/referrers/").content.decode()
    second = client.get("/referrers/?page=2").content.decode()

    shown = [page.count("/end/") for page in (first, second)]
    assert shown == [50, ReferrerAccess.objects.count() - 50]
    assert 'rel="next"' in first


# --- budgets


@pytest.mark.parametrize("path", ["", "order", "new", "notices"])
def test_pages_stay_within_their_queries(path: str, doctors: Doctors, olga: Client) -> None:
    """However many orders there are."""
    first = build.performed()
    make.final_report(first)
    address = {
        "": "/referrer/",
        "order": f"/referrer/orders/{first.public_id}/",
        "new": f"/referrer/new/?patient={first.patient.public_id}",
        "notices": "/referrer/notices/",
    }[path]
    for hour in (13, 14, 15):
        make.final_report(build.performed(start_at=make.NOON.replace(hour=hour)))
    execute(
        AcknowledgeResult(report=str(Report.objects.latest("id").public_id), number=1),
        actor=build.actor(doctors.olga),
    )
    execute(SetResultNotices(when=NoticeTime.AT_ONCE), actor=build.actor(doctors.olga))

    olga.get(address)  # the session is written, and results are opened
    with CaptureQueriesContext(connection) as queries:
        assert olga.get(address).status_code == 200

    name = f"page_referrer_{path}" if path else "page_referrer"
    assert len(queries) <= BUDGETS[name], "\n".join(each["sql"][:100] for each in queries)
