"""What needs a person, each with its remedy beside it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.errors import MissingValueError
from ris.domain.exchange import ResolveException
from ris.domain.performing import RelinkPerformedStep
from ris.selectors import exceptions as lists
from ris.selectors import messages as message_lists
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.navigation import REPAIR

SHOWN = 50


@require_GET
@page(*REPAIR)
def exception_list(request: PageRequest) -> HttpResponse:
    performed = lists.performed_lines(lists.unmatched(), SHOWN)
    stuck = lists.performed_lines(lists.stuck(), SHOWN)
    double = lists.double_booked()
    inbound = message_lists.inbound_lines(
        message_lists.with_inbound_lines(lists.stuck_messages())[:SHOWN]
    )
    outbound = message_lists.outbound_lines(
        message_lists.with_outbound_lines(lists.stuck_deliveries())[:SHOWN]
    )
    patients = [line.patient.public_id for line in [*performed, *stuck] if line.patient]
    saw(request, "ListExceptions", [*patients, *(line.patient.public_id for line in double)])
    context = {
        "counts": lists.counts(),
        "performed": performed,
        "stuck": stuck,
        "double": double,
        "inbound": inbound,
        "outbound": outbound,
        "nothing": not (performed or stuck or double or inbound or outbound),
    }
    return show(request, "exchange/exceptions.html", context, fragment="exchange/_exceptions.html")


@require_http_methods(["GET", "POST"])
@page(*REPAIR)
def relink(request: PageRequest, key: UUID) -> HttpResponse:
    """Tie an exam to the steps it was for."""
    row = lists.find_performed(str(key))
    line = lists.performed_line(row)
    if request.method == "POST":
        reason = said(request, "reason", 200)
        if not reason:
            raise MissingValueError("say why", path="reason")
        steps = tuple(request.POST.getlist("step"))
        do(request, RelinkPerformedStep(performed=str(key), steps=steps, reason=reason))
        messages.success(
            request, "Tied. The exam and its steps agree now." if steps else "Untied from any step."
        )
        return redirect_back(request, "/exceptions/")
    text = asked(request, "q")
    found = lists.candidates(row, text)
    patients = {candidate.patient.public_id for candidate in found}
    if line.patient:
        patients.add(line.patient.public_id)
    saw(request, "RelinkPerformedStep", patients, subject=f"PerformedProcedureStep {key}")
    context = {
        "line": line,
        "candidates": found,
        "text": text,
        "allowed": may(request.actor, RelinkPerformedStep),
    }
    return show(request, "exchange/relink.html", context)


@require_POST
@page()
def resolve(request: PageRequest) -> HttpResponse:
    do(
        request,
        ResolveException(
            kind=said(request, "kind"),
            key=said(request, "key"),
            note=said(request, "note", 500),
        ),
    )
    messages.success(request, "Marked as dealt with.")
    return redirect_back(request, "/exceptions/")
