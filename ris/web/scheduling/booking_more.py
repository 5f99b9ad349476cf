"""More than one time at once: sets of a day, series of visits, the waiting list."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from ris.domain.errors import RequestError, RisError
from ris.domain.exam_sets import BookSeries, BookTogether, SetItem
from ris.domain.waiting import AcceptOffer, DayPart, DeclineOffer, StopWaiting, WaitForSlot
from ris.models import ScheduledProcedureStep
from ris.selectors import schedule
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import said
from ris.web.scheduling.booking import Filled, Trouble, at_site, finder_page, open_step
from ris.web.scheduling.forms import SeriesForm, WaitForm, slot_in
from ris.web.wall_clock import hour

MOST_ITEMS = 5


@require_POST
@page()
def book_set(request: PageRequest, key: UUID) -> HttpResponse:
    """Book the exams of a day together; each line says step, device and time."""
    step = open_step(request, key)
    lines = said(request, "items", 1000).split("|")[:MOST_ITEMS]
    items = []
    try:
        for line in lines:
            exam, _space, slot = line.partition(" ")
            device, start_at = slot_in(slot)
            items.append(SetItem(step=exam, device=device, start_at=start_at))
        do(request, BookTogether(items=tuple(items)))
    except RequestError as error:
        return _refused(request, step, error)
    messages.success(
        request,
        ngettext("%(count)d exam booked.", "%(count)d exams booked.", len(items))
        % {"count": len(items)},
    )
    return redirect_back(request, f"/orders/{step.procedure.order.public_id}/")


@require_POST
@page()
def book_series(request: PageRequest, key: UUID) -> HttpResponse:
    step = open_step(request, key)
    with at_site(step):
        return _series(request, step)


def _series(request: PageRequest, step: ScheduledProcedureStep) -> HttpResponse:
    form = SeriesForm(request.POST, step=step)
    if not form.is_valid():
        return finder_page(request, step, filled=Filled(series=form))
    command = BookSeries(
        step=str(step.public_id),
        device=form.cleaned_data["device"],
        starts=form.starts,
        all_or_none=not form.cleaned_data["those_that_fit"],
    )
    try:
        booked = do(request, command)
    except RequestError as error:
        return _refused(request, step, error, Filled(series=form))
    count = len(booked.appointments)
    messages.success(
        request,
        ngettext("%(count)d visit booked.", "%(count)d visits booked.", count) % {"count": count},
    )
    for start_at, why in booked.refused:
        local = start_at.astimezone(form.zone)
        messages.warning(request, f"{local:%Y-%m-%d} {hour(local, form.zone)}: {why}.")
    return redirect_back(request, f"/orders/{step.procedure.order.public_id}/")


@require_POST
@page()
def wait(request: PageRequest, key: UUID) -> HttpResponse:
    """On the waiting list and off it; an offer taken or declined."""
    step = open_step(request, key)
    command: WaitForSlot | StopWaiting | AcceptOffer | DeclineOffer
    if "accept" in request.POST:
        command, told = AcceptOffer(offer=said(request, "accept")), _("The offered time is booked.")
    elif "decline" in request.POST:
        command = DeclineOffer(offer=said(request, "decline"), reason=said(request, "reason"))
        told = _("The time goes to the next; this exam keeps waiting.")
    elif "stop" in request.POST:
        command = StopWaiting(entry=said(request, "stop"), reason=said(request, "reason"))
        told = _("Taken off the waiting list.")
    else:
        form = WaitForm(request.POST)
        if not form.is_valid():
            return finder_page(request, step, filled=Filled(wait=form))
        command = WaitForSlot(
            step=str(step.public_id),
            earliest=form.cleaned_data["earliest"],
            latest=form.cleaned_data["latest"],
            day_parts=tuple(DayPart(part) for part in form.cleaned_data["day_parts"]),
            notice_hours=form.cleaned_data["notice_hours"],
            comment=form.cleaned_data["comment"],
        )
        told = _("On the waiting list. What becomes free is offered in turn.")
    try:
        do(request, command)
    except RequestError as error:
        return _refused(request, step, error)
    messages.success(request, told)
    return redirect_back(request, f"/book/{step.public_id}/")


def _refused(
    request: PageRequest,
    step: ScheduledProcedureStep,
    error: RisError,
    filled: Filled | None = None,
) -> HttpResponse:
    fresh = schedule.find_step(str(step.public_id))
    return finder_page(request, fresh, trouble=Trouble(error), filled=filled)
