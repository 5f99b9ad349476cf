"""API tokens and users' roles."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, Q, QuerySet
from django.utils import timezone

from ris.domain.actors import Actor, ActorKind, Role
from ris.domain.errors import UnknownKeyError
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLine:
    """A login as whoever administers them sees it."""

    key: int
    username: str
    display: str
    email: str
    roles: tuple[Role, ...]
    active: bool
    has_password: bool
    last_login: datetime | None


def login_rows(text: str = "") -> QuerySet[User]:
    """Those who may log in first; narrowed by a part of the name."""
    rows = User.objects.prefetch_related("groups").order_by("-is_active", "username")
    for word in text.split():
        rows = rows.filter(
            Q(username__icontains=word) | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
        )  # fmt: skip
    return rows


def login_line(row: User) -> LoginLine:
    return LoginLine(
        key=row.pk,
        username=row.get_username(),
        display=row.get_full_name() or row.get_username(),
        email=row.email,
        roles=tuple(sorted(roles_of(row))),
        active=row.is_active,
        has_password=row.has_usable_password(),
        last_login=row.last_login,
    )


def find_login(key: int) -> User:
    row = User.objects.prefetch_related("groups").filter(pk=key).first()
    if row is None:
        raise UnknownKeyError("no such user")
    return row
