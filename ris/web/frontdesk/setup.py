"""What a site prints, what its waiting room shows, and the screens that show it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core import signing
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.arrivals import (
    ConfigureDesk,
    IssueWallLink,
    LabelSize,
    RevokeWallLink,
    WallKind,
    WallNames,
)
from ris.domain.errors import RequestError
from ris.models import Site
from ris.selectors import walls
from ris.selectors.arrivals import desk
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.errors import STATUS
from ris.web.frontdesk.forms import DeskForm, ScreenForm
from ris.web.navigation import SYSTEM

SALT = "ris.web.wall"


def token_of(link: str) -> str:
    """The signed name of a link; whether it still holds stands in its row."""
    return signing.Signer(salt=SALT).sign(link)


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def setup(request: PageRequest) -> HttpResponse:
    if request.method == "GET":
        return _page(request, DeskForm(initial=_initial()), ScreenForm())
    form = DeskForm(request.POST)
    if not form.is_valid():
        return _page(request, form, ScreenForm(), status=422)
    do(
        request,
        ConfigureDesk(
            site=form.cleaned_data["site"],
            label=LabelSize(form.cleaned_data["label"]),
            names=WallNames(form.cleaned_data["names"]),
        ),
    )
    messages.success(request, _("Saved."))
    return redirect_back(request, "/arrivals/setup/")


def _initial() -> dict[str, str]:
    site = Site.objects.order_by("id").first()
    now = desk(site.name if site else "")
    return {
        "site": str(site.public_id) if site else "",
        "label": now.label.value,
        "names": now.names.value,
    }


@require_POST
@page(*SYSTEM)
def issue(request: PageRequest) -> HttpResponse:
    form = ScreenForm(request.POST)
    if not form.is_valid():
        return _page(request, DeskForm(initial=_initial()), form, status=422)
    data = form.cleaned_data
    try:
        do(
            request,
            IssueWallLink(site=data["site"], kind=WallKind(data["kind"]), name=data["name"]),
        )
    except RequestError as error:
        form.refuse(error)
        return _page(request, DeskForm(initial=_initial()), form, status=STATUS[error.code])
    messages.success(request, _("Open the address of the new screen on it, in full screen (F11)."))
    return redirect_back(request, "/arrivals/setup/")


@require_POST
@page(*SYSTEM)
def revoke(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RevokeWallLink(link=str(key)))
    messages.success(request, _("Taken back: this screen shows nothing from now on."))
    return redirect_back(request, "/arrivals/setup/")


def _page(
    request: PageRequest, form: DeskForm, screen: ScreenForm, *, status: int = 200
) -> HttpResponse:
    links = [
        (link, request.build_absolute_uri(f"/wall/screen/{token_of(link.public_id)}/"))
        for link in walls.links()
    ]
    context = {"form": form, "screen": screen, "links": links, "sites": walls.site_desks()}
    return show(request, "frontdesk/setup.html", context, status=status)
