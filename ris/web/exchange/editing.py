"""Changing the text of a message: what came in is applied as new, what goes out is sent as new."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from ris.domain.commands import Command
from ris.domain.errors import DeniedError, RequestError, RisError, SeveralErrors, UnsupportedError
from ris.domain.exchange import EditDelivery, EditMessage, MessageState, Protocol
from ris.selectors import messages as lists
from ris.services import desk, may
from ris.web import labels
from ris.web.access import PageRequest, do, page, saw, show
from ris.web.errors import STATUS
from ris.web.forms import PageForm

LONGEST = 1_000_000


class MessageForm(PageForm):
    """The text of a message, one segment a line, and why it is changed."""

    text = forms.CharField(
        label=gettext_lazy("Message, one segment a line"),
        max_length=LONGEST,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 18,
                "spellcheck": "false",
                "autocomplete": "off",
                "class": "form-control message-text",
            }
        ),
    )
    reason = forms.CharField(label=gettext_lazy("Why it is changed"), max_length=200, strip=True)

    def refuse(self, error: RisError) -> None:
        """Every fault with its place in the message."""
        for each in error.errors if isinstance(error, SeveralErrors) else (error,):
            if each.path == "reason":
                self.add_error("reason", each.message)
            else:
                place = "" if each.path in ("", "text") else f"{each.path}: "
                self.add_error("text", f"{place}{each.message}")


def _text(protocol: Protocol, raw: bytes, character_set: str) -> str:
    found = desk.text(protocol, raw, character_set)
    if found is None:
        raise UnsupportedError("this message cannot be edited: its text cannot be read")
    if len(found) > LONGEST:
        raise UnsupportedError("this message is too long to be edited here")
    return found


@require_http_methods(["GET", "POST"])
@page()
def message(request: PageRequest, key: UUID) -> HttpResponse:
    if not may(request.actor, EditMessage):
        raise DeniedError("your roles do not include editing messages")
    row = lists.inbound_message(str(key))
    saw(request, "ViewMessage", lists.patients_of(row), subject=f"InboundMessage {key}")
    charset = row.endpoint.character_set if row.endpoint else ""
    text = _text(Protocol(row.protocol), bytes(row.raw), charset)
    context = {
        "title": row.message_type or "Message",
        "back": f"/messages/in/{key}/",
        "is_out": False,
        "row": row,
        "button": "Apply it as a new message",
    }
    form = MessageForm(request.POST or None, initial={"text": text})

    def command(text: str, reason: str) -> Command[str]:
        return EditMessage(message=str(key), text=text, reason=reason)

    if request.method == "POST" and form.is_valid():
        edited = _given(request, form, command(form.cleaned_data["text"], _reason(form)))
        if edited:
            _tell(request, edited)
            return _see_other(f"/messages/in/{edited}/")
    return _form(request, form, context)


def _tell(request: PageRequest, key: str) -> None:
    new = lists.inbound_message(key)
    if new.state == MessageState.APPLIED.value:
        messages.success(request, _("Applied as a new message."))
        return
    words = labels.label("message", new.state).words.lower()
    place = f"{new.error_path}: " if new.error_path else ""
    messages.warning(
        request,
        _("Kept as a new message, {words}: {place}{error}").format(
            words=words, place=place, error=new.error
        ),
    )


@require_http_methods(["GET", "POST"])
@page()
def delivery(request: PageRequest, key: UUID) -> HttpResponse:
    if not may(request.actor, EditDelivery):
        raise DeniedError("your roles do not include editing messages")
    row = lists.delivery(str(key))
    patient = row.order.patient if row.order else row.patient
    if patient:
        saw(request, "ViewMessage", [str(patient.public_id)], subject=f"Delivery {key}")
    text = _text(Protocol(row.endpoint.protocol), bytes(row.payload), row.endpoint.character_set)
    context = {
        "title": row.message_type or "Message",
        "back": f"/messages/out/{key}/",
        "is_out": True,
        "row": row,
        "is_stuck": row.state in lists.STUCK_DELIVERY,
        "button": "Send it under a new control id",
    }
    form = MessageForm(request.POST or None, initial={"text": text})
    if request.method == "POST" and form.is_valid():
        command = EditDelivery(
            delivery=str(key), text=form.cleaned_data["text"], reason=_reason(form)
        )
        edited = _given(request, form, command)
        if edited:
            messages.success(request, _("It waits to be sent, under a new control id."))
            return _see_other(f"/messages/out/{edited}/")
    return _form(request, form, context)


def _reason(form: MessageForm) -> str:
    return str(form.cleaned_data["reason"])


def _given(request: PageRequest, form: MessageForm, command: Command[str]) -> str:
    """The new message; empty if it was refused, and the form says why."""
    try:
        return do(request, command)
    except RequestError as error:
        form.refuse(error)
        request.META["ris.status"] = str(STATUS[error.code])
        return ""


def _form(request: PageRequest, form: MessageForm, context: dict[str, object]) -> HttpResponse:
    status = int(request.META.get("ris.status", 422 if form.is_bound else 200))
    return show(request, "exchange/message_edit.html", {**context, "form": form}, status=status)


def _see_other(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response
