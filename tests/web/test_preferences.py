"""Language, look and keys: kept where they belong, shown on every page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import translation

from ris.domain.errors import InvalidValueError
from ris.domain.preferences import KEYS, check
from ris.models import DomainEvent, User
from ris.web import navigation

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]


def test_every_shortcut_can_be_given_another_letter() -> None:
    named = {letter for letters, _ in navigation.SHORTCUTS for letter in letters} | {"g"}

    assert named <= set(KEYS)


def test_two_shortcuts_never_share_a_letter() -> None:
    with pytest.raises(InvalidValueError, match="n cannot stand for both b and n"):
        check("", {"b": "n"})


def test_letters_may_change_places() -> None:
    check("de", {"b": "n", "n": "b"})


@pytest.mark.parametrize("pressed", ["/", "?", " ", "ab", ""])
def test_a_shortcut_is_one_sign_that_nothing_else_needs(pressed: str) -> None:
    with pytest.raises(InvalidValueError):
        check("", {"b": pressed})


def test_a_language_that_is_not_ours_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="not a language"):
        check("xx", {})


def test_language_and_letters_are_kept_with_the_login(as_: As, users: dict[str, User]) -> None:
    client = as_("scheduler")

    answer = client.post("/account/", {"what": "person", "language": "de", "key b": "q"})

    assert answer.status_code == 303
    users["scheduler"].refresh_from_db()
    assert users["scheduler"].preferences == {"language": "de", "keys": {"b": "q"}}
    assert DomainEvent.objects.filter(name="PreferencesSet").count() == 1
    shown = client.get("/account/")
    assert shown.headers["Content-Language"] == "de"
    text = shown.content.decode()
    assert '<html lang="de" dir="ltr"' in text
    assert 'data-keymap="{&quot;b&quot;: &quot;q&quot;}"' in text


def test_a_letter_taken_twice_is_said_and_nothing_typed_is_lost(
    as_: As, users: dict[str, User]
) -> None:
    answer = as_("scheduler").post("/account/", {"what": "person", "language": "", "key b": "n"})

    assert answer.status_code == 422
    text = answer.content.decode()
    assert "n cannot stand for both b and n" in text
    assert re.search(r'name="key b"[^>]* value="n"', text)
    users["scheduler"].refresh_from_db()
    assert users["scheduler"].preferences == {}


def test_the_look_is_kept_in_the_browser(as_: As) -> None:
    client = as_("radiologist")

    client.post(
        "/account/", {"what": "browser", "theme": "dark", "contrast": "on", "compact": "on"}
    )

    text = client.get("/").content.decode()
    assert 'data-bs-theme="dark" data-theme-choice="dark" data-contrast="more"' in text
    assert 'data-density="compact" data-keys="off"' in text


def test_who_chose_nothing_reads_what_the_browser_asks_for(client: Client) -> None:
    page = client.get("/login/", headers={"Accept-Language": "fr-CA,fr;q=0.9"})

    assert page.headers["Content-Language"] == "fr"
    assert '<html lang="fr"' in page.content.decode()


def test_machines_are_answered_in_english(client: Client) -> None:
    answer = client.get("/fhir/Patient", headers={"Accept-Language": "de"})

    assert answer.status_code == 401
    assert "Content-Language" not in answer.headers


def test_one_request_leaves_no_language_to_the_next(client: Client) -> None:
    client.get("/login/", headers={"Accept-Language": "ja"})

    assert translation.get_language() == "en"


def test_theme_follows_the_person_and_a_browser_may_have_its_own(
    as_: As, users: dict[str, User]
) -> None:
    client, elsewhere = as_("scheduler"), as_("scheduler")

    client.post("/account/", {"what": "person", "theme": "dark"})
    elsewhere.post("/account/", {"what": "browser", "theme": "light"})

    users["scheduler"].refresh_from_db()
    assert users["scheduler"].theme == "dark"
    assert 'data-theme-choice="dark"' in client.get("/account/").content.decode()
    assert 'data-theme-choice="light"' in elsewhere.get("/account/").content.decode()
    elsewhere.post("/account/", {"what": "browser", "theme": ""})
    assert 'data-theme-choice="dark"' in elsewhere.get("/account/").content.decode()
    refused = client.post("/account/", {"what": "person", "theme": "pink"})
    assert refused.status_code == 422
