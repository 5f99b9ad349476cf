"""Time kept for some: reserving, changing, releasing."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.errors import InvalidValueError, UnknownKeyError
from ris.domain.resources import ImportResources, ReleaseBlock, RemoveBlock
from ris.selectors import resource_lists
from ris.web import undo
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import said
from ris.web.navigation import MENDING, SYSTEM
from ris.web.resources import removing
from ris.web.resources.forms import BlockForm
from ris.web.resources.shown import give, resource, to_resource, zone_of


@require_POST
@page(*SYSTEM)
def reserve(request: PageRequest, key: UUID) -> HttpResponse:
    found = resource_lists.resource_page(key, timezone.now())
    form = BlockForm(request.POST, auto_id="block_%s", zone=zone_of(found))
    if not form.is_valid():
        return resource(request, key, 422, reserve=form)
    _done, refused = give(
        request,
        form,
        ImportResources(commands=form.commands(resource=str(key))),
        lambda status: resource(request, key, status, reserve=form),
    )
    if refused is not None:
        return refused
    messages.success(request, _("%(label)s is reserved.") % {"label": form.cleaned_data["label"]})
    return to_resource(key, "#blocks")


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def block(request: PageRequest, key: UUID) -> HttpResponse:
    """One block, to change it."""
    owner, line = resource_lists.block_line(key, timezone.now())
    found = resource_lists.resource_page(owner, timezone.now())
    zone = zone_of(found)
    form = (
        BlockForm(request.POST, zone=zone) if request.method == "POST" else BlockForm.of(line, zone)
    )

    def again(status: int) -> HttpResponse:
        context = {"form": form, "kept": line, "line": found.line}
        with timezone.override(zone):
            return show(request, "resources/block.html", context, status=status)

    if request.method == "GET":
        return again(200)
    if not form.is_valid():
        return again(422)
    commands = form.commands(resource=owner, block=str(key))
    _done, refused = give(request, form, ImportResources(commands=commands), again)
    if refused is not None:
        return refused
    messages.success(request, _("%(label)s is saved.") % {"label": form.cleaned_data["label"]})
    return to_resource(owner, "#blocks")


@require_POST
@page(*MENDING)
def release(request: PageRequest, key: UUID) -> HttpResponse:
    """All of a block, or what ``day`` names of a weekly one."""
    owner, line = resource_lists.block_line(key, timezone.now())
    text = said(request, "day", 10)
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidValueError("that is no day", path="day") from None
    do(request, ReleaseBlock(block=str(key), day=day))
    messages.success(request, _("%(label)s is everybody's now.") % {"label": line.label})
    return to_resource(owner, "#blocks")


@require_POST
@page(*SYSTEM)
def remove(request: PageRequest, key: UUID) -> HttpResponse:
    row = removing.block(key)
    if row is None:
        raise UnknownKeyError("no such block")
    if (question := removing.ask_about_block(request, row)) is not None:
        return question
    owner, way = str(row.resource.public_id), removing.of_reserving(row)
    do(request, RemoveBlock(block=str(key)))
    undo.tell(request, _("%(label)s is taken out.") % {"label": row.label}, way)
    return to_resource(owner)  # from the top, where it can be undone
