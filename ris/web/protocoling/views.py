"""The radiologist's queue: what waits for a protocol, and how one is set in a few keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.protocoling import (
    UNDECIDED,
    AskRequester,
    ClaimProtocoling,
    ProposeProtocol,
    RejectProcedure,
    RejectReason,
    ReleaseProtocoling,
    ReopenProtocoling,
    SetProtocol,
    WaiveProtocol,
)
from ris.models import RequestedProcedure
from ris.selectors import protocoling, safety
from ris.selectors.patients import to_view
from ris.selectors.protocoling import Queue
from ris.selectors.told_allergies import told_of
from ris.services import may
from ris.web.access import PageRequest, back_to, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.navigation import PROTOCOL
from ris.web.paging import slice_of

TABS = (
    (Queue.WAITING, gettext_lazy("To protocol")),
    (Queue.ASKED, gettext_lazy("Requester asked")),
    (Queue.REJECTED, gettext_lazy("Rejected")),
    (Queue.DECIDED, gettext_lazy("Decided")),
)
EMPTY = {
    Queue.WAITING: (
        gettext_lazy("Nothing waits for a protocol"),
        gettext_lazy("Exams whose procedure needs a protocol appear here when they are ordered."),
    ),
    Queue.ASKED: (
        gettext_lazy("Nobody was asked"),
        gettext_lazy("What you ask of a requester waits here for the answer."),
    ),
    Queue.REJECTED: (
        gettext_lazy("Nothing was rejected"),
        gettext_lazy("Exams that are not justified wait here until their order is canceled."),
    ),
    Queue.DECIDED: (
        gettext_lazy("Nothing decided that is still to be done"),
        gettext_lazy("Exams with a protocol stand here until they are begun."),
    ),
}


@require_GET
@page(*PROTOCOL)
def queue(request: PageRequest) -> HttpResponse:
    try:
        tab = Queue(asked(request, "tab") or Queue.WAITING.value)
    except ValueError:
        tab = Queue.WAITING
    modality, group = asked(request, "modality", 16), asked(request, "group", 64)
    rows = protocoling.matching(
        protocoling.in_queue(tab), modality=modality, group=group, text=asked(request, "q")
    )
    page_of = slice_of(protocoling.with_lines(protocoling.ordered(rows)), request)
    lines = protocoling.lines(page_of.rows)
    saw(request, "ListProtocoling", (line.patient.public_id for line in lines))
    counts = protocoling.counts()
    context = {
        "tabs": [(item, words, counts[item]) for item, words in TABS],
        "tab": tab,
        "lines": lines,
        "page": page_of,
        "modality": modality,
        "modalities": protocoling.modalities(),
        "group": group,
        "groups": protocoling.groups(),
        "text": asked(request, "q"),
        "empty": EMPTY[tab],
        "me": request.user.pk,
    }
    return show(request, "protocoling/queue.html", context, fragment="protocoling/_queue.html")


@require_POST
@page(*PROTOCOL)
def next_one(request: PageRequest) -> HttpResponse:
    """Open what is next in the queue."""
    key = protocoling.next_waiting(but=said(request, "but", 40) or str(UUID(int=0)))
    if not key:
        messages.success(request, _("Nothing waits for a protocol."))
        return _to("/protocoling/")
    return _to(f"/protocoling/{key}/")


def _to(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response


@require_GET
@page(*PROTOCOL)
def procedure(request: PageRequest, key: UUID) -> HttpResponse:
    row = protocoling.find_procedure(str(key))
    line = protocoling.queue_line(row)
    saw(request, "ViewProtocoling", [line.patient.public_id], order=line.order)
    steps = list(row.steps.all())
    chosen = set(_chosen(row))
    offered = protocoling.offered_for(row, {step.modality for step in steps})
    context = {
        "line": line,
        "step": steps[0].public_id if steps else "",
        "decision": line.decision,
        "patient": to_view(row.order.patient, told_allergies=told_of(row)),
        "offered": [(each, each.public_id in chosen) for each in offered],
        "catalog_codes": [code for step in steps for code in step.protocol_codes],
        "reasons": [reason for reason in RejectReason if reason is not RejectReason.ALTERNATIVE],
        "alternative": RejectReason.ALTERNATIVE,
        "may_set": may(request.actor, SetProtocol),
        "may_propose": line.decision.state in UNDECIDED and may(request.actor, ProposeProtocol),
        "may_ask": may(request.actor, AskRequester),
        "mine": line.decision.claimed_by_id in {None, request.user.pk},
        "safety": safety.history(row.order),
        "next": back_to(request, ""),
    }
    return show(request, "protocoling/procedure.html", context)


def _chosen(row: RequestedProcedure) -> list[str]:
    known = getattr(row, "protocoling", None)
    return list(known.protocols) if known is not None else []


def _chosen_by(
    kind: type[SetProtocol | ProposeProtocol], request: PageRequest, key: str
) -> Command[None]:
    return kind(
        procedure=key,
        protocols=tuple(request.POST.getlist("protocol")[:20]),
        instructions=said(request, "instructions", 4000),
    )


def _reject(request: PageRequest, key: str) -> Command[None]:
    try:
        reason = RejectReason(said(request, "reason"))
    except ValueError:
        raise MissingValueError("choose a reason", path="reason") from None
    return RejectProcedure(
        procedure=key,
        reason=reason,
        note=said(request, "note", 500),
        alternative=said(request, "alternative", 200),
    )


# What a form does: its command, what is said then, and whether the next one is opened.
_ACTS: Mapping[str, tuple[Callable[[PageRequest, str], Command[None]], object, bool]] = {
    "claim": (
        lambda request, key: ClaimProtocoling(procedure=key),
        gettext_lazy("Yours until you give it back."),
        False,
    ),
    "release": (
        lambda request, key: ReleaseProtocoling(procedure=key),
        gettext_lazy("Given back to the queue."),
        False,
    ),
    "set": (
        partial(_chosen_by, SetProtocol),
        gettext_lazy("Set. The scanner and the room see it at once."),
        True,
    ),
    "propose": (
        partial(_chosen_by, ProposeProtocol),
        gettext_lazy("Proposed. An attending radiologist decides."),
        True,
    ),
    "ask": (
        lambda request, key: AskRequester(procedure=key, question=said(request, "question", 500)),
        gettext_lazy("Asked. The order waits under “Needs information”."),
        True,
    ),
    "reject": (_reject, gettext_lazy("Rejected. Nothing of it can be booked or begun."), True),
    "waive": (
        lambda request, key: WaiveProtocol(procedure=key, reason=said(request, "reason", 200)),
        gettext_lazy("No protocol of its own: the catalog's is used."),
        True,
    ),
    "reopen": (
        lambda request, key: ReopenProtocoling(procedure=key, reason=said(request, "reason", 200)),
        gettext_lazy("Back in the queue."),
        False,
    ),
}


@require_POST
@page(*PROTOCOL)
def act(request: PageRequest, key: UUID, action: str) -> HttpResponse:
    found = _ACTS.get(action)
    if found is None:
        raise InvalidValueError("this is nothing that can be done here", path="action")
    command, words, goes_on = found
    do(request, command(request, str(key)))
    messages.success(request, str(words))
    if goes_on and said(request, "then") == "next":
        following = protocoling.next_waiting(but=str(key))
        return _to(f"/protocoling/{following}/" if following else "/protocoling/")
    return redirect_back(request, f"/protocoling/{key}/" if not goes_on else "/protocoling/")
