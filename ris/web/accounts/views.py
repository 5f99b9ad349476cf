"""One's own account: look of this browser; language, theme and keys, password, second factor.

Contrast, density, whether letters are shortcuts, and a theme of its own where it has one are kept
in the browser's cookies: a reading-room screen is dark whoever sits there. Language, letters and
the theme everywhere else go with the login.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from ris.domain.actors import LOGINS
from ris.domain.errors import RisError
from ris.domain.preferences import LANGUAGES, SetPreferences
from ris.web import navigation
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import said
from ris.web.words import refusal

OF_ACCOUNT = ""  # the browser has no theme of its own
THEMES = [
    ("auto", gettext_lazy("As the system says")),
    ("light", gettext_lazy("Light")),
    ("dark", gettext_lazy("Dark, for the reading room")),
]
_YEAR = 365 * 24 * 3600


@require_http_methods(["GET", "POST"])
@page(*LOGINS)
def account(request: PageRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    if said(request, "what") == "person":
        return _keep_preferences(request)
    return _save_look(request)


@require_GET
@page(*LOGINS)
def session(request: PageRequest) -> HttpResponse:
    """Who is logged in, and the token of this login, for pages that are older than it."""
    return JsonResponse({"user": str(request.user.pk), "token": get_token(request)})


def _page(
    request: PageRequest, *, error: str = "", own: dict[str, str] | None = None
) -> HttpResponse:
    chosen = request.COOKIES.get("ris_theme", OF_ACCOUNT)
    keys = request.user.preferences.get("keys", {}) if own is None else own
    context = {
        "themes": [(OF_ACCOUNT, _("As everywhere with this login")), *THEMES],
        "own_themes": [("", THEMES[0][1]), *THEMES[1:]],
        "theme": request.user.theme,
        "chosen": chosen if chosen in dict(THEMES) else OF_ACCOUNT,
        "contrast": request.COOKIES.get("ris_contrast") == "more",
        "compact": request.COOKIES.get("ris_density") == "compact",
        "keys_on": request.COOKIES.get("ris_keys") != "off",
        "languages": LANGUAGES.items(),
        "language": request.user.preferences.get("language", ""),
        "letters": [(letter, words, keys.get(letter, "")) for letter, words in _letters()],
        "own_keys": keys,
        "error": error,
    }
    return show(request, "accounts/account.html", context, status=422 if error else 200)


def _letters() -> list[tuple[str, str]]:
    """Every shortcut of one letter, and what it does."""
    named = [(letter, _(text)) for letters, text in navigation.SHORTCUTS for letter in letters]
    return [*named, ("g", _("Go to an area: this, then the area's letter"))]


def _keep_preferences(request: PageRequest) -> HttpResponse:
    language = said(request, "language", 10)
    keys = {letter: said(request, f"key {letter}", 4) for letter, _words in _letters()}
    keys = {letter: pressed for letter, pressed in keys.items() if pressed}
    try:
        theme = said(request, "theme", 10)
        do(request, SetPreferences(language=language, theme=theme, keys=keys))
    except RisError as error:
        return _page(request, error=refusal(error), own=keys)
    with translation.override(language or translation.get_language_from_request(request)):
        messages.success(request, _("Saved."))
    return _see_other()


def _see_other() -> HttpResponseRedirect:
    response = HttpResponseRedirect("/account/")
    response.status_code = 303
    return response


def _save_look(request: PageRequest) -> HttpResponse:
    response = _see_other()
    theme = said(request, "theme")
    values = {
        "ris_theme": theme if theme in dict(THEMES) else OF_ACCOUNT,
        "ris_contrast": "more" if "contrast" in request.POST else "",
        "ris_density": "compact" if "compact" in request.POST else "",
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
    messages.success(request, _("Saved for this browser."))
    return response
