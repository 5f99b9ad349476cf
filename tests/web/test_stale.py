"""Forms that are older than the login: given back whole, and never sent under another's name."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from http.cookies import SimpleCookie

from django.test import Client

from tests import make
from tests.web.department import Department

As = Callable[[str], Client]
TYPED = {"reason": "Wrong “patient” <b>\r\n said the ward, who had called twice about it", "x": "1"}


def checking(cookies: SimpleCookie | None = None) -> Client:
    """A browser whose forms are checked for their token."""
    client = Client(enforce_csrf_checks=True, headers={"origin": "http://testserver"})
    if cookies is not None:
        client.cookies = cookies
    return client


def fields(page: str) -> dict[str, str]:
    form = page[page.index("<form") :]
    return {
        name: html.unescape(value)
        for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form)
    }


def test_form_of_an_earlier_login_comes_back_with_every_word(full: Department, as_: As) -> None:
    client = checking(as_("scheduler").cookies)
    address = f"/orders/{full.waiting.public_id}/cancel/"

    answer = client.post(address, {**TYPED, "csrfmiddlewaretoken": "a" * 64, "proof": "12345"})

    page = answer.content.decode()
    assert (answer.status_code, answer["X-Ris-Form"]) == (403, "stale")
    found = fields(page)
    token = found.pop("csrfmiddlewaretoken")
    assert found == TYPED
    assert f'action="{address}"' in page
    assert "Send as" in page
    assert client.post(address, {**TYPED, "csrfmiddlewaretoken": token}).status_code == 303
    full.waiting.refresh_from_db()
    assert full.waiting.status == "CANCELED"


def test_text_is_shown_and_an_address_or_a_token_is_not(full: Department) -> None:
    hidden = {
        "next": "/orders/?tab=scheduled&modality=CT&view=all&page=2",
        "token": "W1" * 30,
        "slot": "01a205dd-4597-797d-9287-1ce4f9dfa0a7 2026-11-23T17:10:00+00:00",
    }

    answer = Client().post(f"/orders/{full.waiting.public_id}/cancel/", {**TYPED, **hidden})

    page = answer.content.decode()
    shown = re.sub(r"<[^>]*>", "", page)
    assert "said the ward, who had called twice" in shown
    assert "modality=CT" not in shown
    assert hidden["token"] not in shown
    assert "2026-11-23T17:10" not in shown
    assert fields(page).items() >= hidden.items()


def test_form_of_another_site_is_not_offered_again(full: Department, as_: As) -> None:
    client = checking(as_("scheduler").cookies)

    answer = client.post(
        f"/orders/{full.waiting.public_id}/cancel/", TYPED, headers={"origin": "https://evil.test"}
    )

    assert answer.status_code == 403
    assert "<form" not in answer.content.decode()


def test_secrets_are_not_written_into_a_page(as_: As) -> None:
    client = checking(as_("admin").cookies)

    answer = client.post("/account/", {"new_password": "correct horse battery"})

    assert answer.status_code == 403
    assert "correct horse" not in answer.content.decode()


def test_form_without_a_login_comes_back_with_the_way_to_it(full: Department) -> None:
    answer = Client().post(f"/orders/{full.waiting.public_id}/cancel/", TYPED)

    page = answer.content.decode()
    assert answer.status_code == 401
    assert fields(page)["reason"] == TYPED["reason"]
    assert "Your session has ended." in page
    assert 'href="/login/"' in page


def test_open_page_gets_the_token_of_the_new_login(as_: As, full: Department) -> None:
    client = checking(as_("scheduler").cookies)

    told = client.get("/session/").json()
    answer = client.post(
        f"/orders/{full.waiting.public_id}/cancel/",
        {**TYPED, "csrfmiddlewaretoken": told["token"]},
    )

    assert told["user"] == str(client.session["_auth_user_id"])
    assert answer.status_code == 303
    nobody = Client().get("/session/", headers={"HX-Request": "true"})
    assert nobody.status_code == 401


def test_dialog_without_a_login_leads_to_it_and_can_be_closed(full: Department) -> None:
    address = f"/board/move/{make.appointment_of(full.arrived).public_id}/"
    headers = {"HX-Request": "true", "HX-Target": "div#move-body"}

    answer = Client().get(address, headers=headers)

    page = answer.content.decode()
    assert answer.status_code == 401
    assert "Your session has ended." in page
    assert 'href="/login/"' in page
    assert "data-closes" in page
    other = Client().get(address, headers={"HX-Request": "true"}).content.decode()
    assert 'href="/login/"' in other
    assert "data-closes" not in other
