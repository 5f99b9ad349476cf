"""A form that outlived its login: nothing typed is lost, and nothing is kept under another's name.

A login makes the tokens of all open pages old (CSRF). A page with scripts fetches a new one and
sends again by itself (``static/ris/session.js``); without, the form comes back as it was sent, with
the name of whoever is logged in by now on its button.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from ris.models import User

HEADER = "X-Ris-Form"  # told to scripts: the token was old
_OURS = frozenset({"csrfmiddlewaretoken", "proof"})  # made anew, or asked for again
_SECRET = ("password", "secret", "passphrase")
_LONG = 40  # characters from which on a text is shown
# What buttons and hidden fields name: keys and times.
_MADE_BY_PAGES = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b\d{4}-\d\d-\d\dT[\d:.+Z-]+"
)


def session_ended() -> str:
    """What a page says whose session has ended."""
    return _(
        "Your session has ended. Log in again in another tab; your text stays here and is saved "
        "with your next change."
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Instead of Django's page (``CSRF_FAILURE_VIEW``)."""
    if "HX-Request" in request.headers:
        response = render(request, "stale_fragment.html", status=403)
    elif isinstance(request.user, User) and _is_ours(request):
        response = given_back(request, status=403) or _refused(request)
    else:
        response = _refused(request)
    response[HEADER] = "stale"
    return response


def _refused(request: HttpRequest) -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


def given_back(request: HttpRequest, *, status: int) -> HttpResponse | None:
    """The form as it was sent, to be sent again; None for an empty one, and for files and secrets.

    Those are not written into a page.
    """
    pairs = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in _OURS
    ]
    is_secret = any(word in name.lower() for name, _value in pairs for word in _SECRET)
    if is_secret or request.FILES or not pairs:
        return None
    context = {
        "pairs": pairs,
        "texts": [value for _name, value in pairs if _is_text(value)],
        "address": request.get_full_path(),
        "person": request.user if isinstance(request.user, User) else None,
        "ended": session_ended(),
    }
    return render(request, "stale.html", context, status=status)


def _is_text(value: str) -> bool:
    """Whether somebody would miss it: long, and words, no address or token of the page."""
    words = _MADE_BY_PAGES.sub("", value).strip()
    return len(words) > _LONG and (" " in words or not words.isascii())


def _is_ours(request: HttpRequest) -> bool:
    """Whether a page of this host sent it: what others send is not offered to be sent again."""
    origin = request.headers.get("Origin", "")
    ours = {f"{request.scheme}://{request.get_host()}", *settings.CSRF_TRUSTED_ORIGINS}
    return bool(urlsplit(origin).netloc) and origin in ours
