"""Many messages applied or sent again: counted first, then done one after the other."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.errors import DeniedError, InvalidValueError, RequestError, RisError
from ris.domain.exchange import Direction, StartRun, StopRun
from ris.models import MessageRun
from ris.selectors import message_runs
from ris.selectors import messages as lists
from ris.selectors.interfaces import endpoint_choices
from ris.selectors.message_filters import Filter
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, show
from ris.web.asking import asked, said
from ris.web.errors import STATUS
from ris.web.exchange.filters import address_of, filter_of, in_words
from ris.web.forms import PageForm
from ris.web.navigation import SYSTEM
from ris.web.words import refusal


class RunForm(PageForm):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, strip=True)
    per_minute = forms.IntegerField(
        label=gettext_lazy("Messages a minute"), min_value=1, max_value=600, initial=60
    )
    expected = forms.IntegerField(widget=forms.HiddenInput())

    def refuse(self, error: RisError) -> None:
        self.add_error(error.path if error.path in self.fields else None, refusal(error))


@require_GET
@page(*SYSTEM)
def run_list(request: PageRequest) -> HttpResponse:
    return show(
        request,
        "exchange/runs.html",
        {"runs": message_runs.latest()},
        fragment="exchange/_runs.html",
    )


@require_http_methods(["GET", "POST"])
@page(*SYSTEM)
def new(request: PageRequest) -> HttpResponse:
    """What a filter finds, counted; nothing is done before the form is sent."""
    if not may(request.actor, StartRun):
        raise DeniedError("your roles do not include doing messages again")
    is_out = asked(request, "way") == "out"
    direction = Direction.OUT if is_out else Direction.IN
    wanted = filter_of(request, is_out=is_out)
    if not wanted.said():
        raise InvalidValueError("filter the messages first: an interface, a time, a state")
    found = message_runs.count(direction, wanted)
    form = RunForm(request.POST or None, initial={"expected": found.total, "per_minute": 60})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                key = do(
                    request,
                    StartRun(
                        direction=direction,
                        filters=wanted.said(),
                        reason=form.cleaned_data["reason"],
                        expected=form.cleaned_data["expected"],
                        per_minute=form.cleaned_data["per_minute"],
                    ),
                )
            except RequestError as error:
                form.refuse(error)
                status = STATUS[error.code]
            else:
                messages.info(request, _("Started. It goes on by itself, also if you leave."))
                response = HttpResponseRedirect(f"/messages/runs/{key}/")
                response.status_code = 303
                return response
    names = {each.public_id: each.name for each in endpoint_choices()}
    context = {
        "form": form,
        "found": found,
        "is_out": is_out,
        "words": in_words(wanted, names, is_out=is_out),
        "address": address_of(wanted, is_out=is_out),
    }
    return show(request, "exchange/run_new.html", context, status=status)


@require_GET
@page(*SYSTEM)
def run(request: PageRequest, key: UUID) -> HttpResponse:
    row = message_runs.run(str(key))
    is_out = row.direction == Direction.OUT.value
    wanted = replace(Filter.of(row.filters), keys="")
    names = {each.public_id: each.name for each in endpoint_choices()}
    context = {
        "run": row,
        "is_out": is_out,
        "passed": row.done + row.refused,
        "words": in_words(wanted, names, is_out=is_out),
        "address": address_of(wanted, is_out=is_out),
        **(_refused(row, wanted, is_out=is_out) if row.refused else {}),
    }
    return show(request, "exchange/run.html", context, fragment="exchange/_run.html")


def _refused(row: MessageRun, wanted: Filter, *, is_out: bool) -> dict[str, object]:
    """What it could not do: the first of them, and where all are."""
    address = address_of(replace(wanted, state="open"), is_out=is_out)
    found: dict[str, object] = {"refused_address": address}
    if is_out:
        found["parked"] = lists.outbound_lines(message_runs.refused_out(row))
    else:
        found["lines"] = lists.inbound_lines(message_runs.refused_in(row))
    return found


@require_POST
@page()
def stop(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, StopRun(run=str(key), reason=said(request, "reason", 200)))
    messages.success(request, _("Stopped. What was done stays done."))
    return redirect_back(request, f"/messages/runs/{key}/")
