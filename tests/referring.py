"""Referring doctors with logins: each sees what the own number, or a practice, ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ris.domain.accounts import CreateUser
from ris.domain.actors import OPERATOR, Actor, Role
from ris.domain.facility import RegisterPractitioner
from ris.domain.orders import OrderDetails, Priority
from ris.domain.referring import GrantReferrerAccess
from ris.domain.values import Identifier, PersonName
from ris.models import Order, User
from ris.selectors import referred_orders, referring
from ris.selectors.accounts import user_actor
from ris.selectors.referred_orders import Pile
from ris.services import execute
from tests import make, people

OLGA = Identifier("D100", "HOSP")
OTTO = Identifier("D200", "HOSP")


@dataclass(frozen=True, slots=True)
class Doctors:
    """``olga`` and ``otto`` order each for themselves; ``desk`` is their practice's."""

    olga: User
    otto: User
    desk: User


def login(name: str, **said: Any) -> User:
    fields: dict[str, Any] = {
        "first_name": name.title(),
        "last_name": "Test",
        "email": f"{name}@practice.example",
    }
    key = execute(
        CreateUser(
            username=name, password="", roles=frozenset({Role.REFERRER}), **{**fields, **said}
        ),
        actor=OPERATOR,
    )
    return User.objects.get(pk=key)


def registered(identifier: Identifier, family: str, given: str) -> str:
    return execute(
        RegisterPractitioner(
            name=PersonName.of(family, given), identifier=identifier, phone="+43 1 5550100"
        ),
        actor=OPERATOR,
    )


def doctors() -> Doctors:
    """Three logins, linked by the manager."""
    olga, otto, desk = login("olga"), login("otto"), login("desk")
    for user, key in (
        (olga, registered(OLGA, "Ordonez", "Olga")),
        (otto, registered(OTTO, "Ottoson", "Otto")),
    ):
        execute(GrantReferrerAccess(username=user.username, practitioner=key), actor=people.manager)
    execute(
        GrantReferrerAccess(username="desk", service="Practice at the Pond"), actor=people.manager
    )
    return Doctors(olga, otto, desk)


def actor(user: User) -> Actor:
    return user_actor(user, "127.0.0.1")


def details(number: Identifier = OLGA, **said: Any) -> OrderDetails:
    """What an order from a hospital's system says of who asked for it."""
    fields: dict[str, Any] = {
        "priority": Priority.ROUTINE,
        "reason": "headache",
        "requester": PersonName.of("Ordonez", "Olga"),
        "requester_identifier": number,
    }
    return OrderDetails(**{**fields, **said})


def order(requester: Identifier = OLGA, **overrides: Any) -> Order:
    return make.order(details=details(requester), **overrides)


def performed(requester: Identifier = OLGA, **overrides: Any) -> Order:
    return make.performed(details=details(requester), **overrides)


def seen(to_user: User, pile: Pile = Pile.ALL) -> list[Order]:
    """What the doctor is shown."""
    to = referring.reach(to_user.pk)
    return list(referred_orders.in_pile(to, pile))
