"""Which messages are taken at all, before their content is looked at (2.9.2.2, spec 1.3)."""

from __future__ import annotations

from integration.hl7 import versions
from integration.hl7.er7 import Header
from integration.hl7.routes import ROUTES
from integration.hl7.senders import Sender
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    RisError,
    SeveralErrors,
    UnsupportedError,
)

KEY_LENGTH = 160  # of MSH-10; the journal keeps 200 characters, some of them its own


def require_servable(header: Header, sender: Sender) -> None:
    """What is refused before the content is looked at (2.9.2.2): AR, all of it at once."""
    if sender.refusal is not None:
        raise sender.refusal
    settings = sender.profile.settings
    faults: list[RisError] = []
    if header.version and versions.numbers(header.version)[:1] != (2,):
        faults.append(UnsupportedError("only version 2 is served", path="MSH-12"))
    elif settings.level == "tables" and (fault := versions.fault(header.version)):
        faults.append(fault)
    if header.processing_id and header.processing_id not in settings.processing_ids:
        faults.append(UnsupportedError("this processing id is not taken here", path="MSH-11"))
    event = f"{header.code}^{header.trigger}"
    codes = {code for code, _ in ROUTES}
    if not header.code:
        faults.append(MissingValueError("the message type is required", path="MSH-9"))
    elif is_ignored(header, sender):
        pass
    elif header.code not in codes:
        faults.append(UnsupportedError("this message type is not served", path="MSH-9.1"))
    elif (header.code, header.trigger) not in ROUTES or (
        settings.accepts and event not in settings.accepts
    ):
        faults.append(UnsupportedError("this event is not served", path="MSH-9.2"))
    if not header.control_id:
        faults.append(MissingValueError("the control id is required", path="MSH-10"))
    elif len(header.control_id) > KEY_LENGTH:
        faults.append(InvalidValueError("the control id is too long", path="MSH-10"))
    if faults:
        raise faults[0] if len(faults) == 1 else SeveralErrors(faults)


def is_ignored(header: Header, sender: Sender) -> bool:
    """Whether it is agreed that such a message is taken and left alone."""
    ignored = sender.profile.settings.ignores
    return bool(ignored) and not {header.code, f"{header.code}^{header.trigger}"}.isdisjoint(
        ignored
    )
