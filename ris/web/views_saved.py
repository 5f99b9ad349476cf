"""Saved views: what a list page shows of them, and the forms that keep, share and delete them.

A list gives :func:`saved_views` to its template and includes ``components/views.html``::

    saved = saved_views(request, ViewedPage.ORDERS)
    if saved.opens_with:
        return saved.redirect()
    context = {**saved.context(), …}
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError
from ris.domain.saved_views import (
    ADDRESS,
    ALL,
    DeleteView,
    SaveView,
    SetDefaultView,
    ViewedPage,
    normal,
)
from ris.selectors.saved_views import ViewLine, opening, views_of
from ris.web.access import PageRequest, do, is_poll, page, redirect_back
from ris.web.asking import said

_SHARING = (Role.ADMIN, Role.MANAGER)
_SHARED_WITH = (
    Role.SCHEDULER,
    Role.FRONTDESK,
    Role.TECHNOLOGIST,
    Role.RADIOLOGIST,
    Role.RESIDENT,
    Role.MANAGER,
    Role.ADMIN,
)


@dataclass(frozen=True, slots=True)
class Saved:
    """The views of a page, which of them is shown, and which the page is to open with."""

    page: ViewedPage
    lines: list[ViewLine]
    query: str
    opens_with: ViewLine | None
    may_share: bool

    @property
    def shown(self) -> ViewLine | None:
        return next((line for line in self.lines if line.query == self.query), None)

    def redirect(self) -> HttpResponse:
        assert self.opens_with is not None  # noqa: S101 - the caller looked
        return HttpResponseRedirect(f"{ADDRESS[self.page]}?{self.opens_with.query}")

    def context(self) -> dict[str, object]:
        return {
            "saved_views": [
                (line, f"{ADDRESS[self.page]}?{line.query or f'view={ALL}'}") for line in self.lines
            ],
            "saved_shown": self.shown,
            "saved_page": self.page.value,
            "saved_address": ADDRESS[self.page],
            "saved_query": self.query,
            "saved_roles": [role.value for role in _SHARED_WITH] if self.may_share else [],
        }


def saved_views(request: PageRequest, page: ViewedPage) -> Saved:
    """One query. A page that is opened without any choice opens with its default view."""
    roles = {role.value for role in request.actor.roles}
    lines = views_of(page, request.user.pk, roles)
    first = opening(lines) if not request.GET and not is_poll(request) else None
    return Saved(
        page,
        lines,
        normal(page, request.META.get("QUERY_STRING", "")),
        first if first is not None and first.query else None,
        request.actor.has(*_SHARING),
    )


def _page(request: PageRequest) -> ViewedPage:
    try:
        return ViewedPage(said(request, "page"))
    except ValueError:
        raise InvalidValueError(_("no such list"), path="page") from None


@require_POST
@page()
def save(request: PageRequest) -> HttpResponse:
    kept = _page(request)
    do(
        request,
        SaveView(
            page=kept,
            name=said(request, "name"),
            query=said(request, "query", 2000),
            role=said(request, "role"),
            is_default="is_default" in request.POST,
        ),
    )
    messages.success(request, _("The view is saved."))
    return redirect_back(request, ADDRESS[kept])


@require_POST
@page()
def delete(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DeleteView(view=str(key)))
    messages.success(request, _("The view is deleted."))
    return redirect_back(request, "/")


@require_POST
@page()
def set_default(request: PageRequest, key: UUID) -> HttpResponse:
    on = said(request, "on") != "no"
    do(request, SetDefaultView(view=str(key), is_default=on))
    messages.success(
        request, _("The list opens with this view.") if on else _("The list opens with all.")
    )
    return redirect_back(request, "/")


urlpatterns = [
    path("views/", save, name="view-save"),
    path("views/<uuid:key>/delete/", delete, name="view-delete"),
    path("views/<uuid:key>/default/", set_default, name="view-default"),
]
