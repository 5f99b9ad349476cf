"""The wall: numbers and rooms, never a name; screens without a login, until they are taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from ris.domain.arrivals import (
    CallPatient,
    ConfigureDesk,
    IssueWallLink,
    RevokeWallLink,
    WallKind,
    WallNames,
)
from ris.domain.values import PersonName
from ris.models import AuditEvent, Order, Site, WallLink
from ris.selectors.walls import initials
from ris.services import execute
from ris.web.frontdesk.setup import token_of
from tests import make, people
from tests.web.department import arrive, begin, booked_at, person, today_at

BUDGETS = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
As = Callable[[str], Client]


@pytest.fixture
def site(rooms: None) -> str:
    return str(Site.objects.get().public_id)


@pytest.fixture
def called(site: str) -> Order:
    order = booked_at(today_at(12, 30), patient=person("Ito", "Ken", "MRN004"))
    arrive(order)
    step = make.step_of(order)
    assert step.appointment is not None
    execute(CallPatient(appointment=str(step.appointment.public_id)), actor=people.technologist)
    return order


def link(site: str, kind: WallKind = WallKind.WAITING) -> str:
    key = execute(IssueWallLink(site=site, kind=kind, name="Left"), actor=people.admin)
    return f"/wall/screen/{token_of(key)}/"


def test_waiting_room_shows_the_number_and_the_room_and_no_name(site: str, called: Order) -> None:
    page = Client().get(link(site)).content.decode()

    assert "<strong>1</strong>" in page
    assert "CT room" in page
    assert "Ito" not in page
    assert "ITO" not in page
    assert "MRN004" not in page


def test_initials_are_shown_where_the_site_wants_them(site: str, called: Order) -> None:
    execute(ConfigureDesk(site=site, names=WallNames.INITIALS), actor=people.manager)

    page = Client().get(link(site)).content.decode()

    assert "<strong>K.I. 1</strong>" in page
    assert "Ito" not in page


def test_one_letter_of_an_ideographic_name_is_too_much() -> None:
    assert initials(PersonName.parse("=山田^太郎")) == ""
    assert initials(PersonName.of("Łukasz", "Anna")) == "A.Ł."


def test_who_went_in_is_not_called_any_more(site: str, called: Order) -> None:
    begin(called)

    page = Client().get(link(site)).content.decode()

    assert "<strong>1</strong>" not in page
    assert "Please wait until your number is called." in page


def test_control_room_shows_how_the_rooms_stand(site: str, called: Order) -> None:
    begin(called, timezone.now() - timedelta(minutes=45))
    booked_at(today_at(15), patient=person("Lund", "Eva", "MRN005"))

    page = Client().get(link(site, WallKind.CONTROL)).content.decode()

    assert "In progress, 45 min" in page
    assert "planned 20 min" in page
    assert "0 waiting, 1 to come" in page
    assert "ITO" not in page
    assert "LUND" not in page


def test_screen_that_was_taken_back_shows_nothing(as_: As, site: str, called: Order) -> None:
    address = link(site)
    as_("admin").post(f"/arrivals/setup/screens/{WallLink.objects.get().public_id}/revoke/")

    response = Client().get(address)

    assert response.status_code == 404
    assert "This screen is not connected" in response.content.decode()


def test_address_that_was_not_issued_shows_nothing(site: str) -> None:
    execute(IssueWallLink(site=site, kind=WallKind.WAITING, name="Left"), actor=people.admin)
    forged = f"{WallLink.objects.get().public_id}:forged"

    assert Client().get(f"/wall/screen/{forged}/").status_code == 404
    assert Client().get(f"/wall/screen/{WallLink.objects.get().public_id}/").status_code == 404


def test_screen_reads_only_and_is_no_login(site: str) -> None:
    client = Client()
    address = link(site)

    assert client.post(address).status_code == 405
    assert client.get("/arrivals/").status_code == 302
    assert client.get(f"/wall/{site}/").status_code == 302


def test_wall_is_there_for_people_of_the_floor(as_: As, site: str, called: Order) -> None:
    page = as_("frontdesk").get(f"/wall/{site}/")

    assert page.status_code == 200
    assert as_("radiologist").get(f"/wall/{site}/").status_code == 403
    assert as_("frontdesk").get("/wall/nowhere/").status_code == 404


def test_screen_asks_for_the_part_that_changes(site: str, called: Order) -> None:
    response = Client().get(link(site), headers={"X-Ris-Wall": "part"})

    assert "<html" not in response.content.decode()
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_wall_does_not_ask_more_for_more_patients(
    site: str, called: Order, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for number in range(4):
        arrive(booked_at(today_at(14 + number), patient=person("Ito", "Ai", f"MRN1{number}")))
    addresses = [link(site), link(site, WallKind.CONTROL)]

    for address in addresses:
        with django_assert_max_num_queries(BUDGETS["page_wall"]):  # type: ignore[attr-defined]
            Client().get(address)


def test_only_who_sets_the_site_up_issues_screens(as_: As, site: str) -> None:
    said = {"screen-site": site, "screen-kind": "WAITING", "screen-name": "Left"}

    refused = as_("frontdesk").post("/arrivals/setup/screens/", said)
    issued = as_("manager").post("/arrivals/setup/screens/", said)

    assert (refused.status_code, issued.status_code) == (403, 303)
    assert WallLink.objects.count() == 1
    assert AuditEvent.objects.filter(action="IssueWallLink").count() == 1
    assert "/wall/screen/" in as_("manager").get("/arrivals/setup/").content.decode()


def test_setup_keeps_labels_and_names_of_a_site(as_: As, site: str) -> None:
    client = as_("manager")

    client.post("/arrivals/setup/", {"site": site, "label": "A4 3x8", "names": "INITIALS"})

    page = client.get("/arrivals/setup/").content.decode()
    assert "A4 3x8" in page
    assert "initials and the number" in page


def test_taken_back_address_has_nothing_to_hear(site: str) -> None:
    """204 ends an EventSource (HTML Living Standard, 9.2.3)."""
    address = link(site)
    execute(RevokeWallLink(link=str(WallLink.objects.get().public_id)), actor=people.admin)

    assert Client().get(f"{address}live/").status_code == 204
    assert Client().get("/wall/screen/forged/live/").status_code == 204
