"""ADT messages that are passed on as they came (IHE RAD-12), for peers that want them raw.

Everything but the names of sender and receiver (MSH-3 to MSH-6) and the control id (MSH-10) stays
byte for byte: delimiters, character set, line ends, what we do not know. What is passed on was
applied here, in the same transaction, so nobody is told what we refused; and never who sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from integration.hl7 import charset as charsets
from integration.hl7 import profiles
from integration.hl7.er7 import Header
from integration.hl7.escapes import escape
from ris.domain.errors import InvalidValueError
from ris.domain.exchange import Direction, Protocol, Subscription
from ris.domain.protocol import EndpointInfo, Outgoing
from ris.selectors.exchange import endpoints
from ris.selectors.facility import site
from ris.services import outbox

# One lane for all patients: the receiver gets the feed in the order of the sender.
RELAYED = "adt"


def pass_on(raw: bytes, header: Header, source: int | None) -> None:
    """Queue an applied message for every peer that takes them raw, but for who sent it."""
    if header.code != "ADT":
        return
    receivers = [each for each in endpoints(Protocol.HL7, Direction.OUT) if _wants(each)]
    if not receivers:
        return
    sender = _inbound(source)
    for endpoint in receivers:
        if sender is not None and is_same_peer(sender, endpoint):
            continue
        control_id = outbox.new_control_id(endpoint.id)
        payload, fault = b"", ""
        try:
            agreed = profiles.profile(endpoint, site())
            names = dict(zip((3, 4, 5, 6), (*agreed.own, *agreed.peer), strict=True))
            payload = rewritten(raw, {**names, 10: control_id}, _set_of(sender))
        except InvalidValueError as error:
            # No reason to refuse what the sender said: it is shown with who was not told of it.
            fault = error.message
        message_type = f"{header.code}^{header.trigger}"[:60]
        outgoing = Outgoing(
            lane=RELAYED, control_id=control_id, message_type=message_type, payload=payload
        )
        outbox.enqueue(endpoint, outgoing, fault=fault)


def _wants(endpoint: EndpointInfo) -> bool:
    wants = bool(endpoint.settings.get("relay_adt"))
    return wants and Subscription.PATIENT_UPDATES.value in endpoint.sends


def _inbound(endpoint_id: int | None) -> EndpointInfo | None:
    found = (each for each in endpoints(Protocol.HL7, Direction.IN) if each.id == endpoint_id)
    return next(found, None) if endpoint_id is not None else None


def _set_of(sender: EndpointInfo | None) -> str:
    """The character set of a message that does not name its own."""
    return (sender.character_set if sender else "") or charsets.UTF_8


def is_same_peer(one: EndpointInfo, other: EndpointInfo) -> bool:
    """A peer's two endpoints have the same name, or the same application and facility."""
    return one.name == other.name or (
        bool(one.protocol_name) and one.protocol_name == other.protocol_name
    )


def rewritten(raw: bytes, fields: Mapping[int, str], default_charset: str) -> bytes:
    """A message with these fields of MSH replaced, and not a byte of the rest."""
    header = Header.read(raw, default_charset)
    start = raw.find(b"MSH")
    if header is not None and start >= 0:
        return raw[:start] + _in_bytes(raw[start:], header, fields)
    if header is None or header.charset is None:
        raise InvalidValueError("the stored message has no header", path="MSH")
    # UTF-16 and its like: no byte of it stands for itself.
    text = header.charset.decode(raw)
    begin = text.find("MSH")
    head, end, rest = text[begin:].partition("\r")
    parts = head.split(header.delimiters.field)
    _replace(parts, header, fields)
    return header.charset.encode(text[:begin] + header.delimiters.field.join(parts) + end + rest)


def _in_bytes(raw: bytes, header: Header, fields: Mapping[int, str]) -> bytes:
    """The same where letters of the header are bytes, as in every set but UTF-16 and UTF-32."""
    ends = [place for place in (raw.find(b"\r"), raw.find(b"\n")) if place >= 0]
    end = min(ends, default=len(raw))
    # Byte for byte: what the fields hold need not be understood to be kept.
    parts = raw[:end].decode("latin-1").split(header.delimiters.field)
    charset = header.charset

    def as_bytes(value: str) -> str:
        return (charset.encode(value) if charset else value.encode("ascii")).decode("latin-1")

    _replace(parts, header, fields, as_bytes)
    return header.delimiters.field.join(parts).encode("latin-1") + raw[end:]


def _replace(
    parts: list[str],
    header: Header,
    fields: Mapping[int, str],
    coded: Callable[[str], str] = str,
) -> None:
    parts += [""] * (max(fields) - len(parts))
    for number, value in fields.items():
        parts[number - 1] = coded(escape(value, header.delimiters))  # MSH-1 is the separator
