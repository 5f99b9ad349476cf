"""Resources: the list with what they are now, one with its hours, and making new ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.commands import Command
from ris.domain.facility import RegisterRoom, ResourceKind
from ris.domain.opening_hours import as_rows
from ris.domain.resources import (
    BeginDowntime,
    ChangeResource,
    ImportResources,
    RegisterStaff,
    RestoreResource,
    RetireResource,
    SaveGroup,
    named,
)
from ris.domain.scheduling import SetResourceHours
from ris.selectors import resource_lists
from ris.services import may
from ris.web.access import PageRequest, do, page, show
from ris.web.asking import asked
from ris.web.navigation import MENDING, SYSTEM
from ris.web.resources.forms import DownForm, HoursForm
from ris.web.resources.shown import details_form, give, is_staff, resource, to_resource
from ris.web.sheets import split


@require_GET
@page(*MENDING)
def resource_list(request: PageRequest) -> HttpResponse:
    word, group = asked(request, "kind", 6).upper(), asked(request, "group", 64)
    kind = ResourceKind(word) if word in ResourceKind.__members__ else None
    retired = asked(request, "retired") == "1"
    context = {
        "lines": resource_lists.resource_lines(
            timezone.now(), kind=kind, group=group, retired=retired
        ),
        "kind": kind.value if kind else "",
        "kinds": [each.value for each in ResourceKind],
        "group": group,
        "groups": resource_lists.group_names(),
        "retired": retired,
        "allowed": may(request.actor, SaveGroup),
        "may_close": may(request.actor, BeginDowntime),
        "down": DownForm(),
    }
    return show(request, "resources/list.html", context, fragment="resources/_list.html")


@require_GET
@page(*MENDING)
def show_resource(request: PageRequest, key: UUID) -> HttpResponse:
    return resource(request, key)


@require_POST
@page(*SYSTEM)
def save_hours(request: PageRequest, key: UUID) -> HttpResponse:
    form = HoursForm(request.POST)
    if not form.is_valid():
        return resource(request, key, 422, hours=form)
    command = SetResourceHours(resource=str(key), hours=as_rows(form.days))
    _done, refused = give(
        request, form, command, lambda status: resource(request, key, status, hours=form)
    )
    if refused is not None:
        return refused
    messages.success(request, _("The hours are saved."))
    return to_resource(key)


@require_POST
@page(*SYSTEM)
def save_details(request: PageRequest, key: UUID) -> HttpResponse:
    found = resource_lists.resource_page(key, timezone.now())
    form = details_form(found, request.POST, staff=is_staff(found))
    if not form.is_valid():
        return resource(request, key, 422, details=form)
    said = form.cleaned_data
    commands = _details(said, str(key))
    if is_staff(found):
        commands.insert(0, _staff(said, found.staff))
    _done, refused = give(
        request,
        form,
        ImportResources(commands=tuple(commands)),
        lambda status: resource(request, key, status, details=form),
    )
    if refused is not None:
        return refused
    messages.success(request, _("%(name)s is saved.") % {"name": said.get("name", found.line.name)})
    return to_resource(key)


def _details(said: dict[str, Any], key: str) -> list[Command[Any]]:
    return [
        ChangeResource(
            resource=key,
            name=said.get("name"),
            site=said.get("site"),
            buffer_before_minutes=said["buffer_before_minutes"],
            buffer_after_minutes=said["buffer_after_minutes"],
            gap_minutes=said.get("gap_minutes"),
            open_on_holidays=said.get("open_on_holidays"),
            note=said["note"],
            groups=split(said["groups"]),
        )
    ]


def _staff(said: dict[str, Any], staff: str) -> RegisterStaff:
    return RegisterStaff(
        staff=staff,
        name=said["name"],
        skills=split(said["skills"]),
        practitioner=said["practitioner"],
        site=said["site"],
    )


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def new(request: PageRequest, kind: str) -> HttpResponse:
    """A new room or person."""
    staff = kind == "staff"
    form = details_form(None, request.POST or None, staff=staff)
    hours = HoursForm(request.POST or None)

    def again(status: int) -> HttpResponse:
        context = {"form": form, "hours": hours, "is_staff": staff}
        return show(request, "resources/new.html", context, status=status)

    if request.method == "GET":
        return again(200)
    # Both are looked at, so that all faults are told at once.
    if not all([form.is_valid(), hours.is_valid()]):
        return again(422)
    said = form.cleaned_data
    resource_kind = ResourceKind.STAFF if staff else ResourceKind.ROOM
    if resource_lists.is_known(resource_kind, said["name"]):
        form.add_error("name", _("There is one of this name; open it to change it."))
        return again(409)
    key = named(resource_kind, said["name"])
    first: Command[Any] = (
        _staff(said, "") if staff else RegisterRoom(name=said["name"], site=said["site"])
    )
    commands = [first, *_details(said, key)]
    if any(hours.days):
        commands.append(SetResourceHours(resource=key, hours=as_rows(hours.days)))
    _done, refused = give(request, form, ImportResources(commands=tuple(commands)), again)
    if refused is not None:
        return refused
    messages.success(request, _("%(name)s is saved.") % {"name": said["name"]})
    return to_resource(resource_lists.key_of(resource_kind, said["name"]))


@require_POST
@page(*SYSTEM)
def retire(request: PageRequest, key: UUID) -> HttpResponse:
    ahead = do(request, RetireResource(resource=str(key)))
    if ahead:
        messages.warning(
            request,
            ngettext(
                "It is out of use. %(count)s booking still lies ahead: move it.",
                "It is out of use. %(count)s bookings still lie ahead: move them.",
                ahead,
            )
            % {"count": ahead},
        )
    else:
        messages.success(request, _("It is out of use and offered nowhere."))
    return to_resource(key)


@require_POST
@page(*SYSTEM)
def restore(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RestoreResource(resource=str(key)))
    messages.success(request, _("It is in use again."))
    return to_resource(key)
