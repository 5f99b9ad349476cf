"""What hangs on the wall: numbers that are called, rooms and how they stand; never a name.

A screen has no login: the signed address names a link that stands in the database, so that it can
be taken back. It reads, and there is nothing on it to write with.
"""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from ris.domain.arrivals import WallKind
from ris.domain.errors import UnknownKeyError
from ris.selectors import walls
from ris.selectors.arrivals import desk
from ris.web.access import PageRequest, page
from ris.web.asking import asked
from ris.web.frontdesk.setup import SALT
from ris.web.live.views import hub, streamed
from ris.web.navigation import FLOOR

PART = "X-Ris-Wall"  # the screen asks for what changes only
SCREENS = 8  # that one address may hang on; the next ones ask by the clock


@require_GET
@page(*FLOOR)
def wall(request: PageRequest, key: str) -> HttpResponse:
    """The wall of a site, for somebody who is logged in."""
    return _show(request, walls.find_site(key), _kind(asked(request, "kind")))


@require_GET
def screen(request: HttpRequest, token: str) -> HttpResponse:
    """The wall on a screen that nobody is logged in at."""
    try:
        site, kind = walls.open_link(signing.Signer(salt=SALT).unsign(token))
    except (signing.BadSignature, UnknownKeyError):
        return _answer(request, "wall/gone.html", {}, status=404)
    return _show(request, site, kind)


@require_GET
@page(*FLOOR)
def wall_live(request: PageRequest, key: str) -> HttpResponse:
    """Says that the wall changed; what it shows is asked for by itself."""
    walls.find_site(key)
    return _streamed(request, f"wall of {request.session.session_key} ")


@require_GET
def screen_live(request: HttpRequest, token: str) -> HttpResponse:
    """The same for a screen that nobody is logged in at: it hears that, never what or of whom."""
    try:
        link = signing.Signer(salt=SALT).unsign(token)
        walls.open_link(link)
    except (signing.BadSignature, UnknownKeyError):
        return HttpResponse(status=204)  # the end, for an EventSource
    return _streamed(request, f"wall {link} ")


def _streamed(request: HttpRequest, whose: str) -> HttpResponse:
    if hub().held(whose) >= SCREENS:
        return HttpResponse(status=503, headers={"Retry-After": "60"})
    return streamed(whose + asked(request, "page", 40), frozenset({"wall"}), age=1)


def _kind(text: str) -> WallKind:
    try:
        return WallKind(text)
    except ValueError:
        return WallKind.WAITING


def _show(request: HttpRequest, site: str, kind: WallKind) -> HttpResponse:
    with timezone.override(walls.zone_of_site(site)):
        context: dict[str, Any] = {"site": site, "kind": kind.value, "now": timezone.localtime()}
        if kind is WallKind.CONTROL:
            context["rooms"] = walls.control_room(site)
        else:
            context["room"] = walls.waiting_room(site, desk(site).names)
        template = "wall/_wall.html" if PART in request.headers else "wall/wall.html"
        return _answer(request, template, context)


def _answer(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    response = render(request, template, context, status=status)
    response.headers["Cache-Control"] = "no-store"
    # The address is the key: it goes to nobody else, and no page of others frames it.
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
