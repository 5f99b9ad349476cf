"""What is fuzzed, and what may come of it: an answer or one of the documented refusals.

A target takes bytes and returns what became of them. Anything it raises is a fault.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from ris.domain.errors import RisError
from tests.fuzz import hl7
from worklist import commitment, dose, ian, matching, retrieval
from worklist.association import Connection
from worklist.charset import UTF8, character_set
from worklist.config import ListenerConfig
from worklist.dimse import CommandError, read_command
from worklist.elements import read, tags_in
from worklist.mpps import Circumstances, from_n_create, from_n_set, references_in
from worklist.negotiation import Negotiator, ae_titles
from worklist.pdu import PduError
from worklist.prescan import prescan
from worklist.service import Admission, FindAnswer, Outcome, Rejection, Request
from worklist.sop_classes import DOSE_REPORTS, TRANSFER_SYNTAXES
from worklist.upper_layer import UpperLayer

ZONE = ZoneInfo("Europe/Vienna")
REPORTS = tuple(DOSE_REPORTS)
NOW = datetime(2026, 7, 6, 9, 0, tzinfo=UTC)


def syntax_of(raw: bytes) -> tuple[str, bytes]:
    """The low bits of the first byte choose the transfer syntax."""
    return TRANSFER_SYNTAXES[(raw[0] & 3) % len(TRANSFER_SYNTAXES)] if raw else "", raw[1:]


# --- identifiers and attribute lists


def identifier(raw: bytes) -> str:
    """A C-FIND identifier as the handler reads it."""
    syntax, data = syntax_of(raw)
    try:
        prescan(data, syntax)
        matching.to_request(data, syntax, zone=ZONE)
    except RisError as error:
        return _refused(error, data, syntax)
    return "read"


def performed_step(raw: bytes) -> str:
    """An N-CREATE and N-SET dataset; what was taken in must be possible to give back (N-GET)."""
    syntax, data = syntax_of(raw)
    strict = bool(raw) and raw[0] & 0x40 != 0
    around = Circumstances(ae_title="CT1", received_at=NOW, zone=ZONE, modality="CT", strict=strict)
    references_in(data, syntax)
    try:
        prescan(data, syntax, elements=50_000)
        if raw[0] & 0x80:
            stored: Mapping[str, Any] = from_n_set("2.25.1", data, syntax, around, {}).dataset
        else:
            stored = from_n_create("2.25.1", data, syntax, around).dataset
    except RisError as error:
        return _refused(error, data, syntax)
    retrieval.encode(stored, syntax, (character_set(UTF8),))
    return "taken"


def dose_report(raw: bytes) -> str:
    """The dataset of a C-STORE; the second byte chooses the kind of report it is said to be."""
    syntax, data = syntax_of(raw)
    sop_class = REPORTS[data[0] % len(REPORTS)] if data else REPORTS[0]
    dose.references_in(data[1:], syntax)
    try:
        dose.from_report(
            sop_class, "2.25.7001", data[1:], syntax, dose.Circumstances(ae_title="CT1", zone=ZONE)
        )
    except RisError as error:
        return _refused(error, data[1:], syntax)
    return "read"


def availability(raw: bytes) -> str:
    """The dataset of an Instance Availability Notification."""
    syntax, data = syntax_of(raw)
    ian.references_in(data, syntax)
    try:
        prescan(data, syntax, elements=150_000)
        ian.from_notification(data, syntax, "PACS")
    except RisError as error:
        return _refused(error, data, syntax)
    return "read"


def commitment_report(raw: bytes) -> str:
    """The dataset of a report on a request for storage commitment."""
    syntax, data = syntax_of(raw)
    commitment.transaction_of(data, syntax)
    try:
        prescan(data, syntax)
        commitment.from_event_report(data, syntax)
    except RisError as error:
        return _refused(error, data, syntax)
    return "read"


def _refused(error: RisError, data: bytes, syntax: str) -> str:
    """The refusal names tags or nothing, and can be put into an answer."""
    tags_in(error.path)
    try:
        read(data, syntax)
    except RisError:
        return f"unreadable {error.code.value}"
    return f"refused {error.code.value}"


# --- command sets and requests for an association


def command_set(raw: bytes) -> str:
    try:
        read_command(raw)
    except CommandError:
        return "refused"
    return "read"


def association_request(raw: bytes) -> str:
    """The body of an A-ASSOCIATE-RQ PDU."""
    pdu = struct.pack(">BBL", 1, 0, len(raw)) + raw
    try:
        titles = ae_titles(pdu)
        if isinstance(titles, Rejection):
            return "rejected"
        found = _negotiator().negotiate(pdu)
    except PduError:
        return "aborted"
    return "rejected" if isinstance(found, Rejection) else "agreed"


@cache
def _negotiator() -> Negotiator:
    return Negotiator(ListenerConfig())


# --- the upper layer


class Quiet:
    """Answers every request at once."""

    def admit(self, request: object) -> Admission:
        return Admission()

    def c_echo(self, request: Request) -> Outcome:
        return Outcome()

    def c_find(self, request: Request) -> FindAnswer:
        identifier(_with_syntax(request))
        return FindAnswer([b"\x08\x00\x60\x00CS\x02\x00CT"] * 3)

    def _performed(self, request: Request) -> Outcome:
        performed_step(_with_syntax(request))
        return Outcome()

    n_create = n_set = c_store = _performed

    def n_get(self, request: Request) -> Outcome:
        return Outcome(attribute_identifiers=request.attribute_identifiers)

    def n_event_report(self, request: Request) -> Outcome:
        commitment_report(_with_syntax(request))
        return Outcome()

    def n_action(self, request: Request) -> Outcome:
        return Outcome()


def _with_syntax(request: Request) -> bytes:
    return bytes((TRANSFER_SYNTAXES.index(request.transfer_syntax),)) + request.dataset


class Wire(asyncio.Transport):
    """A transport without a network: what is written is kept."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "socket": self})
        self.written = bytearray()
        self.closed = False

    def setsockopt(self, *_: object) -> None:
        """As a socket, for the listener's wish to acknowledge quickly."""

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Inline(UpperLayer):
    """The listener without sockets and threads: what it would hand to the pool runs at once."""

    def submit(self, function: Callable[..., None], *arguments: Any) -> bool:
        function(*arguments)
        return True

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        function(*arguments)


@cache
def layer() -> Inline:
    async def build() -> Inline:
        return Inline(ListenerConfig(threads=1), Quiet())

    loop = asyncio.new_event_loop()
    try:
        made = loop.run_until_complete(build())
    finally:
        loop.close()
    made.now = lambda: 0.0
    return made


def stream(raw: bytes) -> str:
    """The bytes of a connection; the first one says in pieces of what size they arrive."""
    listener = layer()
    connection, wire = Connection(listener, tls=False), Wire()
    size = (raw[0] if raw else 0) * 7 or len(raw) or 1
    connection.connection_made(wire)
    try:
        for start in range(1, len(raw), size):
            connection.data_received(raw[start : start + size])
        return _check(bytes(wire.written))
    finally:
        connection.connection_lost(None)
        if listener.associations:
            raise AssertionError("an association was not given back")


def _check(written: bytes) -> str:
    """What we wrote is whole PDUs, and nothing follows an abort."""
    pos, kinds = 0, []
    while pos < len(written):
        kind, length = struct.unpack_from(">BxL", written, pos)
        kinds.append(kind)
        pos += 6 + length
    if pos != len(written) or (7 in kinds and kinds.index(7) != len(kinds) - 1):
        raise AssertionError("what was answered is no sequence of PDUs")
    faults = layer().metrics.faults
    if faults:
        where = ", ".join(faults)
        faults.clear()
        raise AssertionError(f"a fault of the {where}")
    return f"ended by {kinds[-1]}" if kinds else "silent"


TARGETS: Mapping[str, Callable[[bytes], str]] = {
    "identifier": identifier,
    "performed_step": performed_step,
    "dose_report": dose_report,
    "availability": availability,
    "commitment_report": commitment_report,
    "command_set": command_set,
    "association_request": association_request,
    "stream": stream,
    **hl7.TARGETS,
}
