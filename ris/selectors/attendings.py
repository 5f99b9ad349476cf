"""Attending radiologists, as a resident may choose one to sign with."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from ris.domain.actors import Role
from ris.models import User
from ris.selectors.reports import person_name


@dataclass(frozen=True, slots=True)
class Attending:
    username: str
    name: str


def who_may_sign() -> QuerySet[User]:
    """Logins of attending radiologists that are not shut."""
    return User.objects.filter(is_active=True, groups__name=Role.RADIOLOGIST.value)


def attendings() -> list[Attending]:
    """All who may be chosen, by name; one query."""
    found = who_may_sign().select_related("practitioner").distinct()
    chosen = [Attending(user.username, person_name(user).display) for user in found]
    return sorted(chosen, key=lambda each: each.name.casefold())
