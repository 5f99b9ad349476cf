"""Messages in and out: lists with filters, raw and decoded, and sending again."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_POST

from ris.domain.exchange import (
    DeliveryState,
    MessageState,
    Protocol,
    ReplayMessage,
    RequeueDelivery,
    ResendDelivery,
    SkipDelivery,
)
from ris.models import Delivery, InboundMessage
from ris.selectors import messages as lists
from ris.selectors.interfaces import endpoint_choices
from ris.selectors.message_filters import Filter
from ris.selectors.message_filters import inbound as found_in
from ris.selectors.message_filters import outbound as found_out
from ris.web import labels
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.exchange.decoding import decode
from ris.web.navigation import SYSTEM
from ris.web.paging import slice_of

IN_STATES = [("open", "Need a person"), ("flagged", "Key came before")] + [
    (state.value, labels.MESSAGE[state].words) for state in MessageState
]
OUT_STATES = [("open", "Need a person")] + [
    (state.value, labels.DELIVERY[state].words) for state in DeliveryState
]


def _one_of(text: str, choices: list[tuple[str, str]]) -> str:
    return text if text in {value for value, _ in choices} else ""


@require_GET
@page(*SYSTEM)
def message_list(request: PageRequest) -> HttpResponse:
    is_out = asked(request, "way") == "out"
    text = asked(request, "q", 100)
    endpoint = asked(request, "endpoint")
    endpoints = [line for line in endpoint_choices() if line.is_out == is_out]
    protocol = ""
    if is_out:
        state = _one_of(asked(request, "state"), OUT_STATES)
        rows_out = found_out(Filter(state=state, endpoint=endpoint, text=text))
        page_out = slice_of(lists.with_outbound_lines(rows_out), request)
        shown: dict[str, object] = {
            "lines": lists.outbound_lines(page_out.rows),
            "page": page_out,
            "states": OUT_STATES,
        }
    else:
        state = _one_of(asked(request, "state"), IN_STATES)
        protocols = [(item.value, labels.PROTOCOL[item].words) for item in Protocol]
        protocol = _one_of(asked(request, "protocol"), protocols)
        rows_in = found_in(Filter(state=state, protocol=protocol, endpoint=endpoint, text=text))
        page_in = slice_of(lists.with_inbound_lines(rows_in), request)
        shown = {
            "lines": lists.inbound_lines(page_in.rows),
            "page": page_in,
            "states": IN_STATES,
            "protocols": protocols,
        }
    context = {
        **shown,
        "is_out": is_out,
        "state": state,
        "protocol": protocol,
        "endpoint": endpoint,
        "endpoints": endpoints,
        "text": text,
    }
    return show(request, "exchange/messages.html", context, fragment="exchange/_messages.html")


# --- in


def _inbound(request: PageRequest, key: UUID) -> InboundMessage:
    message = lists.inbound_message(str(key))
    patients = lists.patients_of(message)
    saw(request, "ViewMessage", patients, subject=f"InboundMessage {key}")
    return message


@require_GET
@page()
def inbound(request: PageRequest, key: UUID) -> HttpResponse:
    message = _inbound(request, key)
    context = {
        "message": message,
        "decoded": decode(bytes(message.raw), message.protocol),
        "reply": decode(bytes(message.reply)) if message.reply else None,
        "replayable": message.state in lists.STUCK_MESSAGE,
    }
    return show(request, "exchange/message_in.html", context)


@require_GET
@page()
def inbound_body(request: PageRequest, key: UUID) -> HttpResponse:
    """Raw and decoded, to be opened inside a timeline."""
    message = _inbound(request, key)
    context = {
        "decoded": decode(bytes(message.raw), message.protocol),
        "reply": decode(bytes(message.reply)) if message.reply else None,
        "id": f"in-{key}",
    }
    return show(request, "exchange/_bodies.html", context)


@require_POST
@page()
def replay(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, ReplayMessage(message=str(key), reason=said(request, "reason", 200)))
    message = lists.inbound_message(str(key))
    words = labels.label("message", message.state).words.lower()
    if message.state == MessageState.APPLIED.value:
        messages.success(request, "Applied.")
    else:
        messages.warning(request, f"Tried again; the message is still {words}: {message.error}")
    return redirect_back(request, f"/messages/in/{key}/")


# --- out


def _outbound(request: PageRequest, key: UUID) -> Delivery:
    row = lists.delivery(str(key))
    patient = row.order.patient if row.order else row.patient
    if patient:
        saw(
            request,
            "ViewMessage",
            [str(patient.public_id)],
            order=str(row.order.public_id) if row.order else "",
            subject=f"Delivery {key}",
        )
    return row


@require_GET
@page()
def outbound(request: PageRequest, key: UUID) -> HttpResponse:
    row = _outbound(request, key)
    attempts = [
        (attempt, decode(bytes(attempt.reply)) if attempt.reply else None)
        for attempt in row.attempts.all()
    ]
    context = {
        "delivery": row,
        "decoded": decode(bytes(row.payload), row.endpoint.protocol),
        "attempts": attempts,
        "is_stuck": row.state in lists.STUCK_DELIVERY,
        "is_over": row.state in {DeliveryState.DELIVERED.value, DeliveryState.SKIPPED.value},
    }
    return show(request, "exchange/message_out.html", context)


@require_GET
@page()
def outbound_body(request: PageRequest, key: UUID) -> HttpResponse:
    row = _outbound(request, key)
    last = row.attempts.last()
    context = {
        "decoded": decode(bytes(row.payload), row.endpoint.protocol),
        "reply": decode(bytes(last.reply)) if last is not None and last.reply else None,
        "id": f"out-{key}",
    }
    return show(request, "exchange/_bodies.html", context)


@require_POST
@page()
def requeue(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RequeueDelivery(delivery=str(key), reason=said(request, "reason", 200)))
    messages.success(request, "It waits to be sent again, under the same control id.")
    return redirect_back(request, f"/messages/out/{key}/")


@require_POST
@page()
def resend(request: PageRequest, key: UUID) -> HttpResponse:
    again = do(request, ResendDelivery(delivery=str(key), reason=said(request, "reason", 200)))
    messages.success(request, "Sent once more, as a new message.")
    return redirect_back(request, f"/messages/out/{again}/")


@require_POST
@page()
def skip(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, SkipDelivery(delivery=str(key), reason=said(request, "reason", 200)))
    messages.success(request, "Skipped; what waits behind it goes on.")
    return redirect_back(request, f"/messages/out/{key}/")
