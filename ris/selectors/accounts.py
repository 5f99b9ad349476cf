"""API tokens and users' roles."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField
from django.utils import timezone

from ris.domain.actors import Actor, ActorKind, Role
from ris.models import ApiToken, User
from ris.models.prepared import Given, Select


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    public_id: str
    client: str
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]
    expires_at: datetime | None


# Every call of a program begins with it.
_TOKEN = Select(
    lambda: ApiToken.objects.filter(
        digest=Given("digest", CharField()), revoked_at__isnull=True
    ).order_by("id")[:1]
)


def token_for(secret: str) -> TokenView | None:
    """The live token with this text; None if there is none, or it is revoked or has expired."""
    token = _TOKEN.first(digest=hashlib.sha256(secret.encode()).hexdigest())
    if token is None or (token.expires_at is not None and token.expires_at <= timezone.now()):
        return None
    return TokenView(
        public_id=str(token.public_id),
        client=token.client,
        scopes=tuple(token.scopes),
        addresses=tuple(token.addresses),
        expires_at=token.expires_at,
    )


def user_actor(user: User, address: str = "") -> Actor:
    """A login as the actor that the door knows."""
    return Actor(
        ActorKind.USER,
        user.get_username(),
        roles_of(user),
        user_id=user.pk,
        address=address,
        display=user.get_full_name() or user.get_username(),
    )


def person_behind(username: str) -> str:
    """Who has this login, by name; else the login itself."""
    user = User.objects.filter(username=username).first()
    return (user.get_full_name() if user else "") or username


def roles_of(user: User) -> frozenset[Role]:
    """The roles of a login; an unknown group name gives none."""
    known = {role.value: role for role in Role}
    names = user.groups.values_list("name", flat=True)
    return frozenset(known[name] for name in names if name in known)
