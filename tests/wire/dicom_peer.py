"""A DICOM peer on a bare socket, for what a proper client library would never send."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.running import wait_until

VERIFICATION = "1.2.840.10008.1.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

C_FIND, C_ECHO, N_GET, N_SET, N_CREATE, C_CANCEL = 0x0020, 0x0030, 0x0110, 0x0120, 0x0140, 0x0FFF

RELEASE_RQ = b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"
RELEASE_RP = b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"
ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00"

# Implicit VR: (0008,0060) Modality = CT
IDENTIFIER = b"\x08\x00\x60\x00\x02\x00\x00\x00CT"

Context = tuple[int, str, Sequence[str]]


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBL", kind, 0, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def context(number: int, abstract: str, *transfer: str) -> Context:
    return number, abstract, transfer or (IMPLICIT,)


def user_identity(kind: int, primary: bytes, secondary: bytes = b"", *, respond: int = 0) -> bytes:
    """The sub-item of PS3.7 D.3.3.7.1."""
    fields = b"".join(struct.pack(">H", len(one)) + one for one in (primary, secondary))
    return item(0x58, bytes((kind, respond)) + fields)


def associate_rq(
    *contexts: Context,
    calling: str = "CT1",
    called: str = "RIS",
    maximum: int = 16_384,
    user_items: bytes = b"",
    version: int = 1,
    application: str = "1.2.840.10008.3.1.1.1",
) -> bytes:
    body = struct.pack(
        ">HH16s16s32s", version, 0, called.ljust(16).encode(), calling.ljust(16).encode(), b""
    )
    body += item(0x10, application.encode())
    for number, abstract, transfer in contexts or (context(1, VERIFICATION),):
        inner = item(0x30, abstract.encode())
        inner += b"".join(item(0x40, syntax.encode()) for syntax in transfer)
        body += item(0x20, bytes((number, 0, 0, 0)) + inner)
    user = item(0x51, struct.pack(">L", maximum)) + item(0x52, b"1.2.3.4") + user_items
    return pdu(1, body + item(0x50, user))


def element(number: int, value: bytes) -> bytes:
    """One of a command, which is always in Implicit VR Little Endian (PS3.7 6.3.1)."""
    return struct.pack("<HHL", 0, number, len(value)) + value


def command(
    field: int,
    message_id: int,
    *,
    sop_class: str = "",
    instance: str = "",
    has_dataset: bool = False,
    tags: Sequence[int] = (),
) -> bytes:
    requested = field in (N_GET, N_SET)

    def uid(text: str) -> bytes:
        return text.encode() + b"\0" * (len(text) % 2)

    body = b""
    if sop_class:
        body += element(0x0003 if requested else 0x0002, uid(sop_class))
    body += element(0x0100, struct.pack("<H", field))
    body += element(0x0120 if field == C_CANCEL else 0x0110, struct.pack("<H", message_id))
    body += element(0x0800, struct.pack("<H", 1 if has_dataset else 0x0101))
    if instance:
        body += element(0x1001 if requested else 0x1000, uid(instance))
    if tags:
        value = b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)
        body += element(0x1005, value)
    return element(0x0000, struct.pack("<L", len(body))) + body


def value(number: int, data: bytes, *, is_command: bool, is_last: bool = True) -> bytes:
    control = (1 if is_command else 0) | (2 if is_last else 0)
    return struct.pack(">LBB", len(data) + 2, number, control) + data


def message(number: int, commands: bytes, dataset: bytes = b"") -> bytes:
    raw = pdu(4, value(number, commands, is_command=True))
    if dataset:
        raw += pdu(4, value(number, dataset, is_command=False))
    return raw


def find_rq(message_id: int = 1, identifier: bytes = IDENTIFIER, number: int = 1) -> bytes:
    commands = command(C_FIND, message_id, sop_class=WORKLIST, has_dataset=True)
    return message(number, commands, identifier)


def echo_rq(message_id: int = 1, number: int = 1) -> bytes:
    return message(number, command(C_ECHO, message_id, sop_class=VERIFICATION))


def cancel_rq(message_id: int, number: int = 1) -> bytes:
    return message(number, command(C_CANCEL, message_id))


class Response:
    """A DIMSE response as the peer sees it."""

    def __init__(self, raw_command: bytes) -> None:
        self.fields: dict[int, bytes] = {}
        self.dataset = b""
        pos = 0
        while pos < len(raw_command):
            group, element, length = struct.unpack_from("<HHL", raw_command, pos)
            assert group == 0
            self.fields[element] = raw_command[pos + 8 : pos + 8 + length]
            pos += 8 + length
        assert list(self.fields) == sorted(self.fields)
        assert struct.unpack("<L", self.fields[0])[0] == len(raw_command) - 12

    def number(self, element: int) -> int:
        found: int = struct.unpack("<H", self.fields[element])[0]
        return found

    @property
    def status(self) -> int:
        return self.number(0x0900)

    @property
    def message_id(self) -> int:
        return self.number(0x0120)

    @property
    def has_dataset(self) -> bool:
        return self.number(0x0800) != 0x0101

    @property
    def comment(self) -> str:
        return self.fields.get(0x0902, b"").decode().strip()


class Peer:
    """A connection to the listener; every read has a deadline."""

    def __init__(self, port: int, *, seconds: float = 5.0, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(seconds)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def associate(self, *contexts: Context, **options: object) -> bytes:
        """Send a request, expect to be accepted, return the A-ASSOCIATE-AC."""
        self.send(associate_rq(*contexts, **options))  # type: ignore[arg-type]
        kind, raw = self.read()
        assert kind == 2, f"PDU type {kind} {raw.hex()}"
        return raw

    def read(self) -> tuple[int, bytes]:
        """The next PDU; type 0 if the connection was closed or reset."""
        while len(self.buffer) < 6 or len(self.buffer) < self._length():
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionError:
                part = b""
            if not part:
                return 0, self.buffer
            self.buffer += part
        end = self._length()
        raw, self.buffer = self.buffer[:end], self.buffer[end:]
        return raw[0], raw

    def _length(self) -> int:
        return 6 + int(struct.unpack_from(">L", self.buffer, 2)[0])

    def responses(self) -> Iterator[Response]:
        """Responses with their datasets, as long as the peer asks."""
        current: Response | None = None
        parts: list[bytes] = []
        while True:
            kind, raw = self.read()
            assert kind == 4, f"PDU type {kind} {raw.hex()}"
            pos = 6
            while pos < len(raw):
                length, _, control = struct.unpack_from(">LBB", raw, pos)
                parts.append(raw[pos + 6 : pos + 4 + length])
                pos += 4 + length
                if not control & 2:
                    continue
                whole, parts = b"".join(parts), []
                if control & 1:
                    current = Response(whole)
                    if current.has_dataset:
                        continue
                else:
                    assert current is not None
                    current.dataset = whole
                assert current is not None
                yield current

    def response(self) -> Response:
        return next(self.responses())

    def answer(self) -> tuple[list[bytes], Response]:
        """All identifiers of a C-FIND and its final response."""
        rows: list[bytes] = []
        for response in self.responses():
            if response.status not in (0xFF00, 0xFF01):
                return rows, response
            rows.append(response.dataset)
        raise AssertionError

    def is_closed(self) -> bool:
        """Whether the connection ends now; whatever arrives before is skipped."""
        while True:
            kind, _ = self.read()
            if kind == 0:
                return True


@contextmanager
def associated(port: int, *abstract: str, maximum: int = 16_384) -> Iterator[Peer]:
    """A peer with one context per abstract syntax: 1, 3, 5 …"""
    with Peer(port) as peer:
        contexts = [context(2 * place + 1, uid) for place, uid in enumerate(abstract)]
        peer.associate(*contexts, maximum=maximum)
        yield peer


def aborted(peer: Peer) -> tuple[int, int]:
    """Source and reason of the A-ABORT that comes next; then the connection must end."""
    kind, raw = peer.read()
    assert kind == 7, f"PDU type {kind}"
    assert peer.is_closed()
    return raw[8], raw[9]


def serves(port: int) -> bool:
    """Whether another peer gets an echo."""
    with associated(port, VERIFICATION) as peer:
        peer.send(echo_rq())
        return peer.response().status == 0x0000


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until the condition holds; fails after that many seconds."""
    wait_until(lambda: bool(condition()), "the condition", seconds)
