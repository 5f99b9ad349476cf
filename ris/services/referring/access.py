"""Whose orders a referring doctor's login sees."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.referring import (
    GrantReferrerAccess,
    ReferrerAccessGranted,
    ReferrerAccessRevoked,
    RevokeReferrerAccess,
)
from ris.domain.values import require_text
from ris.models import Practitioner, ReferrerAccess, User
from ris.selectors.accounts import roles_of
from ris.services._context import Context
from ris.services._locks import public_key


def grant_referrer_access(command: GrantReferrerAccess, context: Context) -> str:
    user = User.objects.filter(username=command.username.strip()).first()
    if user is None:
        raise UnknownKeyError("no such login", path="username")
    if Role.REFERRER not in roles_of(user):
        raise InvalidValueError(
            "this login is not a referring doctor's; give it that role first", path="username"
        )
    service = require_text(command.service.strip(), path="service", limit=64, name="practice")
    if bool(command.practitioner) is bool(service):
        raise MissingValueError("name a practitioner or a practice, one of the two", path="person")
    practitioner = _practitioner(command.practitioner) if command.practitioner else None
    row, is_new = ReferrerAccess.objects.get_or_create(
        user=user,
        practitioner=practitioner,
        service=service,
        defaults={
            "granted_at": context.now,
            "granted_by": (context.actor.display or context.actor.name)[:200],
        },
    )
    if not is_new:
        context.about(row)
        return str(row.public_id)
    context.emit(
        ReferrerAccessGranted(
            username=user.username,
            practitioner=practitioner.name if practitioner else "",
            service=service,
        ),
        subject=row,
    )
    return str(row.public_id)


def _practitioner(key: str) -> Practitioner:
    row = Practitioner.objects.filter(public_id=public_key(key, "practitioner")).first()
    if row is None:
        raise UnknownKeyError("no such practitioner", path="person")
    if not row.identifier:
        raise InvalidValueError(
            "this person has no number, and orders are found by it; register one first",
            path="person",
        )
    return row


def revoke_referrer_access(command: RevokeReferrerAccess, context: Context) -> None:
    row = (
        ReferrerAccess.objects.select_related("user", "practitioner")
        .filter(public_id=public_key(command.access, "access"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("this access was ended before")
    context.emit(
        ReferrerAccessRevoked(
            username=row.user.username,
            practitioner=row.practitioner.name if row.practitioner else "",
            service=row.service,
        ),
        subject=row,
    )
    row.delete()
