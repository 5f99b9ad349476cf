"""The page of one resource, with its forms as they are or as they were sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone

from ris.domain.commands import Command
from ris.domain.errors import RequestError
from ris.domain.facility import ResourceKind
from ris.domain.resources import BeginDowntime, ReleaseBlock, ReserveBlock
from ris.domain.scheduling import SetResourceHours
from ris.selectors import resource_lists
from ris.selectors.resource_lists import Now, ResourcePage
from ris.services import may
from ris.web.access import PageRequest, do, saw, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.forms import PageForm
from ris.web.resources.forms import (
    DAY_NAMES,
    BlockForm,
    CloseForm,
    DetailsForm,
    DownForm,
    HoursForm,
)


def zone_of(page: ResourcePage) -> ZoneInfo:
    return ZoneInfo(page.site_time_zone)


def details_form(page: ResourcePage | None, data: Any = None, *, staff: bool) -> DetailsForm:
    form = DetailsForm(
        data,
        initial=DetailsForm.values_of(page) if page and data is None else None,
        sites=resource_lists.site_names(),
        people=resource_lists.practitioners() if staff else (),
        groups=resource_lists.group_names(),
    )
    form.shape(page, staff=staff)
    return form


def is_staff(page: ResourcePage) -> bool:
    return page.line.kind is ResourceKind.STAFF


def resource(request: PageRequest, key: UUID, status: int = 200, **forms: PageForm) -> HttpResponse:
    """The page; ``forms`` are those that were sent and are wrong."""
    now = timezone.now()
    page = resource_lists.resource_page(key, now)
    allowed = may(request.actor, SetResourceHours)
    inside = resource_lists.booked_inside(
        page.key, [(each.start_at, each.until) for each in page.closures], now
    )
    if inside:
        saw(
            request,
            "ViewClosure",
            {exam.patient.public_id for exam in inside},
            subject=f"Resource {page.line.name}",
        )
    context: dict[str, Any] = {
        "page": page,
        "line": page.line,
        "inside": inside,
        "most": resource_lists.MOST_INSIDE,
        "allowed": allowed,
        "may_close": may(request.actor, BeginDowntime),
        "may_block": may(request.actor, ReserveBlock),
        "may_release": may(request.actor, ReleaseBlock),
        "is_down": page.line.state.now is Now.DOWN,
        "is_staff": is_staff(page),
        "is_device": page.line.kind is ResourceKind.DEVICE,
        "day_names": DAY_NAMES,
        "hours": HoursForm.of(page.days, page.line.kind, page.room_days),
        "details": details_form(page, staff=is_staff(page)) if allowed else None,
        "close": CloseForm(auto_id="close_%s"),
        "down": DownForm(auto_id="down_%s"),
        "reserve": BlockForm(auto_id="block_%s"),
        "opened": set(forms),
        **forms,
    }
    if asked(request, "down"):
        context["down"].fields["reason"].widget.attrs["autofocus"] = True
    with timezone.override(zone_of(page)):
        return show(
            request,
            "resources/resource.html",
            context,
            fragment="resources/_state.html",
            status=status,
        )


def to_resource(key: UUID | str, part: str = "") -> HttpResponse:
    response = HttpResponseRedirect(f"/resources/{key}/{part}")
    response.status_code = 303
    return response


def give(
    request: PageRequest,
    form: PageForm,
    command: Command[Any],
    again: Callable[[int], HttpResponse],
) -> tuple[Any, HttpResponse | None]:
    """What the command returned, or the page again with the core's refusal in the form."""
    try:
        return do(request, command), None
    except RequestError as error:
        form.refuse(error)
        return None, again(STATUS[error.code])
