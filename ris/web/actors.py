"""From a logged-in user to the actor that the door knows."""

from __future__ import annotations

from django.http import HttpRequest

from ris.domain.actors import Actor, ActorKind, Role
from ris.models import User

_KNOWN = {role.value: role for role in Role}


def actor_for(request: HttpRequest, user: User) -> Actor:
    """``user`` as an actor; the roles are the groups that carry a role's name."""
    names = user.groups.values_list("name", flat=True)
    roles = frozenset(_KNOWN[name] for name in names if name in _KNOWN)
    return Actor(
        ActorKind.USER,
        user.get_username(),
        roles,
        user_id=user.pk,
        address=str(request.META.get("REMOTE_ADDR") or ""),
        display=user.get_full_name() or user.get_username(),
    )
