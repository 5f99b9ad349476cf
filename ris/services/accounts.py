"""Logins and API tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable

from django.contrib.auth.hashers import identify_hasher, is_password_usable
from django.contrib.auth.models import Group

from ris.domain.accounts import (
    CreateUser,
    DisableUser,
    GivePassword,
    IssuedToken,
    IssueToken,
    PasswordReplaced,
    RevokeToken,
    RolesSet,
    SetRoles,
    TokenIssued,
    TokenRevoked,
    UserCreated,
    UserDisabled,
)
from ris.domain.actors import CONFINED, NO_LOGINS, ActorKind, Role
from ris.domain.errors import (
    DuplicateKeyError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.values import PersonName
from ris.models import ApiToken, Practitioner, User
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch

# Roles that only machines have; no login may carry them.


# What the edges have to say against a scope, as only they know what it can mean; each raises
# InvalidValueError.
ScopeCheck = Callable[[str], None]
_scope_checks: list[ScopeCheck] = []


def register_scope_check(check: ScopeCheck) -> None:
    """Called by an edge when it is loaded; twice is once."""
    if check not in _scope_checks:
        _scope_checks.append(check)


def check_scopes(scopes: Iterable[str]) -> None:
    """Raises InvalidValueError for a scope that would grant nothing, although it looks like one."""
    for scope in scopes:
        for check in _scope_checks:
            check(scope)


def token_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _user(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise UnknownKeyError("no such user", path="username")
    return user


def _give_roles(user: User, roles: frozenset[Role]) -> None:
    if roles & NO_LOGINS:
        raise InvalidValueError("that role is for machines", path="roles")
    if roles & CONFINED and len(roles) > 1:
        raise InvalidValueError(
            "a login from outside has that one role; make another one for work here", path="roles"
        )
    user.groups.set([Group.objects.get_or_create(name=role.value)[0] for role in sorted(roles)])
    user.is_staff = Role.ADMIN in roles
    user.save(update_fields=["is_staff"])


def _keep_administrators(user: User, context: Context) -> None:
    """Nobody locks the administrators out, himself included; the command line may.

    The group is locked first, for two of them may take the rights from each other.
    """
    if context.actor.kind is not ActorKind.USER:
        return
    Group.objects.select_for_update().filter(name=Role.ADMIN.value).first()
    if context.actor.user_id == user.pk:
        raise StateConflictError("another administrator has to take your own rights away")
    administrators = set(
        User.objects.filter(is_active=True, groups__name=Role.ADMIN.value).values_list(
            "pk", flat=True
        )
    )
    if administrators == {user.pk}:
        raise StateConflictError("somebody has to remain who is an administrator")


def _is_known(password_hash: str) -> bool:
    try:
        identify_hasher(password_hash)
    except ValueError:
        return False
    return True


def create_user(command: CreateUser, context: Context) -> int:
    if not command.username.strip():
        raise MissingValueError("a login needs a name", path="username")
    if User.objects.filter(username=command.username).exists():
        raise DuplicateKeyError("this login exists already", path="username")
    user = User(
        username=command.username,
        first_name=command.first_name,
        last_name=command.last_name,
        email=command.email,
    )
    if command.password_hash:
        if not is_password_usable(command.password_hash) or not _is_known(command.password_hash):
            raise InvalidValueError("not a password hash of a kind in use", path="password_hash")
        user.password = command.password_hash
    elif command.password:
        user.set_password(command.password)
    else:
        user.set_unusable_password()
    user.save()
    _give_roles(user, command.roles)
    # Who orders is registered with the number that orders come under, and linked by access.
    if command.last_name and not command.roles & CONFINED:
        Practitioner.objects.create(
            name=str(PersonName.of(command.last_name, command.first_name)),
            identifier=command.username,
            issuer="RIS",
            user=user,
        )
    context.emit(
        UserCreated(
            username=user.username, roles=tuple(sorted(role.value for role in command.roles))
        ),
        subject=user,
    )
    return user.pk


def set_roles(command: SetRoles, context: Context) -> None:
    user = _user(command.username)
    if Role.ADMIN not in command.roles and user.groups.filter(name=Role.ADMIN.value).exists():
        _keep_administrators(user, context)
    _give_roles(user, command.roles)
    context.emit(
        RolesSet(username=user.username, roles=tuple(sorted(role.value for role in command.roles))),
        subject=user,
    )


def disable_user(command: DisableUser, context: Context) -> None:
    user = _user(command.username)
    _keep_administrators(user, context)
    user.is_active = False
    # A new unusable password changes the session hash: every open session ends at its next request.
    user.set_unusable_password()
    user.save(update_fields=["is_active", "password"])
    context.emit(UserDisabled(username=user.username), subject=user)


def give_password(command: GivePassword, context: Context) -> None:
    if not command.password:
        raise MissingValueError("a password is needed", path="password")
    user = _user(command.username)
    user.is_active = True
    user.set_password(command.password)
    user.save(update_fields=["is_active", "password"])
    context.emit(PasswordReplaced(username=user.username), subject=user)


def issue_token(command: IssueToken, context: Context) -> IssuedToken:
    if not command.client.strip() or not command.scopes:
        raise MissingValueError("a token needs a client and scopes", path="scopes")
    check_scopes(command.scopes)
    secret = command.secret or f"ris_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        client=command.client.strip(),
        digest=token_digest(secret),
        scopes=list(command.scopes),
        addresses=list(command.addresses),
        expires_at=command.expires_at,
    )
    context.emit(
        TokenIssued(token=str(token.public_id), client=token.client, scopes=command.scopes),
        subject=token,
    )
    return IssuedToken(public_id=str(token.public_id), secret=secret)


def revoke_token(command: RevokeToken, context: Context) -> None:
    token = ApiToken.objects.filter(public_id=public_key(command.token, "token")).first()
    if token is None:
        raise UnknownKeyError("no such token")
    if token.revoked_at is None:
        token.revoked_at = context.now
        touch(token, "revoked_at")
    context.emit(TokenRevoked(token=str(token.public_id), client=token.client), subject=token)


HANDLERS = {
    CreateUser: create_user,
    SetRoles: set_roles,
    DisableUser: disable_user,
    GivePassword: give_password,
    IssueToken: issue_token,
    RevokeToken: revoke_token,
}

_ADMIN = {Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    CreateUser: _ADMIN,
    SetRoles: _ADMIN,
    DisableUser: _ADMIN,
    GivePassword: _ADMIN,
    IssueToken: _ADMIN,
    RevokeToken: _ADMIN,
}
