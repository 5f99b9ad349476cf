"""My patients: the orders of a referring doctor, how far they are, and their results."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.actors import Role
from ris.domain.errors import MissingValueError, StateConflictError
from ris.domain.referring import (
    AcknowledgeFinding,
    AcknowledgeResult,
    AnswerDepartment,
    WithdrawRequest,
)
from ris.selectors import referred_orders, referring
from ris.selectors.referred_orders import Pile
from ris.services.referring import note_opened
from ris.services.report_documents import handed_out
from ris.web.access import PageRequest, do, is_poll, page, redirect_back, saw, show
from ris.web.asking import asked, number, said
from ris.web.paging import slice_of
from ris.web.pdf import pdf


def piles() -> tuple[tuple[Pile, str], ...]:
    return (
        (Pile.ALL, _("All")),
        (Pile.ACKNOWLEDGE, _("To acknowledge")),
        (Pile.NEW, _("New results")),
        (Pile.OPEN, _("Not done yet")),
        (Pile.RESULTS, _("With a result")),
    )


def _empty(pile: Pile, text: str, to: referring.Reach) -> tuple[str, str]:
    """What an empty list says to do next."""
    if not to.people and not to.services:
        return (
            _("Nothing is linked to this login yet"),
            _("The department links it to the number that your orders come under. Call them."),
        )
    if text:
        return (
            _("Nothing found among your patients"),
            _("Search by name, birth date or number; orders of others are not shown here."),
        )
    if pile is Pile.ACKNOWLEDGE:
        return _("Nothing waits"), _("Every final result was taken note of.")
    if pile is Pile.NEW:
        return _("Nothing new"), _("Results that you did not open yet appear here.")
    return _("No orders here"), _("Order an exam with the button above.")


@require_GET
@page(Role.REFERRER)
def own_orders(request: PageRequest) -> HttpResponse:
    to = referring.reach(request.user.pk)
    try:
        pile = Pile(asked(request, "pile"))
    except ValueError:
        pile = Pile.ALL
    text = asked(request, "q")
    rows = referred_orders.in_pile(to, pile)
    if text:
        rows = referred_orders.searched(rows, text)
    found = slice_of(referred_orders.with_lines(rows), request)
    lines = referred_orders.lines(found.rows, to)
    waiting, new = referred_orders.waiting_results(to)
    saw(request, "ListOwnOrders", (line.patient.public_id for line in lines))
    counts = {Pile.ACKNOWLEDGE: waiting, Pile.NEW: new}
    context = {
        "pile": pile,
        "piles": [(item, words, counts.get(item)) for item, words in piles()],
        "lines": lines,
        "page": found,
        "text": text,
        "empty": _empty(pile, text, to),
        "may_order": bool(to.people or to.services),
    }
    return show(request, "referrer/list.html", context, fragment="referrer/_list.html")


@require_GET
@page(Role.REFERRER)
def order(request: PageRequest, key: UUID) -> HttpResponse:
    to = referring.reach(request.user.pk)
    shown = referred_orders.order_page(to, key)
    saw(
        request,
        "ViewOwnOrder",
        [str(shown.order.patient.public_id)],
        order=str(key),
        subject=f"Order {key}",
    )
    if not is_poll(request):  # nobody reads what refreshes itself in an empty room
        note_opened(request.actor, shown.unopened)
    return show(
        request, "referrer/order.html", {"shown": shown}, fragment="referrer/_order.html"
    )  # fmt: skip


@require_GET
@page(Role.REFERRER)
def printed(request: PageRequest, key: UUID) -> HttpResponse:
    """A signed version as PDF, the newest unless ``version`` is said."""
    to = referring.reach(request.user.pk)
    wanted = asked(request, "version", 5)
    version = referring.own_version(to, key, int(wanted) if wanted.isdecimal() else None)
    order = version.report.order
    saw(
        request,
        "PrintReport",
        [str(order.patient.public_id)],
        order=str(order.public_id),
        subject=f"Report {key} version {version.number}",
    )
    note_opened(request.actor, [version.pk])
    name = f"report {order.accession_number or key} v{version.number}.pdf"
    return pdf(handed_out(str(key), version.number).content, name)


@require_POST
@page(Role.REFERRER)
def acknowledge(request: PageRequest, key: UUID) -> HttpResponse:
    version = number(request, "version")
    if version is None:
        raise MissingValueError(_("say which version was read"), path="version")
    do(request, AcknowledgeResult(report=str(key), number=version))
    messages.success(request, _("Acknowledged. The department sees that you took note."))
    return redirect_back(request, "/referrer/")


@require_POST
@page(Role.REFERRER)
def acknowledge_finding(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, AcknowledgeFinding(finding=str(key)))
    messages.success(request, _("Acknowledged. Nobody calls you about it any more."))
    return redirect_back(request, "/referrer/")


@require_POST
@page(Role.REFERRER)
def withdraw(request: PageRequest, key: UUID) -> HttpResponse:
    try:
        do(request, WithdrawRequest(order=str(key), reason=said(request, "reason")))
        messages.success(request, _("The order is canceled."))
    except StateConflictError:
        if referring.own_order(referring.reach(request.user.pk), key).cancel_asked is None:
            raise
        words = _("The exam has begun, so it is not canceled. Who performs it sees that you asked.")
        messages.warning(request, words)
    return redirect_back(request, f"/referrer/orders/{key}/")


@require_POST
@page(Role.REFERRER)
def answer(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, AnswerDepartment(question=str(key), answer=said(request, "answer", 1000)))
    messages.success(request, _("Your answer is with the department."))
    return redirect_back(request, "/referrer/")
