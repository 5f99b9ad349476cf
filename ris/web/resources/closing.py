"""Closing a resource, saying that it is down, and that it works again."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from ris.domain.commands import Command
from ris.domain.errors import UnknownKeyError
from ris.domain.resources import BeginDowntime, EndDowntime
from ris.domain.scheduling import AddClosure, Closed, RemoveClosure
from ris.selectors import resource_lists
from ris.web import undo
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.navigation import MENDING
from ris.web.resources import removing
from ris.web.resources.forms import CloseForm, DownForm
from ris.web.resources.shown import give, resource, to_resource, zone_of


@require_POST
@page(*MENDING)
def close(request: PageRequest, key: UUID) -> HttpResponse:
    found = resource_lists.resource_page(key, timezone.now())
    form = CloseForm(request.POST, auto_id="close_%s", zone=zone_of(found))
    if not form.is_valid():
        return resource(request, key, 422, close=form)
    said = form.cleaned_data
    start_at, end_at = form.at("starts"), form.at("ends")
    command: Command[Closed]
    if said["is_downtime"]:
        command = BeginDowntime(
            resource=str(key), reason=said["reason"], start_at=start_at, end_at=end_at
        )
    else:
        command = AddClosure(
            resource=str(key), reason=said["reason"], start_at=start_at, end_at=end_at
        )
    closed, refused = give(
        request, form, command, lambda status: resource(request, key, status, close=form)
    )
    if refused is not None:
        return refused
    _tell(request, _("%(name)s is closed then.") % {"name": found.line.name}, closed)
    return to_resource(key)


@require_POST
@page(*MENDING)
def reopen(request: PageRequest, key: UUID, closure: int) -> HttpResponse:
    """Take a closure back."""
    row = removing.closure(key, closure)
    if row is None:
        raise UnknownKeyError("no such closure")
    if (question := removing.ask_about_closure(request, row)) is not None:
        return question
    way = removing.of_closing(row)
    do(request, RemoveClosure(closure=closure))
    undo.tell(request, _("The closure is taken back."), way)
    return to_resource(key)


@require_POST
@page(*MENDING)
def down(request: PageRequest, key: UUID) -> HttpResponse:
    found = resource_lists.resource_page(key, timezone.now())
    form = DownForm(request.POST, auto_id="down_%s", zone=zone_of(found))
    if not form.is_valid():
        return resource(request, key, 422, down=form)
    closed, refused = give(
        request,
        form,
        BeginDowntime(
            resource=str(key),
            reason=form.cleaned_data["reason"],
            end_at=form.at("ends") if form.cleaned_data["ends"] else None,
        ),
        lambda status: resource(request, key, status, down=form),
    )
    if refused is not None:
        return refused
    _tell(request, _("%(name)s is down.") % {"name": found.line.name}, closed)
    return to_resource(key, "#inside" if closed.bookings else "")


@require_POST
@page(*MENDING)
def up(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, EndDowntime(resource=str(key)))
    messages.success(request, _("It works again: its times are offered from now on."))
    return redirect_back(request, f"/resources/{key}/")


def _tell(request: PageRequest, words: str, closed: Closed) -> None:
    """That it is done, and what lies inside and has to go elsewhere."""
    if not closed.bookings:
        messages.success(request, words)
        return
    inside = ngettext(
        "%(count)s booking lies inside; it stays until somebody moves it.",
        "%(count)s bookings lie inside; they stay until somebody moves them.",
        closed.bookings,
    ) % {"count": closed.bookings}
    messages.warning(request, f"{words} {inside}")
