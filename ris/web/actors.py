"""From a logged-in user to the actor that the door knows."""

from __future__ import annotations

from django.http import HttpRequest

from ris.domain.actors import Actor
from ris.models import User
from ris.selectors.accounts import user_actor


def actor_for(request: HttpRequest, user: User) -> Actor:
    """``user`` as an actor; the roles are the groups that carry a role's name."""
    return user_actor(user, str(request.META.get("REMOTE_ADDR") or ""))
