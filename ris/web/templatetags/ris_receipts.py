"""Words for the receipts of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ris.domain.exchange import Protocol
from ris.selectors import receipts
from ris.selectors.receipts import Receipt, VersionReceipts, Waiting

register = template.Library()

_KINDS = {
    "ORU": gettext_lazy("as result"),
    "MDM": gettext_lazy("as document"),
    "DFT": gettext_lazy("as charge"),
}
_PROTOCOLS = {
    Protocol.FHIR.value: gettext_lazy("as FHIR resource"),
    Protocol.DICOM.value: gettext_lazy("into the archive"),
    Protocol.DICOMWEB.value: gettext_lazy("into the archive"),
    Protocol.MAIL.value: gettext_lazy("as notice by mail"),
}
_WAITING: Mapping[Waiting, object] = {
    Waiting.SOON: gettext_lazy("Leaves at once."),
    Waiting.SENDING: gettext_lazy("Being sent now."),
    Waiting.AGAIN: gettext_lazy("No answer yet; it is tried again by itself."),
    Waiting.PAUSED: gettext_lazy("The interface is paused. It leaves when the interface goes on."),
    Waiting.OFF: gettext_lazy("The interface is switched off."),
    Waiting.BEHIND: gettext_lazy(
        "Waits behind an earlier message that the receiver did not take, so that versions arrive "
        "in order."
    ),
    Waiting.QUEUED: gettext_lazy("Waits until an earlier message is there."),
    Waiting.REFUSED: gettext_lazy(
        "The receiver refused it. Mend what it says, then send it again."
    ),
    Waiting.UNWRITABLE: gettext_lazy(
        "It could not be written for this receiver. Who keeps the interfaces mends that, then "
        "sends it again."
    ),
    Waiting.GIVEN_UP: gettext_lazy("Given up. Look at the interface, then send it again."),
    Waiting.SKIPPED: gettext_lazy("Passed over: this receiver does not have this version."),
}

# How the message type of a question after an object ends.
_LOOKED_FOR = ": in the archive"
_COMMITTED = ": committed by the archive"


@register.filter
def sent_as(line: Receipt) -> str:
    """``as result (ORU^R01)``."""
    if line.waiting is Waiting.UNWRITABLE:
        return _("not written")  # there is an event, and no message of it
    if line.message_type.endswith(_LOOKED_FOR):
        return _("a look whether the archive has it ({message})").format(
            message=line.message_type.removesuffix(_LOOKED_FOR)
        )
    if line.message_type.endswith(_COMMITTED):
        return _("the archive's word that it keeps it ({message})").format(
            message=line.message_type.removesuffix(_COMMITTED)
        )
    words = _KINDS.get(line.message_type[:3]) if line.protocol == Protocol.HL7.value else None
    words = words or _PROTOCOLS.get(line.protocol)
    if words is None:
        return line.message_type
    if not line.message_type:
        return str(words)
    return _("{words} ({message})").format(words=words, message=line.message_type)


@register.filter
def why_waiting(line: Receipt) -> str:
    """Why it is not there, and what to do about it; empty where it is there."""
    if line.waiting is Waiting.SKIPPED and line.message_type.endswith((_LOOKED_FOR, _COMMITTED)):
        return ""  # it is there, and only not confirmed: the line's own words say so
    if line.waiting is Waiting.AGAIN and line.answer:
        return _("Answered {answer}; it is asked again by itself.").format(answer=line.answer)
    if line.waiting is Waiting.QUEUED and line.ahead:
        return _("Waits until version {number} is there.").format(number=line.ahead)
    return str(_WAITING.get(line.waiting, ""))


@register.filter
def unsettled(groups: Sequence[VersionReceipts]) -> bool:
    return receipts.unsettled(groups)
