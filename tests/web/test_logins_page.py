"""Logins at the page: made, given roles and passwords, locked out, and never the last keeper."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from ris.domain.accounts import CreateUser, DisableUser, SetRoles
from ris.domain.actors import OPERATOR, Role
from ris.domain.errors import StateConflictError
from ris.models import AuditEvent, DomainEvent, Practitioner, User
from ris.selectors.accounts import roles_of, user_actor
from ris.services import execute

As = Callable[[str], Client]
PASSWORD = "a kettle of fish 77"


def form(**said: object) -> dict[str, object]:
    return {
        "username": "mvoss",
        "first_name": "Mara",
        "last_name": "Voss",
        "email": "mvoss@mail.example",
        "password": PASSWORD,
        "roles": ["scheduler", "frontdesk"],
        **said,
    }


def mara(roles: frozenset[Role] = frozenset({Role.SCHEDULER})) -> User:
    command = CreateUser(username="mvoss", password=PASSWORD, roles=roles, last_name="Voss")
    return User.objects.get(pk=execute(command, actor=OPERATOR))


def logged_in(username: str, password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/login/", {"login": username, "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get("/orders/").status_code == 200


def test_an_administrator_makes_a_login_that_works(users: None, as_: As) -> None:
    answer = as_("admin").post("/users/", form(), follow=True)

    made = User.objects.get(username="mvoss")
    assert roles_of(made) == {Role.SCHEDULER, Role.FRONTDESK}
    assert Practitioner.objects.get(user=made).name == "Voss^Mara"
    assert "mvoss can log in." in answer.content.decode()
    assert PASSWORD not in answer.content.decode()
    assert is_in(logged_in("mvoss"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"password": "short"}, "at least 12 characters"),
        ({"password": "mvoss mvoss"}, "too similar"),
        ({"username": "a b"}, "Letters, digits"),
        ({"username": "admin"}, "this login exists already"),
        ({"last_name": ""}, "required"),
        ({"roles": ["referrer", "scheduler"]}, "a login from outside has that one role"),
        ({"roles": ["system"]}, "not one of the available choices"),
    ],
)
def test_what_is_wrong_with_a_login_is_said_and_none_is_made(
    users: None, as_: As, said: dict[str, object], words: str
) -> None:
    before = User.objects.count()

    answer = as_("admin").post("/users/", form(**said))

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert User.objects.count() == before


@pytest.mark.parametrize("role", ["manager", "scheduler", "radiologist"])
def test_nobody_else_sees_or_makes_logins(users: None, as_: As, role: str) -> None:
    key = User.objects.get(username="admin").pk
    client = as_(role)

    codes = [
        client.get("/users/").status_code,
        client.post("/users/", form()).status_code,
        client.post(f"/users/{key}/", {"roles": []}).status_code,
        client.post(f"/users/{key}/password/", {"password": PASSWORD}).status_code,
        client.post(f"/users/{key}/lock/").status_code,
    ]

    assert codes == [403] * 5
    assert not User.objects.filter(username="mvoss").exists()


def test_roles_count_from_the_next_click_on(users: None, as_: As) -> None:
    user = mara()
    client = logged_in("mvoss")
    before = client.get("/analytics/").status_code

    as_("admin").post(f"/users/{user.pk}/", {"roles": ["manager"]})

    assert (before, client.get("/analytics/").status_code) == (403, 200)
    assert AuditEvent.objects.filter(action="SetRoles", actor_name="admin").exists()


def test_who_is_locked_out_is_out_at_once_and_in_again_with_a_new_password(
    users: None, as_: As
) -> None:
    user, admin = mara(), as_("admin")
    client = logged_in("mvoss")
    was_in = is_in(client)

    admin.post(f"/users/{user.pk}/lock/")
    out = is_in(client), is_in(logged_in("mvoss"))
    page = admin.get("/users/").content.decode()
    admin.post(f"/users/{user.pk}/password/", {"password": "another kettle 78"})

    assert (was_in, out) == (True, (False, False))
    assert "locked out" in page
    assert is_in(logged_in("mvoss", "another kettle 78"))
    assert DomainEvent.objects.get(name="PasswordReplaced").payload == {"username": "mvoss"}


def test_a_password_against_the_rules_is_not_given(users: None, as_: As) -> None:
    user = mara()

    answer = as_("admin").post(f"/users/{user.pk}/password/", {"password": "password1234"})

    assert answer.status_code == 422
    assert is_in(logged_in("mvoss"))


def test_administrators_do_not_take_their_own_rights_away(users: None, as_: As) -> None:
    key = User.objects.get(username="admin").pk
    client = as_("admin")

    roles = client.post(f"/users/{key}/", {"roles": ["scheduler"]})
    locked = client.post(f"/users/{key}/lock/")

    assert (roles.status_code, locked.status_code) == (422, 409)
    assert "another administrator has to take your own rights away" in roles.content.decode()
    assert client.get("/users/").status_code == 200


def test_the_last_administrator_remains_whoever_was_faster(users: None) -> None:
    mara(frozenset({Role.ADMIN}))
    admin = user_actor(User.objects.get(username="admin"))
    other = user_actor(User.objects.get(username="mvoss"))
    execute(SetRoles(username="admin", roles=frozenset({Role.MANAGER})), actor=other)

    for command in (DisableUser(username="mvoss"), SetRoles(username="mvoss", roles=frozenset())):
        with pytest.raises(StateConflictError, match="somebody has to remain"):
            execute(command, actor=admin)  # who was asked before, and answers now

    execute(DisableUser(username="mvoss"), actor=OPERATOR)
    assert not User.objects.get(username="mvoss").is_active


def test_logins_are_found_by_a_part_of_the_name(users: None, as_: As) -> None:
    mara()

    page = as_("admin").get("/users/?q=voss").content.decode()

    assert "mvoss" in page
    assert ">admin<" not in page
    assert "Nobody has this name" in as_("admin").get("/users/?q=nobody").content.decode()
    assert as_("admin").get("/users/999999/").status_code == 404
