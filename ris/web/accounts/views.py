"""One's own account: theme and keys of this browser, roles, password, second factor.

Theme and keys are kept in cookies: a reading-room screen is dark whoever sits there.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from ris.web.access import PageRequest, page, show
from ris.web.asking import said

THEMES = [
    ("auto", "As the system says"),
    ("light", "Light"),
    ("dark", "Dark, for the reading room"),
]
_YEAR = 365 * 24 * 3600


@require_http_methods(["GET", "POST"])
@page()
def account(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        return _save(request)
    chosen = request.COOKIES.get("ris_theme", "auto")
    context = {
        "themes": THEMES,
        "chosen": chosen if chosen in dict(THEMES) else "auto",
        "keys_on": request.COOKIES.get("ris_keys") != "off",
    }
    return show(request, "accounts/account.html", context)


def _save(request: PageRequest) -> HttpResponse:
    response = HttpResponseRedirect("/account/")
    response.status_code = 303
    theme = said(request, "theme")
    values = {
        "ris_theme": theme if theme in dict(THEMES) else "auto",
        "ris_keys": "on" if "keys" in request.POST else "off",
    }
    for name, value in values.items():
        response.set_cookie(
            name,
            value,
            max_age=_YEAR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    messages.success(request, "Saved for this browser.")
    return response
