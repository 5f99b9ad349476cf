"""Messages in and out: lists with filters, raw and decoded, and sending again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import RisError
from ris.domain.exchange import (
    DeliveryState,
    MessageState,
    Protocol,
    ReplayMessage,
    RequeueDelivery,
    ResendDelivery,
    SkipDelivery,
)
from ris.domain.saved_views import ViewedPage
from ris.models import Delivery, InboundMessage
from ris.selectors import message_filters
from ris.selectors import messages as lists
from ris.selectors.interfaces import endpoint_choices
from ris.services import desk, peers
from ris.services.became import became
from ris.web import labels
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.event_words import event_label
from ris.web.exchange.became import with_what_became
from ris.web.exchange.decoding import Decoded, decode
from ris.web.exchange.filters import IN_STATES, OUT_STATES, address_of, filter_of, keyed
from ris.web.mapping.fired import on_the_bench
from ris.web.navigation import SYSTEM
from ris.web.views_saved import saved_views
from ris.web.words import sentence


@require_GET
@page(*SYSTEM)
def message_list(request: PageRequest) -> HttpResponse:
    saved = saved_views(request, ViewedPage.MESSAGES)
    if saved.opens_with:
        return saved.redirect()
    is_out = asked(request, "way") == "out"
    wanted = filter_of(request, is_out=is_out)
    shown: dict[str, object]
    if is_out:
        rows_out = lists.with_outbound_lines(message_filters.outbound(wanted))
        page_out = keyed(rows_out, "created_at", request)
        shown = {"lines": lists.outbound_lines(page_out.rows), "page": page_out}
    else:
        rows_in = lists.with_inbound_lines(message_filters.inbound(wanted))
        page_in = keyed(rows_in, "received_at", request)
        shown = {"lines": with_what_became(lists.inbound_lines(page_in.rows)), "page": page_in}
    since, _ = wanted.span(timezone.now())
    detailed = wanted.said().keys() - {"state", "protocol", "endpoint", "text"}
    context = {
        **shown,
        **saved.context(),
        "is_out": is_out,
        "wanted": wanted,
        "states": OUT_STATES if is_out else IN_STATES,
        "protocols": [(item.value, labels.PROTOCOL[item].words) for item in Protocol],
        "endpoints": [each for each in endpoint_choices() if each.is_out == is_out],
        "since": since if wanted.needs_span and not wanted.since else None,
        "is_filtered": bool(wanted.said()),
        "is_detailed": bool(detailed),
        "address": address_of(wanted, is_out=is_out),
    }
    return show(request, "exchange/messages.html", context, fragment="exchange/_messages.html")


def _faults(request: PageRequest, raw: bytes, protocol: str, charset: str) -> dict[str, object]:
    """What the standard says against a message, if the page asks for it."""
    can = protocol in set(Protocol) and desk.is_text(Protocol(protocol))
    if not can or asked(request, "check") != "yes":
        return {"can_check": can, "can_edit": can}
    found = _against_standard(Protocol(protocol), raw, charset)
    return {"can_check": can, "can_edit": can, "checked": True, "faults": found}


def _against_standard(
    protocol: Protocol, raw: bytes, charset: str
) -> Sequence[peers.Finding | desk.Fault]:
    """By the whole of the standard where its edge can; else by its tables."""
    if not peers.can_check(protocol):
        return desk.faults(protocol, raw, charset)
    try:
        return peers.check_message(protocol, raw, charset)
    except RisError as error:
        return [desk.Fault(error.path, error.message)]


# --- in


def _inbound(request: PageRequest, key: UUID) -> InboundMessage:
    message = lists.inbound_message(str(key))
    patients = lists.patients_of(message)
    saw(request, "ViewMessage", patients, subject=f"InboundMessage {key}")
    return message


def _charset(message: InboundMessage) -> str:
    return message.endpoint.character_set if message.endpoint else ""


@dataclass(frozen=True, slots=True)
class Created:
    """One thing that a message did, with where it is seen."""

    words: str
    href: str
    link: str


# What answers a message of ours: its sender waits for nothing.
_ANSWERS = frozenset({"ACK", "ORR", "ORG", "ORI"})

# What is tolerated in a message (integration.hl7.desk), for the catalogs.
TOLERATED = (
    noop("line break inside of {segment}"),
    noop("{version} is no version of HL7; the message was read as {taken}"),
    noop("cannot be read and is left out: {fault}"),
    noop("the bytes are those of UTF-8, and the message says {label}: names may be wrong"),
)

# The pages of what events are about, by the type of their subject.
_PAGES = {"Report": ("/reports/", "report"), "Patient": ("/patients/", "patient")}


def _created(message: InboundMessage) -> list[Created]:
    found = []
    for event in lists.events_of(message):
        words = event_label(event.name).words
        href = link = ""
        if event.subject_type in _PAGES:
            base, link = _PAGES[event.subject_type]
            href = f"{base}{event.subject_id}/"
        elif event.order is not None:
            href, link = f"/orders/{event.order.public_id}/", event.order.accession_number
        elif event.patient is not None:
            href, link = f"/patients/{event.patient.public_id}/", "patient"
        found.append(Created(words, href, link))
    return found


def _remarks(message: InboundMessage, raw: bytes, charset: str) -> list[desk.Fault]:
    """What was tolerated, but for what it was refused for."""
    if message.protocol not in set(Protocol):
        return []
    found = desk.remarks(Protocol(message.protocol), raw, charset)
    refused = message.error_path
    return [
        desk.Fault(each.path, sentence(each.text))
        for each in found
        if not each.path or each.path != refused
    ]


def _reply(message: InboundMessage) -> Decoded | None:
    if not message.reply:
        return None
    return decode(bytes(message.reply), message.protocol, _charset(message))


@require_GET
@page()
def inbound(request: PageRequest, key: UUID) -> HttpResponse:
    message = _inbound(request, key)
    raw, charset = bytes(message.raw), _charset(message)
    context = {
        "message": message,
        "sees_lists": request.actor.has(*SYSTEM),
        "decoded": decode(raw, message.protocol, charset),
        "reply": _reply(message),
        "created": _created(message),
        "replayable": message.state in lists.STUCK_MESSAGE,
        "remarks": _remarks(message, raw, charset),
        "became": became([str(message.public_id)]).get(str(message.public_id)),
        "is_answer": message.message_type[:3] in _ANSWERS,
        **_faults(request, raw, message.protocol, charset),
        **on_the_bench(message, request.actor),
    }
    return show(request, "exchange/message_in.html", context)


@require_GET
@page()
def inbound_body(request: PageRequest, key: UUID) -> HttpResponse:
    """Raw and decoded, to be opened inside a timeline."""
    message = _inbound(request, key)
    context = {
        "decoded": decode(bytes(message.raw), message.protocol, _charset(message)),
        "reply": _reply(message),
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
        messages.success(request, _("Applied."))
    else:
        messages.warning(
            request,
            _("Tried again; the message is still {words}: {error}").format(
                words=words, error=message.error
            ),
        )
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


def _answer(row: Delivery, reply: bytes) -> Decoded | None:
    return decode(reply, row.endpoint.protocol, row.endpoint.character_set) if reply else None


@require_GET
@page()
def outbound(request: PageRequest, key: UUID) -> HttpResponse:
    row = _outbound(request, key)
    raw, charset = bytes(row.payload), row.endpoint.character_set
    attempts = [(attempt, _answer(row, bytes(attempt.reply))) for attempt in row.attempts.all()]
    context = {
        "delivery": row,
        "sees_lists": request.actor.has(*SYSTEM),
        "because": event_label(row.event.name).words if row.event else "",
        "decoded": decode(raw, row.endpoint.protocol, charset),
        "attempts": attempts,
        "is_stuck": row.state in lists.STUCK_DELIVERY,
        "is_over": row.state in {DeliveryState.DELIVERED.value, DeliveryState.SKIPPED.value},
        **_faults(request, raw, row.endpoint.protocol, charset),
    }
    return show(request, "exchange/message_out.html", context)


@require_GET
@page()
def outbound_body(request: PageRequest, key: UUID) -> HttpResponse:
    row = _outbound(request, key)
    last = row.attempts.last()
    context = {
        "decoded": decode(bytes(row.payload), row.endpoint.protocol, row.endpoint.character_set),
        "reply": _answer(row, bytes(last.reply)) if last is not None else None,
        "id": f"out-{key}",
    }
    return show(request, "exchange/_bodies.html", context)


@require_POST
@page()
def requeue(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RequeueDelivery(delivery=str(key), reason=said(request, "reason", 200)))
    messages.success(request, _("It waits to be sent again, under the same control id."))
    return redirect_back(request, f"/messages/out/{key}/")


@require_POST
@page()
def resend(request: PageRequest, key: UUID) -> HttpResponse:
    again = do(request, ResendDelivery(delivery=str(key), reason=said(request, "reason", 200)))
    messages.success(request, _("Sent once more, as a new message."))
    return redirect_back(request, f"/messages/out/{again}/")


@require_POST
@page()
def skip(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, SkipDelivery(delivery=str(key), reason=said(request, "reason", 200)))
    messages.success(request, _("Skipped; what waits behind it goes on."))
    return redirect_back(request, f"/messages/out/{key}/")
