"""One thing done to many orders: a command for each, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError, MissingValueError, RisError
from ris.domain.order_questions import AskForInformation
from ris.domain.orders import (
    CancelOrder,
    HoldOrder,
    OrderDetails,
    OrderReference,
    Priority,
    ReviseOrder,
)
from ris.printing.request_form import request_forms_pdf
from ris.selectors import order_lists
from ris.selectors.facility import site
from ris.selectors.order_lists import OrderLine
from ris.selectors.orders import order_views
from ris.web.access import PageRequest, back_to, do, page, saw, show
from ris.web.asking import said

MOST = 100  # orders at once


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one order; ``why`` is empty where it was done."""

    line: OrderLine
    why: str = ""


@require_POST
@page()
def bulk(request: PageRequest) -> HttpResponse:
    keys = _keys(request)
    action = said(request, "action")
    if action == "print":
        return printed(request, keys)
    command = _COMMANDS.get(action)
    if command is None:
        raise InvalidValueError(_("choose what to do with the orders"), path="action")
    make = command(request)
    lines = {line.public_id: line for line in order_lists.of_all(keys)}
    outcomes = [_one(request, make, lines[key]) for key in keys if key in lines]
    saw(request, "BulkOrders", (line.patient.public_id for line in lines.values()))
    context = {
        "outcomes": outcomes,
        "done": sum(not outcome.why for outcome in outcomes),
        "refused": sum(bool(outcome.why) for outcome in outcomes),
        "title": _TITLES[action],
        "back": back_to(request, "/orders/"),
    }
    return show(request, "orders/bulk.html", context)


def _keys(request: PageRequest) -> list[str]:
    try:
        keys = [str(UUID(text)) for text in dict.fromkeys(request.POST.getlist("order"))]
    except ValueError:
        raise InvalidValueError(_("that is no order"), path="order") from None
    if not keys:
        raise MissingValueError(_("select the orders first (key x in a row)"), path="order")
    if len(keys) > MOST:
        raise InvalidValueError(
            _("%(count)s orders are the most at once") % {"count": MOST}, path="order"
        )
    return keys


Make = Callable[[OrderReference], Command[object]]


def _one(request: PageRequest, make: Make, line: OrderLine) -> Outcome:
    try:
        do(request, make(OrderReference(public_id=line.public_id)))
    except RisError as error:
        return Outcome(line, error.message)
    return Outcome(line)


def _reason(request: PageRequest) -> str:
    reason = said(request, "reason", 200)
    if not reason:
        raise MissingValueError(_("say why"), path="reason")
    return reason


def _cancel(request: PageRequest) -> Make:
    reason = _reason(request)
    return lambda order: CancelOrder(order=order, reason=reason)


def _hold(request: PageRequest) -> Make:
    reason = _reason(request)
    return lambda order: HoldOrder(order=order, reason=reason)


def _priority(request: PageRequest) -> Make:
    try:
        priority = Priority(said(request, "priority"))
    except ValueError:
        raise MissingValueError(_("choose a priority"), path="priority") from None
    return lambda order: ReviseOrder(order=order, details=OrderDetails(priority=priority))


def _ask(request: PageRequest) -> Make:
    question = said(request, "reason", 1000)
    if not question:
        raise MissingValueError(_("say what is to be known"), path="reason")
    return lambda order: AskForInformation(order=order, question=question)


_COMMANDS: dict[str, Callable[[PageRequest], Make]] = {
    "cancel": _cancel,
    "hold": _hold,
    "priority": _priority,
    "ask": _ask,
}
_TITLES = {
    "cancel": "Cancel orders",
    "hold": "Put orders on hold",
    "priority": "Set the priority",
    "ask": "Ask for information",
}


def printed(request: PageRequest, keys: Sequence[str]) -> HttpResponse:
    """The request forms of orders, one after the other, as one document."""
    views = order_views(keys)
    saw(request, "PrintOrder", (view.patient.public_id for view in views))
    return HttpResponse(
        request_forms_pdf(views, site()),
        content_type="application/pdf",
        headers={"Content-Disposition": 'inline; filename="request.pdf"'},
    )
