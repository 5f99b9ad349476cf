"""ErrorCode → HTTP status and a sentence that says how to mend it (DESIGN 9, column "web")."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from ris.domain.errors import ErrorCode, RisError
from ris.web.places import label
from ris.web.words import refusal

STATUS: Mapping[ErrorCode, int] = {
    ErrorCode.MISSING_VALUE: 422,
    ErrorCode.INVALID_VALUE: 422,
    ErrorCode.UNKNOWN_KEY: 404,
    ErrorCode.DUPLICATE_KEY: 409,
    ErrorCode.STATE_CONFLICT: 409,
    ErrorCode.BUSY: 503,
    ErrorCode.DENIED: 403,
    ErrorCode.UNSUPPORTED: 404,
    ErrorCode.INTERNAL: 500,
}

TITLE: Mapping[ErrorCode, str] = {
    ErrorCode.MISSING_VALUE: _("Something is missing"),
    ErrorCode.INVALID_VALUE: _("A value cannot be used"),
    ErrorCode.UNKNOWN_KEY: _("Not found"),
    ErrorCode.DUPLICATE_KEY: _("It exists already"),
    ErrorCode.STATE_CONFLICT: _("Not possible any more"),
    ErrorCode.BUSY: _("Busy"),
    ErrorCode.DENIED: _("Not allowed"),
    ErrorCode.UNSUPPORTED: _("Not found"),
    ErrorCode.INTERNAL: _("Something broke here"),
}

REMEDY: Mapping[ErrorCode, str] = {
    ErrorCode.MISSING_VALUE: _("Go back, fill it in and send again."),
    ErrorCode.INVALID_VALUE: _("Go back, correct it and send again."),
    ErrorCode.UNKNOWN_KEY: _("Check the number, or search by patient name or accession number."),
    ErrorCode.DUPLICATE_KEY: _("Search for the existing entry and go on with that one."),
    ErrorCode.STATE_CONFLICT: _(
        "Somebody or a device was faster. Go back to see how it stands now. Nothing was changed."
    ),
    ErrorCode.BUSY: _("Nothing was changed. Wait a moment and try again."),
    ErrorCode.DENIED: _(
        "Your roles do not cover this. Nothing was changed. Ask an administrator if "
        "you need it for your work."
    ),
    ErrorCode.UNSUPPORTED: _("Check the address, or start from the home page."),
    ErrorCode.INTERNAL: _(
        "Nothing was changed. Try again; if it happens again, tell an "
        "administrator the number below."
    ),
}


# Where what an exam waits for is settled (ris.domain.safety.NotReadyError).
_WAITS: Mapping[str, tuple[str, str]] = {
    "safety": ("/safety/{step}/", _("Answer the questions")),
    "protocol": ("/protocoling/", _("To the protocols")),
    "authorization": ("/authorization/", _("To the authorizations")),
}


def _mend(error: RisError, back: str) -> dict[str, str]:
    """A link to the page that mends it, if the refusal knows one, and what is said then."""
    address, words = _WAITS.get(str(error.details.get("waits_for", "")), ("", ""))
    if not address:
        return {}
    href = address.format(step=error.details.get("step", ""))
    remedy = gettext("Nothing was changed. Settle it there, then do this again.")
    title = gettext("Not possible yet")
    query = f"?next={quote(back)}" if back else ""
    return {"mend": href + query, "mend_words": gettext(words), "remedy": remedy, "title": title}


def error_response(request: HttpRequest, error: RisError, *, back: str = "") -> HttpResponse:
    """A page for a refusal, or only its words when a part of a page asked (htmx)."""
    context = {
        "title": gettext(TITLE[error.code]),
        "message": refusal(error),
        "remedy": gettext(REMEDY[error.code]),
        "path": label(error.path),
        "back": back,
        "error_id": error.details.get("error_id", ""),
        **_mend(error, back),
    }
    status = STATUS[error.code]
    if "HX-Request" in request.headers:
        html = render_to_string("components/error_fragment.html", context, request)
        return HttpResponse(html, status=status)
    return render(request, "error.html", context, status=status)


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for a bug: only the number under which the log has it."""
    context = {"error_id": getattr(request, "correlation_id", "")}
    return HttpResponse(render_to_string("500.html", context), status=500)
