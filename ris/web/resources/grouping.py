"""Groups of resources, and holidays."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.errors import UnknownKeyError
from ris.domain.resources import (
    RemoveGroup,
    RemoveHoliday,
    SaveGroup,
    SetHoliday,
)
from ris.selectors import resource_lists
from ris.services import may
from ris.web import undo
from ris.web.access import PageRequest, do, page, show
from ris.web.navigation import MENDING, SYSTEM
from ris.web.resources import removing
from ris.web.resources.forms import GroupForm, HolidayForm
from ris.web.resources.shown import give


def _to(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def groups(request: PageRequest, key: UUID | None = None) -> HttpResponse:
    """The groups; with ``key`` the form is of that one."""
    found = resource_lists.groups()
    chosen = next((group for group in found if group.public_id == str(key)), None)
    if key is not None and chosen is None:
        raise UnknownKeyError("no such group")
    form = GroupForm(
        request.POST or None,
        initial={
            "name": chosen.name if chosen else "",
            "members": [member for member, _kind, _name in chosen.members] if chosen else [],
        },
        choices=resource_lists.choices(),
    )

    def again(status: int) -> HttpResponse:
        context = {"groups": found, "chosen": chosen, "form": form}
        return show(request, "resources/groups.html", context, status=status)

    if request.method == "GET":
        return again(200)
    if not form.is_valid():
        return again(422)
    said = form.cleaned_data
    command = SaveGroup(
        name=said["name"], members=tuple(said["members"]), group=str(key) if key else ""
    )
    _done, refused = give(request, form, command, again)
    if refused is not None:
        return refused
    messages.success(request, _("%(name)s is saved.") % {"name": said["name"]})
    return _to("/resources/groups/")


@require_POST
@page(*SYSTEM)
def remove_group(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RemoveGroup(group=str(key)))
    messages.success(request, _("The group is removed; its resources stay."))
    return _to("/resources/groups/")


@require_http_methods(["GET", "POST"])
@page(*MENDING)
def holidays(request: PageRequest) -> HttpResponse:
    today = timezone.localdate()
    form = HolidayForm(request.POST or None, sites=resource_lists.site_names())

    def again(status: int) -> HttpResponse:
        context = {
            "holidays": resource_lists.holidays(today.replace(month=1, day=1)),
            "today": today,
            "form": form,
            "allowed": may(request.actor, SetHoliday),
        }
        return show(request, "resources/holidays.html", context, status=status)

    if request.method == "GET":
        return again(200)
    if not form.is_valid():
        return again(422)
    said = form.cleaned_data
    command = SetHoliday(date=said["date"], name=said["name"], site=said["site"])
    _done, refused = give(request, form, command, again)
    if refused is not None:
        return refused
    messages.success(request, _("%(name)s is saved.") % {"name": said["name"]})
    return _to("/resources/holidays/")


@require_POST
@page(*SYSTEM)
def remove_holiday(request: PageRequest, key: UUID) -> HttpResponse:
    row = removing.holiday(key)
    if row is None:
        raise UnknownKeyError("no such holiday")
    if (question := removing.ask_about_holiday(request, row)) is not None:
        return question
    way = removing.of_naming(row)
    do(request, RemoveHoliday(holiday=str(key)))
    undo.tell(request, _("The day is an ordinary one again."), way)
    return _to("/resources/holidays/")
