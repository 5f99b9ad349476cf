"""One thing done to many orders: a command for each, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError, MissingValueError, RisError, StateConflictError
from ris.domain.order_questions import AskForInformation
from ris.domain.orders import (
    CancelOrder,
    HoldOrder,
    OrderDetails,
    OrderReference,
    Priority,
    ReviseOrder,
    StepStatus,
)
from ris.domain.waiting import WaitForSlot
from ris.printing.request_form import request_forms_pdf
from ris.selectors import order_lists
from ris.selectors.facility import site
from ris.selectors.order_lists import OrderLine
from ris.selectors.orders import order_views
from ris.web.access import PageRequest, back_to, do, page, saw, show
from ris.web.asking import said
from ris.web.pdf import pdf

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


Make = Callable[[OrderLine], Command[object]]


def _one(request: PageRequest, make: Make, line: OrderLine) -> Outcome:
    try:
        do(request, make(line))
    except RisError as error:
        return Outcome(line, error.message)
    return Outcome(line)


def _reference(line: OrderLine) -> OrderReference:
    return OrderReference(public_id=line.public_id)


def _reason(request: PageRequest) -> str:
    reason = said(request, "reason", 200)
    if not reason:
        raise MissingValueError(_("say why"), path="reason")
    return reason


def _cancel(request: PageRequest) -> Make:
    reason = _reason(request)
    return lambda line: CancelOrder(order=_reference(line), reason=reason)


def _hold(request: PageRequest) -> Make:
    reason = _reason(request)
    return lambda line: HoldOrder(order=_reference(line), reason=reason)


def _priority(request: PageRequest) -> Make:
    try:
        priority = Priority(said(request, "priority"))
    except ValueError:
        raise MissingValueError(_("choose a priority"), path="priority") from None
    return lambda line: ReviseOrder(order=_reference(line), details=OrderDetails(priority=priority))


def _ask(request: PageRequest) -> Make:
    question = said(request, "reason", 1000)
    if not question:
        raise MissingValueError(_("say what is to be known"), path="reason")
    return lambda line: AskForInformation(order=_reference(line), question=question)


def _wait(request: PageRequest) -> Make:
    comment = said(request, "reason", 200)

    def make(line: OrderLine) -> Command[object]:
        step = line.to_schedule or next(
            (each for each in line.steps if each.status == StepStatus.SCHEDULED.value), None
        )
        if step is None:
            raise StateConflictError(_("no exam of it waits for a time"))
        return WaitForSlot(step=step.public_id, comment=comment)

    return make


_COMMANDS: dict[str, Callable[[PageRequest], Make]] = {
    "cancel": _cancel,
    "hold": _hold,
    "priority": _priority,
    "ask": _ask,
    "wait": _wait,
}
_TITLES = {
    "cancel": gettext_lazy("Cancel orders"),
    "hold": gettext_lazy("Put orders on hold"),
    "priority": gettext_lazy("Set the priority"),
    "ask": gettext_lazy("Ask for information"),
    "wait": gettext_lazy("Put on the wait list"),
}


def printed(request: PageRequest, keys: Sequence[str]) -> HttpResponse:
    """The request forms of orders, one after the other, as one document."""
    views = order_views(keys)
    saw(request, "PrintOrder", (view.patient.public_id for view in views))
    return pdf(request_forms_pdf(views, site()), "request.pdf")
