"""The head of each site's printed reports: shown, changed, and seen on a page before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import RequestError, RisError, UnknownKeyError
from ris.domain.letterheads import LOGO_BYTES, ChangeLetterhead
from ris.printing.report import sample_pdf
from ris.selectors import letterheads as heads
from ris.selectors.letterheads import LetterheadView, SiteHead
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import number, said
from ris.web.errors import STATUS
from ris.web.navigation import SYSTEM
from ris.web.pdf import pdf

_TEXTS = {
    "institution": 200,
    "department": 200,
    "address": 1000,
    "phone": 200,
    "email": 200,
    "web": 400,
    "footer": 600,
}


@require_GET
@page(*SYSTEM)
def letterheads(request: PageRequest) -> HttpResponse:
    return _page(request)


def _page(
    request: PageRequest,
    *,
    error: RisError | None = None,
    site: str = "",
    typed: Mapping[str, str] | None = None,
) -> HttpResponse:
    sites = [
        (head, typed if typed is not None and head.site.public_id == site else _present(head))
        for head in heads.all_sites()
    ]
    context = {
        "sites": sites,
        "allowed": may(request.actor, ChangeLetterhead),
        "error": error,
        "wrong": site,
    }
    status = STATUS[error.code] if error else 200
    return show(request, "letterhead/letterhead.html", context, status=status)


def _present(head: SiteHead) -> Mapping[str, str]:
    """What the form starts from: the letterhead, else what the site itself says."""
    now = head.letterhead or LetterheadView(
        public_id="",
        number=0,
        institution=head.site.institution or head.site.name,
        address=head.site.address,
    )
    return {name: getattr(now, name) for name in _TEXTS}


@require_POST
@page(*SYSTEM)
def change(request: PageRequest, key: UUID) -> HttpResponse:
    typed = {name: said(request, name, limit) for name, limit in _TEXTS.items()}
    try:
        do(
            request,
            ChangeLetterhead(
                site=str(key),
                **typed,
                logo=_logo(request),
                expected_number=number(request, "number"),
            ),
        )
    except RequestError as error:
        return _page(request, error=error, site=str(key), typed=typed)
    messages.success(
        request, _("Saved. Reports signed from now on carry it; earlier ones stay as they are.")
    )
    return redirect_back(request, "/letterhead/")


def _logo(request: HttpRequest) -> bytes | None:
    """The picture that was chosen; no bytes to remove it, None to keep the present one."""
    file = request.FILES.get("logo")
    if file is not None:
        return bytes(file.read(LOGO_BYTES + 1))
    return b"" if "remove_logo" in request.POST else None


@require_GET
@page(*SYSTEM)
def logo(request: PageRequest, key: UUID) -> HttpResponse:
    content = heads.logo_of(str(key))
    if not content:
        raise UnknownKeyError("this letterhead has no logo")
    return HttpResponse(
        content,
        content_type="image/png",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"},
    )


@require_GET
@page(*SYSTEM)
def sample(request: PageRequest, key: UUID) -> HttpResponse:
    """A page with the present letterhead and a made-up report."""
    found = next((each for each in heads.all_sites() if each.site.public_id == str(key)), None)
    if found is None:
        raise UnknownKeyError("no such site")
    return pdf(sample_pdf(found.site, found.letterhead), "letterhead.pdf")
