"""Login: local accounts only, at /login/, slowed down after failures."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from ris.domain.accounts import CreateUser, DisableUser
from ris.domain.actors import OPERATOR, Role
from ris.services import execute

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _no_memory_of_failures() -> None:
    cache.clear()


@pytest.fixture
def uma() -> str:
    execute(
        CreateUser(username="uma", password=PASSWORD, roles=frozenset({Role.SCHEDULER})),
        actor=OPERATOR,
    )
    return "uma"


def log_in(client: Client, name: str, password: str, address: str = "127.0.0.1") -> int:
    response = client.post("/login/", {"login": name, "password": password}, REMOTE_ADDR=address)
    return response.status_code


def test_login_and_logout_have_one_address_each() -> None:
    assert reverse("account_login") == "/login/"
    assert reverse("account_logout") == "/logout/"


def test_a_user_logs_in_with_name_and_password(client: Client, uma: str) -> None:
    response = client.post("/login/", {"login": uma, "password": PASSWORD})

    assert (response.status_code, response["Location"]) == (302, "/")
    cookie = response.cookies["ris_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_a_wrong_password_does_not(client: Client, uma: str) -> None:
    assert log_in(client, uma, "wrong") == 200
    assert "ris_session" not in client.cookies or "_auth_user_id" not in client.session


def test_a_disabled_user_does_not(client: Client, uma: str) -> None:
    execute(DisableUser(username=uma), actor=OPERATOR)

    log_in(client, uma, PASSWORD)

    assert "_auth_user_id" not in client.session


def test_after_five_failures_even_the_right_password_waits(client: Client, uma: str) -> None:
    for number in range(5):
        log_in(client, uma, "wrong", f"192.0.2.{number}")

    log_in(client, uma, PASSWORD, "192.0.2.99")

    assert "_auth_user_id" not in client.session


def test_nobody_signs_up(client: Client) -> None:
    response = client.post(reverse("account_signup"), {"username": "eve", "password1": PASSWORD})

    assert response.status_code == 200
    assert "_auth_user_id" not in client.session
    assert b"closed" in response.content.lower()


def test_who_is_not_logged_in_is_sent_to_the_login_page(client: Client) -> None:
    response = client.get("/")

    assert response.status_code == 302
    assert response["Location"].startswith("/login/")


def test_a_hospital_logs_in_from_one_address_within_a_minute(uma: str) -> None:
    answers = [
        Client().post("/login/", {"login": uma, "password": PASSWORD}).status_code
        for _ in range(40)
    ]

    assert answers == [302] * 40
