"""What every view shares: login, roles, refusals, refreshes, and the audit of what was shown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from ris.domain.actors import CONFINED, Actor, Role
from ris.domain.commands import Command
from ris.domain.errors import DeniedError, RisError
from ris.models import User
from ris.services import execute
from ris.services.audit import record_access
from ris.web.actors import actor_for
from ris.web.asking import asked, said
from ris.web.errors import error_response
from ris.web.stale import given_back, session_ended

P = ParamSpec("P")
R = TypeVar("R")

POLL_HEADER = "X-Ris-Poll"


class PageRequest(HttpRequest):
    """A request of somebody who is logged in."""

    user: User
    actor: Actor
    correlation_id: str


View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def page(*roles: Role) -> Callable[[Callable[Concatenate[PageRequest, P], HttpResponse]], View[P]]:
    """Ask for a login and, if named, one of ``roles``; turn refusals into pages.

    Without roles a page is for everybody who works here; who is confined (a referring doctor) sees
    only what names that role.
    """

    def decorate(view: Callable[Concatenate[PageRequest, P], HttpResponse]) -> View[P]:
        @wraps(view)
        def inside(plain: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not isinstance(plain.user, User):
                return _ask_for_login(plain)
            request = cast(PageRequest, plain)  # with the attributes set here and in middleware
            request.actor = actor_for(plain, plain.user)
            try:
                if not _is_for(request.actor, roles):
                    raise DeniedError("your roles do not include this page")
                return view(request, *args, **kwargs)
            except RisError as error:
                return error_response(request, error, back=back_to(request, ""))

        return cast(View[P], inside)

    return decorate


def _is_for(actor: Actor, roles: tuple[Role, ...]) -> bool:
    """Whether a page that names ``roles`` is for the actor; one that names none is for the staff.

    A confined role is never meant unless it is named: a page that nobody thought of is closed.
    """
    if actor.is_confined:
        return actor.has(*CONFINED.intersection(roles))
    return bool(actor.roles) and (not roles or actor.has(*roles))


def _ask_for_login(request: HttpRequest) -> HttpResponse:
    if "HX-Request" not in request.headers:
        login = redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
        return given_back(request, status=401) or login
    # Part of a page asked. A refresh reloads the page, which then asks for the login; what somebody
    # typed must not be lost to that.
    if is_poll(request):
        return HttpResponse(headers={"HX-Refresh": "true"})
    in_dialog = request.headers.get("HX-Target", "").endswith("-body")
    context = {"words": session_ended(), "in_dialog": in_dialog}
    return render(request, "session_ended.html", context, status=401)


def is_poll(request: HttpRequest) -> bool:
    """A page that refreshes itself, not a person who clicked."""
    return POLL_HEADER in request.headers


def do(request: PageRequest, command: Command[R]) -> R:
    """Give a command to the door as the person at this page."""
    return execute(command, actor=request.actor, correlation=request.correlation_id[:40])


def show(
    request: PageRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    fragment: str = "",
    status: int = 200,
) -> HttpResponse:
    """Render the page, or only its live part when the page refreshes itself."""
    name = fragment if fragment and is_poll(request) else template
    return render(request, name, dict(context), status=status)


_SHOWN_SECONDS = 12 * 3600


def saw(
    request: PageRequest,
    action: str,
    patients: Iterable[str],
    *,
    order: str = "",
    subject: str = "",
    part_of: str = "",
) -> None:
    """Audit that patients were shown.

    A refresh repeats what was shown; it is recorded only for the patients that are new in it. The
    same holds for a part that a page (its path in ``part_of``) asks for by itself.
    """
    seen = frozenset(str(patient) for patient in patients)
    path = part_of or request.get_full_path()
    page = hashlib.sha256(path.encode()).hexdigest()[:16]
    key = f"shown:{request.session.session_key}:{action}:{page}"
    if part_of or is_poll(request):
        known: frozenset[str] = cache.get(key, frozenset())
        fresh = seen - known
        cache.set(key, known | seen, _SHOWN_SECONDS)
    else:
        fresh = seen
        cache.set(key, seen, _SHOWN_SECONDS)
    if fresh:
        record_access(
            request.actor, action=action, patients=sorted(fresh), order=order, subject=subject
        )


def back_to(request: HttpRequest, default: str) -> str:
    """Where the person came from, if the form says so and it is a page of ours."""
    target = said(request, "next", 2000) or asked(request, "next", 2000)
    secure = request.is_secure()
    if target and url_has_allowed_host_and_scheme(target, request.get_host(), secure):
        return target
    return default


def redirect_back(request: HttpRequest, default: str) -> HttpResponseRedirect:
    """See-other, so that a reload does not send the form again."""
    response = HttpResponseRedirect(back_to(request, default))
    response.status_code = 303
    return response
