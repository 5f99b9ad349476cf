"""Logins through the door."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import make_password

from ris.domain.accounts import CreateUser, DisableUser, SetRoles
from ris.domain.actors import Role
from ris.domain.errors import DeniedError, DuplicateKeyError, InvalidValueError
from ris.models import Practitioner, User
from ris.services import execute
from tests import people

pytestmark = pytest.mark.django_db


def create(**overrides: object) -> User:
    fields = {"username": "mvoss", "password": "a long one", "roles": frozenset({Role.SCHEDULER})}
    execute(CreateUser(**{**fields, **overrides}), actor=people.admin)  # type: ignore[arg-type]
    return User.objects.get(username="mvoss")


def test_a_login_has_its_password_and_roles() -> None:
    user = create(roles=frozenset({Role.SCHEDULER, Role.ADMIN}))

    assert user.check_password("a long one")
    assert sorted(group.name for group in user.groups.all()) == ["admin", "scheduler"]
    assert user.is_staff


def test_a_hash_taken_over_is_a_password() -> None:
    user = create(password="", password_hash=make_password("from elsewhere"))

    assert user.check_password("from elsewhere")


@pytest.mark.parametrize("text", ["plain text", "md4$1$2", "!unusable"])
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        create(password="", password_hash=text)

    assert not User.objects.exists()


def test_without_password_nobody_can_log_in() -> None:
    assert not create(password="").has_usable_password()


def test_a_person_with_a_name_is_a_practitioner() -> None:
    create(first_name="Maren", last_name="Voss")

    assert Practitioner.objects.get().name == "Voss^Maren"


def test_a_login_exists_once() -> None:
    create()

    with pytest.raises(DuplicateKeyError):
        create()


def test_a_role_of_machines_is_for_machines() -> None:
    with pytest.raises(InvalidValueError):
        create(roles=frozenset({Role.SYSTEM}))


def test_a_disabled_login_cannot_log_in() -> None:
    create()

    execute(DisableUser(username="mvoss"), actor=people.admin)

    user = User.objects.get(username="mvoss")
    assert not user.is_active
    assert not user.check_password("a long one")


def test_only_an_administrator_gives_roles() -> None:
    create()

    with pytest.raises(DeniedError):
        execute(
            SetRoles(username="mvoss", roles=frozenset({Role.ADMIN})), actor=people.technologist
        )
