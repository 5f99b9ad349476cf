"""What is fuzzed of the HL7 edge: frames, the reader and its tables, the translators.

No database: what a message asks for is worked out, not done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from integration.hl7 import acks, batch, continuation, folder, schema
from integration.hl7.er7 import Header, Message
from integration.hl7.mllp import Decoder, FrameTooLongError, NoFrameError, encode
from integration.hl7.routes import ROUTES
from ris.domain.errors import InvalidValueError, RisError
from tests.integration.hl7.messages import profile

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 16_384
_AT = datetime(2029, 3, 10, 9, tzinfo=UTC)
# Translators that look nothing up.
_WITHOUT_DATABASE = ("ORM", "OMG", "OMI", "ADT")

# What stands between values, what deletes, what is no text, and what has meaning somewhere.
WORDS = (
    b"|", b"^", b"~", b"&", b"\\", b"\r", b"\n", b'""', b"\x00", b"\xff", b"\x0b", b"\x1c\x0d",
    b"\x1c", b"MSH|^~\\&|", b"DSC|P1|F\r", b"ADD|", b"BHS|^~\\&|\r", b"BTS|1\r", b"FHS|", b"FTS|9",
    b"\\X0D\\", b"\\.br\\", b"\\E\\", b"\\Z1\\", b"UNICODE UTF-8", b"ISO IR87", b"~ISO IR159",
    b"8859/1", b"GB 18030-2000", b"\x1b$B", b"\x1b(B", b"\x1b(J", b"\xef\xbb\xbf", b"\xfe\xff",
    b"CA", b"XO", b"NW", b"2.5.1", b"2.8", b"20291332", b"2029", b"+9999", b"99999999999999999999",
    b"ORC|NW", b"OBR|", b"PID|", b"MRG|", b"ZDS|",
)  # fmt: skip


def frames(raw: bytes) -> str:
    """The bytes of a connection; the first one says in pieces of what size they arrive."""
    size = (raw[0] if raw else 0) * 7 or len(raw) or 1
    decoder = Decoder(LIMIT)
    found: list[bytes] = []
    try:
        for start in range(1, len(raw), size):
            found += decoder.feed(raw[start : start + size])
        rest = decoder.flush()
        found += [rest] if rest else []
    except FrameTooLongError as error:
        acks.acknowledge_raw(error.head, error)
        return "too long"
    except NoFrameError:
        return "no frames"
    if any(len(frame) > LIMIT for frame in found):
        raise AssertionError("a frame beyond the limit was handed out")
    answered = [_answer(frame) for frame in found]
    return "answered" if any(answered) else "silent"


def _answer(frame: bytes) -> bool:
    """What a crash over this frame would be answered by; it must be an answer, and a frame."""
    answer = acks.crashed(frame, "reference")
    if answer is None:
        return False
    try:
        encode(answer)
    except InvalidValueError:
        return False  # it echoes a framing character: the connection is closed
    if b"MSA" not in answer:
        raise AssertionError("no acknowledgement")
    return True


def message(raw: bytes) -> str:
    """A message as the reader, its tables, the batch and the parts see it."""
    header = Header.read(raw)
    apart = batch.take_apart(raw)
    folder._FOR_NOW.search(raw)
    batch.answer(apart, [[] for _ in apart.groups], control_id="1", at=_AT)
    try:
        if header is not None:
            part = continuation.part_of(raw, header)
            continuation.join([raw, raw] if part.previous else [raw])
        read = Message.from_bytes(raw, default_charset="UNICODE UTF-8")
        for segment in read.segments():
            for number in range(1, min(len(segment.fields), 60)):
                segment.get(f"{number}")
                segment.text(f"{number}")
                for repeat in segment.repeats(f"{number}")[:5]:
                    repeat.get(2, 2)
        faults = schema.check(read)
    except RisError as error:
        return _refused(header, error)
    if faults and header is not None:
        acks.acknowledge(header, faults[0])
        return "read, with faults"
    return "read"


def order(raw: bytes) -> str:
    """A message as its translator takes it."""
    header = Header.read(raw)
    if header is None:
        return "no header"
    try:
        read = Message.from_bytes(raw, default_charset="UNICODE UTF-8")
        route = ROUTES.get((read.header.code, read.header.trigger))
        if route is None or read.header.code not in _WITHOUT_DATABASE:
            return "not served"
        requests = route.translate(read, profile())
    except RisError as error:
        return _refused(header, error)
    # A requisition (PA) is no order; its children are.
    if not all(request.commands or request.control == "PA" for request in requests):
        raise AssertionError("a request for nothing")
    return "translated"


def _refused(header: Header | None, error: RisError) -> str:
    """The refusal can be put into an answer."""
    if header is not None:
        acks.acknowledge(header, error)
    return f"refused {error.code.value}"


def _accepted(*codes: str) -> list[bytes]:
    """The golden messages that are accepted, of these kinds."""
    found = []
    for path in sorted((ROOT / "fixtures" / "hl7").glob("*/*/in.hl7")):
        raw = path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r")
        header = Header.read(raw)
        reply = path.with_name("reply.hl7")
        if header is None or not reply.exists() or b"MSA|AA" not in reply.read_bytes():
            continue
        if not codes or header.code in codes:
            found.append(raw)
    return found


def streams() -> list[bytes]:
    return [bytes((size,)) + encode(raw) for raw in _accepted() for size in (0, 1, 30)]


TARGETS: Mapping[str, Callable[[bytes], str]] = {
    "hl7_frames": frames,
    "hl7_message": message,
    "hl7_order": order,
}
SEEDS: Mapping[str, Callable[[], list[bytes]]] = {
    "hl7_frames": streams,
    "hl7_message": _accepted,
    "hl7_order": lambda: _accepted(*_WITHOUT_DATABASE),
}
