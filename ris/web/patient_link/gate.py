"""Who may open a patient's page: a token that works, and the birth date once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from ris.domain.actors import Actor, patient_actor
from ris.domain.patient_links import LinkState
from ris.models import AppointmentLink
from ris.selectors import patient_links as selectors
from ris.selectors.patient_links import Visit

P = ParamSpec("P")

COOKIE = "ris_visit"
SALT = "ris.patient-link"
OPEN_SECONDS = 30 * 60
# Of one address in a minute; then it waits for the next.
REQUESTS = 90
UNKNOWN = 10


class VisitRequest(HttpRequest):
    """A request with a link that works."""

    link: AppointmentLink
    token: str
    visit: Visit
    actor: Actor
    is_open: bool


View = Callable[Concatenate[VisitRequest, P], HttpResponse]
Page = Callable[Concatenate[HttpRequest, str, P], HttpResponse]


def of_a_patient(view: View[P]) -> Page[P]:
    """Find the link, turn away what does not work, and keep the page out of every memory.

    Without Django's CSRF token: with ``no-referrer`` browsers send the origin ``null``, which its
    check refuses, and nobody can forge a request to an address that he cannot know.
    """

    @csrf_exempt
    @wraps(view)
    def inside(plain: HttpRequest, token: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        address = str(plain.META.get("REMOTE_ADDR") or "")
        if _too_many(f"patient:{address}", REQUESTS) or _is_over(f"unknown:{address}", UNKNOWN):
            return kept_out(_ended(plain, "busy", "", status=429))
        link = selectors.find(token)
        if link is None:
            _too_many(f"unknown:{address}", UNKNOWN)
            return kept_out(_ended(plain, "unknown", ""))
        policy = selectors.policy_for(selectors.site_of(link.appointment))
        state = selectors.state(link, policy, timezone.now())
        if state is not LinkState.OPEN:
            return kept_out(_ended(plain, state.value, policy.phone))
        request = cast(VisitRequest, plain)  # with the attributes set here
        request.link, request.token = link, token
        request.actor = patient_actor(str(link.appointment.public_id), address)
        request.visit = selectors.visit(link.appointment, policy)
        request.is_open = link.opened_at is not None and _was_opened(plain, link)
        with timezone.override(request.visit.zone):
            return kept_out(view(request, *args, **kwargs))

    return cast(Page[P], inside)


def kept_out(response: HttpResponse) -> HttpResponse:
    """Of caches, search engines, and of what other sites are told of the address."""
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def remember(response: HttpResponse, request: VisitRequest) -> None:
    """That the birth date was right, on this device and for half an hour."""
    response.set_cookie(
        COOKIE,
        signing.dumps(str(request.link.public_id), salt=SALT),
        max_age=OPEN_SECONDS,
        path=f"/p/{request.token}/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _was_opened(request: HttpRequest, link: AppointmentLink) -> bool:
    try:
        said = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=OPEN_SECONDS)
    except signing.BadSignature:
        return False
    return bool(said == str(link.public_id))


def _ended(request: HttpRequest, why: str, phone: str, *, status: int = 410) -> HttpResponse:
    """Says what to do instead, and nothing of whom it was for."""
    phone = phone or selectors.policy_for(None).phone
    return render(request, "patient_link/ended.html", {"why": why, "phone": phone}, status=status)


def _minute(key: str) -> str:
    return f"{key}:{int(time.time() // 60)}"


def _too_many(key: str, most: int) -> bool:
    """Count one more of this minute, in this process."""
    name = _minute(key)
    if cache.add(name, 1, 120):
        return False
    try:
        return int(cache.incr(name)) > most
    except ValueError:  # it ran out between the two
        return False


def _is_over(key: str, most: int) -> bool:
    return int(cache.get(_minute(key), 0)) >= most
