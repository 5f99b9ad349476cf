"""Damaged messages: whatever arrives is translated or refused, never a crash (spec B10)."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from integration.hl7.commands import messages_of
from integration.hl7.er7 import Header, Message
from integration.hl7.routes import ROUTES
from ris.domain.errors import RisError
from tests.integration.hl7.messages import profile

ROOT = Path(__file__).resolve().parents[3]
WHOLE = [
    next(messages_of(path.read_bytes()))
    for path in sorted((ROOT / "fixtures" / "hl7").glob("*/*/in.hl7"))
]
# What stands between values, what deletes, what is no text, and what has meaning somewhere.
PIECES = [
    b"|",
    b"^",
    b"~",
    b"&",
    b"\\",
    b'""',
    b"\r",
    b"\x00",
    b"\xff",
    b"CA",
    b"XO",
    b"2029",
    b"9" * 40,
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(raw)))
        match draw(st.sampled_from(["insert", "drop", "cut", "swap"])):
            case "insert":
                raw[at:at] = draw(st.sampled_from(PIECES))
            case "drop":
                del raw[at : at + draw(st.integers(1, 30))]
            case "cut":
                del raw[max(at, 40) :]
            case "swap":
                other = bytes(draw(st.sampled_from(WHOLE)))
                raw[at : at + 60] = other[at : at + 60]
    return bytes(raw)


def translate(raw: bytes) -> None:
    header = Header.read(raw)
    if header is None:
        return
    try:
        message = Message.from_bytes(raw, default_charset="UNICODE UTF-8")
        route = ROUTES.get((message.header.code, message.header.trigger))
        if route is not None:
            for request in route.translate(message, profile()):
                # A requisition (PA) is no order; its children are. A refusal asks for nothing.
                assert request.commands or request.refusal or request.control == "PA"
    except RisError:
        return  # told to the sender


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_a_damaged_message_is_translated_or_refused(raw: bytes) -> None:
    translate(raw)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(WHOLE), st.integers(1, 5_000))
def test_a_message_that_ends_early_is_translated_or_refused(raw: bytes, length: int) -> None:
    translate(raw[:length])
