"""What the desk does with an order besides scheduling it: undo, split, ask, print."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.order_questions import AnswerInformation, AskForInformation
from ris.domain.orders import OrderReference
from ris.domain.splitting import SplitOrder
from ris.domain.undoing import RestoreOrder
from ris.domain.waiting import AcceptOffer, DeclineOffer, StopWaiting
from ris.web import undo
from ris.web.access import PageRequest, do, page, redirect_back
from ris.web.asking import number, said
from ris.web.orders.bulk import printed


@require_POST
@page()
def restore(request: PageRequest, key: UUID) -> HttpResponse:
    waiting = do(
        request,
        RestoreOrder(
            order=OrderReference(public_id=str(key)), expected_version=number(request, "version")
        ),
    )
    messages.success(request, undo.restored_words(waiting))
    return redirect_back(request, f"/orders/{key}/")


@require_POST
@page()
def split(request: PageRequest, key: UUID) -> HttpResponse:
    new = do(
        request,
        SplitOrder(
            order=OrderReference(public_id=str(key)),
            procedures=tuple(dict.fromkeys(request.POST.getlist("procedure"))),
            expected_version=number(request, "version"),
        ),
    )
    messages.success(request, _("The exam has an order of its own now: this one."))
    return redirect_back(request, f"/orders/{new}/")


@require_POST
@page()
def ask(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        AskForInformation(
            order=OrderReference(public_id=str(key)), question=said(request, "reason", 1000)
        ),
    )
    messages.success(request, _("Asked: the order waits under Needs information."))
    return redirect_back(request, f"/orders/{key}/")


@require_POST
@page()
def answer(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        AnswerInformation(
            question=str(key),
            answer=said(request, "answer", 1000),
            by=said(request, "by", 200),
        ),
    )
    messages.success(request, _("The answer is noted."))
    return redirect_back(request, "/orders/?tab=needs-information")


@require_GET
@page()
def request_form(request: PageRequest, key: UUID) -> HttpResponse:
    """The request on paper."""
    return printed(request, [str(key)])


# --- the wait list


@require_POST
@page()
def accept_offer(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, AcceptOffer(offer=str(key)))
    messages.success(request, _("Booked at the time that was offered."))
    return redirect_back(request, "/orders/?tab=wait-list")


@require_POST
@page()
def decline_offer(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, DeclineOffer(offer=str(key), reason=said(request, "reason", 200)))
    messages.success(request, _("Declined: the time goes to the next in turn."))
    return redirect_back(request, "/orders/?tab=wait-list")


@require_POST
@page()
def stop_waiting(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, StopWaiting(entry=str(key), reason=said(request, "reason", 200)))
    messages.success(request, _("Taken off the wait list."))
    return redirect_back(request, "/orders/?tab=wait-list")
