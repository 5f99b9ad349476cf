"""Devices at the page: the list, one device, its queries, and why a step is not shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ris.models import AuditEvent, Device, Order, WorklistQueryLog
from ris.services.refusals import record_refusal
from tests import make
from tests.web.department import arrive, booked_at, person
from tests.wire.worklist_server import running
from tests.worklist import requests
from tests.worklist.entries import identifier

As = Callable[[str], Client]
BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())


@dataclass(frozen=True, slots=True)
class Day:
    """What stands on today's worklists."""

    arrived: Order  # CT1
    late: Order  # CT2
    waiting: Order


@pytest.fixture
def day(rooms: None) -> Day:
    now = timezone.now()
    arrived = booked_at(now + timedelta(minutes=40), patient=person("Adler", "Uwe", "MRN006"))
    arrive(arrived)
    late = booked_at(now - timedelta(minutes=25), "CT2", patient=person("Late", "Lena", "MRN005"))
    return Day(arrived, late, make.order(patient=person("Ito", "Ken", "MRN004")))


def ask(station: str = "CT1", date: str = "", ae_title: str = "") -> int:
    """A scanner's query of today; the number under which it is kept."""
    query = identifier(
        PatientName="",
        step={
            "ScheduledStationAETitle": station,
            "ScheduledProcedureStepStartDate": date or f"{timezone.localdate():%Y%m%d}",
        },
    )
    requests.find(requests.handlers(), query, ae_title=ae_title or station)
    return WorklistQueryLog.objects.latest("id").pk


def refuse(ae_title: str, reason: str) -> None:
    record_refusal(
        ae_title, address="10.1.2.3", operation="A-ASSOCIATE", status="1/1/3", reason=reason
    )


# --- the list


def test_the_list_shows_who_asked_and_who_had_errors(day: Day, as_: As) -> None:
    ask()
    ask("CT2", date="garbage")

    page = as_("admin").get("/devices/").content.decode()

    assert 'href="/devices/CT1/"' in page
    assert "1 error today" in page
    assert page.count("error today") == 1


def test_a_caller_that_nobody_registered_is_allowed_with_two_clicks(day: Day, as_: As) -> None:
    refuse("NEWCT", "AE title is not registered")
    client = as_("admin")
    listed = client.get("/devices/").content.decode()
    form = client.get("/devices/", {"ae": "NEWCT", "address": "10.1.2.3"}).content.decode()

    response = client.post(
        "/devices/",
        {"ae_title": "NEWCT", "address": "10.1.2.3", "modality": "ct", "active": "on"},
    )

    device = Device.objects.get(ae_title="NEWCT")
    assert "Callers that nobody registered" in listed
    assert "?ae=NEWCT&amp;address=10.1.2.3#form" in listed
    assert 'value="NEWCT"' in form
    assert 'value="10.1.2.3"' in form
    assert (response.status_code, response["Location"]) == (303, "/devices/NEWCT/")
    assert (device.modality, device.address, device.active) == ("CT", "10.1.2.3", True)
    assert "Callers that nobody registered" not in client.get("/devices/").content.decode()


def test_settings_are_kept_and_nonsense_is_refused(day: Day, as_: As) -> None:
    client = as_("admin")
    fields = {"ae_title": "CT1", "modality": "CT", "active": "on"}

    good = client.post("/devices/", {**fields, "settings": '{"window_days": [1, 7]}'})
    no_json = client.post("/devices/", {**fields, "settings": "{mpps"})
    unknown = client.post("/devices/", {**fields, "settings": '{"mppps": "strict"}'})

    assert good.status_code == 303
    assert (no_json.status_code, unknown.status_code) == (422, 422)
    assert "This is no JSON object" in no_json.content.decode()
    assert "did you mean mpps?" in unknown.content.decode()
    assert Device.objects.get(ae_title="CT1").settings == {"window_days": [1, 7]}


def test_a_caller_that_was_let_in_without_being_registered_is_listed(day: Day, as_: As) -> None:
    make.device("CT2", "CT", settings={"aliases": ["OLDCT2"]})
    ask("CT1", ae_title="GUEST")
    ask("CT2", ae_title="OLDCT2")

    page = as_("admin").get("/devices/").content.decode()
    former = as_("admin").get("/devices/OLDCT2/").content.decode()

    assert "let in all the same" in page
    assert "?ae=GUEST" in page
    assert "OLDCT2" not in page
    assert "now CT2, CT" in former


# --- one device


def test_a_device_shows_what_it_sees_asked_and_was_refused(day: Day, as_: As) -> None:
    number = ask()
    refuse("CT1", "address is not that of the device")

    page = as_("admin").get("/devices/CT1/").content.decode()

    assert "What it asked last. Station AE title: CT1; Start: 2026-03-02" in page
    assert "ADLER" in page  # arrived, CT1, today
    assert "LATE" not in page.partition("Last queries")[0]  # of CT2
    assert f'href="/devices/queries/{number}/"' in page
    assert "address is not that of the device" in page


def test_who_is_shown_at_a_device_is_audited_once(day: Day, as_: As) -> None:
    ask()
    client = as_("admin")

    client.get("/devices/CT1/")
    client.get("/devices/CT1/", headers={"X-Ris-Poll": "1", "HX-Request": "true"})

    audit = AuditEvent.objects.get(action="ViewDevice")
    assert str(day.arrived.patient.public_id) in audit.patients
    assert audit.subject == "Device CT1"


def test_the_settings_of_a_device_are_told_in_words(day: Day, as_: As) -> None:
    make.device(
        "CT1",
        "CT",
        settings={"window_days": [1, 7], "mpps": "strict", "own_station": True},
    )

    page = as_("admin").get("/devices/CT1/").content.decode()

    assert "<dt>Days before and after today, for lists without a date</dt><dd>1, 7</dd>" in page
    assert "<dt>Performed steps are taken in</dt><dd>strict</dd>" in page
    assert "<dt>A list without a station is its own station" in page


def test_an_unknown_device_is_not_found(day: Day, as_: As) -> None:
    client = as_("admin")

    assert client.get("/devices/NOBODY/").status_code == 404
    refuse("NOBODY", "AE title is not registered")
    assert "Not registered" in client.get("/devices/NOBODY/").content.decode()


def test_a_refresh_of_a_device_brings_only_the_live_part(day: Day, as_: As) -> None:
    text = (
        as_("admin")
        .get("/devices/CT1/", headers={"X-Ris-Poll": "1", "HX-Request": "true"})
        .content.decode()
    )

    assert text.lstrip().startswith("<div id=")
    assert "<html" not in text


@pytest.mark.parametrize("ae_title", ["CT/1", "CT 1", "why", "50%"])
def test_odd_ae_titles_have_a_page(day: Day, as_: As, ae_title: str) -> None:
    make.device(ae_title, "CT")
    client = as_("admin")
    listed = client.get("/devices/").content.decode()
    address = listed.partition(f">{ae_title}</a>")[0].rpartition('href="')[2].partition('"')[0]

    page = client.get(address)

    assert page.status_code == 200
    assert ae_title == "why" or f"<h1>{ae_title} <span" in page.content.decode()


# --- echo


@pytest.mark.wire
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("ae_title", "words"), [("RIS", "RIS answers ("), ("CT1", "CT1 does not answer: ")]
)
def test_a_device_that_listens_is_asked_whether_it_answers(
    as_: As, rooms: None, ae_title: str, words: str
) -> None:
    with running(accept_unknown=True) as scanner:  # it is called RIS, and refuses other names
        make.device(ae_title, "CT", settings={"listens_at": f"127.0.0.1:{scanner.port}"})
        client = as_("admin")
        page = client.get(f"/devices/{ae_title}/").content.decode()

        answer = client.post(
            f"/devices/{ae_title}/echo/", {"next": f"/devices/{ae_title}/"}, follow=True
        ).content.decode()

    assert "Test (C-ECHO)" in page
    assert words in answer


def test_a_device_of_which_no_address_is_known_is_not_asked(day: Day, as_: As) -> None:
    client = as_("admin")

    assert "Test (C-ECHO)" not in client.get("/devices/CT1/").content.decode()
    assert client.post("/devices/CT1/echo/").status_code == 422


# --- a query


def test_a_query_shows_its_keys_bytes_and_what_was_left_out(day: Day, as_: As) -> None:
    number = ask()

    page = as_("manager").get(f"/devices/queries/{number}/").content.decode()

    assert 'ScheduledStationAETitle</dt><dd class="mono">CT1</dd>' in page
    assert "Station AE title: asked CT1, this step is for CT2" in page
    assert "State of the step: offered are scheduled, arrived or ready" in page  # Ito waits
    assert "000000  " in page
    assert "1.2.840.10008.1.2.1" in page
    assert "The same as then." in page
    audit = AuditEvent.objects.get(action="ExplainQuery")
    assert str(day.late.patient.public_id) in audit.patients


def test_a_refused_query_shows_why(day: Day, as_: As) -> None:
    number = ask(date="garbage")

    page = as_("admin").get(f"/devices/queries/{number}/").content.decode()

    assert "(0040,0002)" in page
    assert "not understood" in page


def test_an_unknown_query_is_not_found(day: Day, as_: As) -> None:
    assert as_("admin").get("/devices/queries/999/").status_code == 404


# --- why


def test_a_technologist_learns_why_a_device_does_not_show_a_step(day: Day, as_: As) -> None:
    ask()
    client = as_("technologist")
    step = make.step_of(day.late)

    hidden = client.get("/devices/why/", {"step": step.step_id, "ae": "CT1"}).content.decode()
    shown = client.get(
        "/devices/why/", {"step": day.arrived.accession_number, "ae": "CT1"}
    ).content.decode()

    assert "CT1 does not see this step." in hidden
    assert "Station AE title: asked CT1, this step is for CT2" in hidden
    assert "CT1 sees this step when it asks." in shown
    assert "/devices/queries/" not in hidden  # that page is not for technologists
    assert AuditEvent.objects.filter(action="ExplainStep").count() == 2


def test_without_a_device_the_one_the_step_is_for_is_taken(day: Day, as_: As) -> None:
    booked = str(make.step_of(day.late).public_id)
    waiting = str(make.step_of(day.waiting).public_id)
    client = as_("admin")

    assert "CT2 sees" in client.get("/devices/why/", {"step": booked}).content.decode()
    page = client.get("/devices/why/", {"step": waiting}).content.decode()
    assert "CT1 does not see this step." in page
    assert "The step has no time yet: book it, and it is offered." in page


def test_a_number_that_is_nobodys_keeps_the_form(day: Day, as_: As) -> None:
    response = as_("admin").get("/devices/why/", {"step": "NOSUCH"})

    assert response.status_code == 404
    assert 'value="NOSUCH"' in response.content.decode()


def test_the_order_leads_to_the_explanation_for_those_who_may_see_it(day: Day, as_: As) -> None:
    address = f"/orders/{day.late.public_id}/"
    link = f"/devices/why/?step={make.step_of(day.late).public_id}"

    assert link in as_("technologist").get(address).content.decode()
    assert link not in as_("frontdesk").get(address).content.decode()


# --- for whom, and at what cost


@pytest.mark.parametrize(
    ("address", "roles"),
    [
        ("/devices/CT1/", {"manager", "admin"}),
        ("/devices/queries/{number}/", {"manager", "admin"}),
        ("/devices/why/", {"technologist", "manager", "admin"}),
    ],
)
def test_pages_are_for_their_roles(day: Day, as_: As, address: str, roles: set[str]) -> None:
    path = address.format(number=ask())
    everybody = ("scheduler", "frontdesk", "technologist", "radiologist", "manager", "admin")

    shown = {role for role in everybody if as_(role).get(path).status_code == 200}

    assert shown == roles
    assert Client().get(path).status_code == 302


def test_an_echo_is_refused_to_others(day: Day, as_: As) -> None:
    assert as_("technologist").post("/devices/CT1/echo/").status_code == 403


@pytest.mark.parametrize("asked", [1, 25])
def test_pages_cost_the_same_statements_however_often_a_device_asks(
    day: Day, as_: As, asked: int
) -> None:
    number = ask()
    row = WorklistQueryLog.objects.get(pk=number)
    for ago in range(asked):
        row.pk, row.at = None, timezone.now() - timedelta(minutes=ago)
        row.save()
    step = str(make.step_of(day.late).public_id)
    client = as_("admin")
    client.get("/devices/")  # the session is read once
    counts: dict[str, int] = {}

    for name, path in (
        ("page_devices", "/devices/"),
        ("page_device", "/devices/CT1/"),
        ("page_query", f"/devices/queries/{number}/"),
        ("page_why", f"/devices/why/?step={step}&ae=CT1"),
    ):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        counts[name] = len(captured)

    assert [name for name, count in counts.items() if count > BUDGETS[name]] == []
