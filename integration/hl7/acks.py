"""Acknowledgements: what an outcome says on the wire, and what a peer's answer says to us.

HL7 v2.5.1 2.9 (processing rules), 2.15.5 (ERR), 2.15.8 (MSA); tables 0008, 0155, 0357. An answer
goes back with the sender's own delimiters, character set, version and processing id; MSA-2 is
MSH-10 as it came. ``AE`` says: wrong, do not just send it again; ``AR``: not served or not allowed.

Location of a fault is :attr:`RisError.path` (``PID-3[2].4.1``, ``OBX[3]-5``); a path that is none
of HL7 is left out. Before 2.5 all faults share one ERR, whose only field repeats; from 2.5 on each
has its own. Text of our own faults never leaves: such an answer holds a reference only.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from integration.hl7 import charset as charsets
from integration.hl7 import times, versions
from integration.hl7.er7 import Header, Message
from integration.hl7.er7_segment import Segment
from integration.hl7.er7_writer import Raw, SegmentRow, Value, render
from integration.hl7.escapes import Delimiters, escape
from ris.domain.errors import (
    ErrorCode,
    InternalError,
    InvalidValueError,
    RisError,
    SeveralErrors,
)

OWN_CODES = "99RIS"  # coding system of the application codes in ERR-5


@dataclass(frozen=True, slots=True)
class Row:
    """How one ErrorCode is told: MSA-1 (its second letter) and table 0357."""

    outcome: str  # E or R
    code: str


TABLE: Mapping[ErrorCode, Row] = MappingProxyType(
    {
        ErrorCode.MISSING_VALUE: Row("E", "101"),
        ErrorCode.INVALID_VALUE: Row("E", "102"),  # 103 if ``details`` names a ``table``
        ErrorCode.UNKNOWN_KEY: Row("E", "204"),
        ErrorCode.DUPLICATE_KEY: Row("E", "205"),
        ErrorCode.STATE_CONFLICT: Row("E", "207"),
        ErrorCode.BUSY: Row("E", "206"),
        ErrorCode.DENIED: Row("R", "207"),
        ErrorCode.UNSUPPORTED: Row("R", "200"),  # 201, 202, 203 by its place in MSH
        ErrorCode.INTERNAL: Row("E", "207"),
    }
)

TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "0": "Message accepted",
        "100": "Segment sequence error",
        "101": "Required field missing",
        "102": "Data type error",
        "103": "Table value not found",
        "200": "Unsupported message type",
        "201": "Unsupported event code",
        "202": "Unsupported processing id",
        "203": "Unsupported version id",
        "204": "Unknown key identifier",
        "205": "Duplicate key identifier",
        "206": "Application record locked",
        "207": "Application internal error",
    }
)
LOCKED = "206"  # the one code that asks for another try

_UNSUPPORTED = (("MSH-9.2", "201"), ("MSH-9", "200"), ("MSH-11", "202"), ("MSH-12", "203"))
_LONGEST_MSA_3 = 80
_PLACE = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?)?"
)


def new_control_id() -> str:
    """An own MSH-10: 20 characters (its length before 2.7), never the same twice."""
    return secrets.token_hex(10)


# --- when to answer (HL7 v2.5.1 2.9.2, 2.9.3) ---------------------------------------------------


def is_enhanced(header: Header) -> bool:
    """MSH-15 or MSH-16 is valued; whether a peer means it is a matter of its settings."""
    return bool(header.raw_field(15) or header.raw_field(16))


def is_acknowledgement(header: Header) -> bool:
    """Whether a message says only what became of another; MCF is the delayed one, withdrawn."""
    return header.code in {"ACK", "MCF"}


def accept_wanted(header: Header, *, failed: bool) -> bool:
    """Whether MSH-15 asks for an accept acknowledgement (table 0155)."""
    return _wanted(header.raw_field(15), failed=failed)


def application_wanted(header: Header, *, failed: bool) -> bool:
    """Whether MSH-16 asks for an application acknowledgement (table 0155)."""
    return _wanted(header.raw_field(16), failed=failed)


def _wanted(condition: str, *, failed: bool) -> bool:
    match condition:
        case "AL":
            return True
        case "ER":
            return failed
        case "SU":
            return not failed
    return False


# --- answering ----------------------------------------------------------------------------------


def acknowledge(
    header: Header,
    error: RisError | None = None,
    *,
    accept: bool = False,
    text: str = "",
    message_type: tuple[str, ...] = (),
    segments: Iterable[SegmentRow | Raw] = (),
    control_id: str = "",
    at: datetime | None = None,
    expected: str = "",
    conditions: tuple[str, ...] = (),
) -> bytes:
    """The answer to a message: success, or the fault(s) in ``error``.

    ``accept`` gives CA/CE/CR instead of AA/AE/AR (enhanced mode). ``message_type`` replaces ACK
    where the peer wants an application's own answer, whose ``segments`` follow MSA and ERR::

        acknowledge(header, message_type=("ORR", "O02", "ORR_O02"), segments=[pid, orc, obr])

    ``expected`` is MSA-4; ``conditions`` are MSH-15 and MSH-16 of an answer that is sent as a
    message of its own.
    """
    delimiters = header.delimiters
    version = versions.numbers(header.version)
    faults = _faults(error)
    letter = TABLE[faults[0].code].outcome if faults else "A"
    if not text and faults:
        text = _public_text(faults[0])
    lines = [
        _msh(header, version, message_type, control_id or new_control_id(), at, conditions),
        _msa(header, ("C" if accept else "A") + letter, text, version, expected),
    ]
    if faults and version >= (2, 5):
        lines += [_err(fault, header) for fault in faults]
    elif faults:
        lines.append(_err_before_2_5(faults, header))
    lines += [render(segment, _complete(delimiters)) for segment in segments]
    return _encode("\r".join((*lines, "")), header)


def acknowledge_raw(raw: bytes, error: RisError, *, default_charset: str = "ASCII") -> bytes | None:
    """The answer to a message that could not be read; None if it holds no MSH-10 to refer to.

    Then nothing can be said: keep the bytes and close the connection. The same if it is an
    acknowledgement, which is never answered with one.
    """
    header = Header.read(raw, default_charset)
    if header is None or not header.control_id or is_acknowledgement(header):
        return None
    return acknowledge(header, error)


def crashed(raw: bytes, error_id: str) -> bytes | None:
    """The answer when our own handling failed: AE, 207 and a reference for the log."""
    return acknowledge_raw(raw, InternalError("", details={"error_id": error_id}))


def table_code(error: RisError) -> str:
    """The code of table 0357 for an error."""
    if error.code is ErrorCode.INVALID_VALUE and error.details.get("table"):
        return "103"
    if error.code is ErrorCode.UNSUPPORTED:
        for place, code in _UNSUPPORTED:
            if error.path.startswith(place):
                return code
    return TABLE[error.code].code


def location(path: str) -> list[str]:
    """The components of ERR-2 (ERL) for a path; empty if the path is none of HL7.

    A component always comes with its repetition: ``PID-3.1`` is ``PID^1^3^1^1``.
    """
    match = _PLACE.fullmatch(path)
    if match is None:
        return []
    segment, occurrence, field, repetition, component, subcomponent = match.groups()
    parts = [segment, occurrence or "1", field, repetition or (component and "1"), component]
    return [part for part in (*parts, subcomponent) if part]


def _faults(error: RisError | None) -> list[RisError]:
    if error is None:
        return []
    if not isinstance(error, SeveralErrors):
        return [error]
    return [fault for each in error.errors for fault in _faults(each)]


def _public_text(error: RisError) -> str:
    if error.code is ErrorCode.INTERNAL:
        reference = str(error.details.get("error_id", ""))
        return f"Internal error, reference {reference}" if reference else "Internal error"
    # People read this, in whatever character set: what is not ASCII is spelled out.
    return error.message.encode("ascii", "backslashreplace").decode("ascii")


def _msh(
    header: Header,
    version: tuple[int, ...],
    message_type: tuple[str, ...],
    control_id: str,
    at: datetime | None,
    conditions: tuple[str, ...],
) -> str:
    delimiters = header.delimiters
    if not message_type:
        message_type = ("ACK",)
        if version >= (2, 4) and header.trigger:
            message_type = ("ACK", header.trigger, "ACK")
    raw = header.raw_field
    fields = [
        "MSH", delimiters.encoding, raw(5), raw(6), raw(3), raw(4),
        times.write_utc(at or datetime.now(UTC)), "", delimiters.component.join(message_type),
        control_id, raw(11), raw(12), "", "", *(conditions or ("", "")), "", raw(18),
    ]  # fmt: skip
    return delimiters.field.join(fields).rstrip(delimiters.field)


def _msa(header: Header, code: str, text: str, version: tuple[int, ...], expected: str) -> str:
    fields = ["MSA", code, header.control_id]
    if text and version < (2, 7):  # withdrawn then
        if len(text) > _LONGEST_MSA_3:
            text = text[: _LONGEST_MSA_3 - 3] + "..."
        fields.append(escape(text, header.delimiters))
    if expected:
        fields += [""] * (4 - len(fields)) + [expected]
    return header.delimiters.field.join(fields)


def _err(fault: RisError, header: Header) -> str:
    """ERR as from 2.5 on."""
    code = table_code(fault)
    reference = str(fault.details.get("error_id", ""))
    own = (fault.code.value, fault.code.value.replace("-", " ").capitalize(), OWN_CODES)
    return render(
        ("ERR", None, tuple(location(fault.path)), (code, TEXTS[code], "HL70357"), "E", own,
         None, reference, _public_text(fault)),
        header.delimiters,
    )  # fmt: skip


def _err_before_2_5(faults: list[RisError], header: Header) -> str:
    """ERR before 2.5: one field, ``segment^sequence^field^code&text&HL70357``, repeating."""
    rows: list[Value] = []
    for fault in faults:
        code = table_code(fault)
        place = (*location(fault.path)[:3], "", "", "")[:3]
        told: Value = code  # all there is room for without subcomponents
        if header.delimiters.subcomponent:
            own = (fault.code.value, _public_text(fault), OWN_CODES)
            told = (code, TEXTS[code], "HL70357", *own)
        rows.append((*place, told))
    return render(("ERR", rows), header.delimiters)


def _complete(delimiters: Delimiters) -> Delimiters:
    """With a subcomponent separator, which a sender of three encoding characters has not named."""
    if delimiters.subcomponent:
        return delimiters
    free = next(char for char in "&!@$%#" if char not in delimiters)
    return delimiters._replace(subcomponent=free)


def _encode(text: str, header: Header) -> bytes:
    """In the sender's character set; a header that did not fit its own was read as Latin-1."""
    try:
        if header.charset is not None:
            return header.charset.encode(text)
    except InvalidValueError:
        pass  # an echoed value; the answer must not fail for it
    return text.encode("latin-1", "backslashreplace")


# --- reading an answer --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that a peer reports."""

    code: str
    text: str
    location: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """What a peer answered."""

    code: str  # MSA-1
    control_id: str  # MSA-2
    text: str
    faults: tuple[Fault, ...]
    message: Message

    @property
    def accepted(self) -> bool:
        return self.code in ("AA", "CA")

    @property
    def locked(self) -> bool:
        """Refused for now only (206): the same message may be sent again."""
        return not self.accepted and any(fault.code == LOCKED for fault in self.faults)

    @property
    def reason(self) -> str:
        """MSA-1 and all that the peer said about it, for people."""
        told = [self.text] if self.text else []
        for fault in self.faults:
            parts = (fault.code, fault.location, fault.text if fault.text != self.text else "")
            told.append(" ".join(part for part in parts if part))
        return f"{self.code}: {'; '.join(told)}" if told else self.code


def read(raw: bytes) -> Ack | None:
    """A peer's answer; None if it is no acknowledgement.

    Only codes and identifiers matter, so an answer that breaks its own character set still counts.
    """
    latin = charsets.find("8859/1")
    try:
        try:
            message = Message.from_bytes(raw, default_charset="8859/1")
        except RisError:
            message = Message(raw, raw.decode("latin-1").lstrip(), latin)
            if message.names[0] != "MSH":
                return None
        msa = message.first("MSA")
        if msa is None or not msa.get("1"):
            return None
        faults = [fault for err in message.segments("ERR") for fault in _read_err(err)]
        control_id = msa.fields[2] if len(msa.fields) > 2 else ""
        code = (msa.get("1") or "").strip().upper()
        return Ack(code, control_id.strip(), msa.text("3") or "", tuple(faults), message)
    except RisError:
        return None


def _read_err(err: Segment) -> list[Fault]:
    if err.get("3") or err.get("8"):
        place = "^".join(err.get(f"2.{number}") or "" for number in range(1, 7)).rstrip("^")
        text = err.get("8") or err.get("7") or err.get("3.2") or ""
        return [Fault(err.get("3") or "", text, place)]
    faults = []
    for repeat in err.repeats("1"):
        place = "^".join(repeat.get(number) or "" for number in range(1, 4)).rstrip("^")
        text = repeat.get(4, 5) or repeat.get(4, 2) or ""
        faults.append(Fault(repeat.get(4) or "", text, place))
    return faults
