"""Crafted inputs: each ends in a defined answer, in flat memory and little time (R22)."""

from __future__ import annotations

import select
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.swarm.clients import Listener, honest, is_ended, listener, long_pdu
from tests.wire.dicom_peer import (
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    WORKLIST,
    Peer,
    aborted,
    associate_rq,
    command,
    context,
    find_rq,
    item,
    pdu,
    value,
)

pytestmark = pytest.mark.wire

C_FIND = 0x0020
MOST_MEMORY = 20.0  # MiB
MOST_CPU = 0.05 + 0.03  # seconds; the kernel tells hundredths, and the association counts too


@pytest.fixture(scope="module")
def server() -> Iterator[Listener]:
    with listener() as made:
        for _ in range(5):
            honest(made.port)
        yield made


def nested(levels: int, *, explicit: bool) -> bytes:
    """Sequences within sequences, of defined length as far as 32 bits go."""
    raw = b""
    for _ in range(levels):
        inner = b"\xfe\xff\x00\xe0" + struct.pack("<L", len(raw)) + raw
        head = b"\x40\x00\x00\x01"
        head += b"SQ\0\0" if explicit else b""
        raw = head + struct.pack("<L", len(inner)) + inner
    return raw


def opened(levels: int, *, explicit: bool) -> bytes:
    """The same of undefined length, never closed."""
    head = b"\x40\x00\x00\x01" + (b"SQ\0\0" if explicit else b"") + b"\xff\xff\xff\xff"
    return (head + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * levels


def many_elements(count: int) -> bytes:
    return b"".join(
        struct.pack("<HHL", 0x0009, 0x1000 + number % 0xEFFF, 0) for number in range(count)
    )


def many_values(count: int) -> bytes:
    text = b"\\" * count
    return b"\x20\x00\x0d\x00" + struct.pack("<L", len(text)) + text


def bomb() -> bytes:
    """A megabyte that would inflate to a gigabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b"\0" * (1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(64)) + packer.flush()
    return packed[: 1 << 20]


def refused(identifier: bytes, syntax: str, server: Listener) -> None:
    """The query is answered A900 and the association lives on."""
    with Peer(server.port) as peer:
        peer.associate(context(1, WORKLIST, syntax))
        # In pieces as a real client sends them.
        peer.send(pdu(4, value(1, _find(), is_command=True)))
        for start in range(0, len(identifier), 65_536):
            part = identifier[start : start + 65_536]
            last = start + 65_536 >= len(identifier)
            peer.send(pdu(4, value(1, part, is_command=False, is_last=last)))
        assert peer.response().status == 0xA900
        peer.send(find_rq())
        assert peer.answer()[1].status in {0x0000, 0xA900}


def _find() -> bytes:
    return command(C_FIND, 1, sop_class=WORKLIST, has_dataset=True)


def takes(peer: Peer, raw: bytes, *, times: int) -> bool:
    """Whether the listener goes on reading until the end."""
    try:
        for _ in range(times):
            peer.send(raw)
    except ConnectionError:
        return False
    return True


def announced(kind: int) -> Callable[[Listener], None]:
    """A gigabyte is announced, and as much of it as is taken is sent."""

    def run(server: Listener) -> None:
        with Peer(server.port) as peer:
            if kind == 4:
                peer.associate(context(1, WORKLIST))
            peer.send(long_pdu(kind, 1 << 30))
            assert not takes(peer, b"X" * (1 << 20), times=1_024)

    return run


def identifier_without_end(server: Listener) -> None:
    with Peer(server.port) as peer:
        peer.associate(context(1, WORKLIST))
        peer.send(pdu(4, value(1, _find(), is_command=True)))
        part = pdu(4, value(1, b"X" * 65_536, is_command=False, is_last=False))
        assert not takes(peer, part, times=3_200)


def command_without_end(server: Listener) -> None:
    with Peer(server.port) as peer:
        peer.associate(context(1, WORKLIST))
        part = pdu(4, value(1, b"X" * 16_384, is_command=True, is_last=False))
        assert not takes(peer, part, times=3_200)


def deflated(server: Listener) -> None:
    """The context is refused, so the bomb has nowhere to go; over another it is noise."""
    with Peer(server.port) as peer:
        answer = peer.associate(context(1, WORKLIST, DEFLATED), context(3, WORKLIST, EXPLICIT))
        at = answer.index(b"\x21\x00")
        assert answer[at + 4 : at + 7] == b"\x01\x00\x04"
        peer.send(pdu(4, value(1, b"\0\0", is_command=True)))
        assert aborted(peer) == (2, 6)
    refused(bomb(), EXPLICIT, server)


def proposals(server: Listener) -> None:
    """As many transfer syntaxes as fit a request."""
    syntaxes = b"".join(item(0x40, b"1.2.3.4.%d" % number) for number in range(3_000))
    inner = item(0x30, WORKLIST.encode()) + syntaxes
    raw = bytearray(associate_rq(context(1, WORKLIST)))
    raw += item(0x20, bytes((3, 0, 0, 0)) + inner)
    raw[2:6] = struct.pack(">L", len(raw) - 6)
    with Peer(server.port) as peer:
        peer.send(bytes(raw))
        assert aborted(peer) == (2, 6)


def tiny_pdus(server: Listener) -> None:
    """A message in pieces of one byte."""
    with Peer(server.port) as peer:
        peer.associate(context(1, WORKLIST))
        raw = _find()
        peer.send(
            b"".join(
                pdu(4, value(1, raw[at : at + 1], is_command=True, is_last=at + 1 == len(raw)))
                for at in range(len(raw))
            )
        )
        peer.send(pdu(4, value(1, b"\x08\0\x60\0\x02\0\0\0CT", is_command=False)))
        assert peer.answer()[1].status == 0x0000


INPUTS: dict[str, Callable[[Listener], None]] = {
    "a gigabyte announced before the association": announced(1),
    "a gigabyte announced within it": announced(4),
    "an identifier without end": identifier_without_end,
    "a command set without end": command_without_end,
    "10,000 nested sequences, implicit": lambda server: refused(
        nested(10_000, explicit=False), IMPLICIT, server
    ),
    "10,000 nested sequences, explicit": lambda server: refused(
        nested(10_000, explicit=True), EXPLICIT, server
    ),
    "10,000 open sequences, implicit": lambda server: refused(
        opened(10_000, explicit=False), IMPLICIT, server
    ),
    "10,000 open sequences, explicit": lambda server: refused(
        opened(10_000, explicit=True), EXPLICIT, server
    ),
    "120,000 elements": lambda server: refused(many_elements(120_000), IMPLICIT, server),
    "a million values": lambda server: refused(many_values(1_000_000), IMPLICIT, server),
    "a deflate bomb": deflated,
    "3,000 transfer syntaxes": proposals,
    "pieces of one byte": tiny_pdus,
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_crafted_input_is_answered_in_flat_memory_and_little_time(
    server: Listener, name: str
) -> None:
    before, cpu = server.memory, server.cpu

    INPUTS[name](server)

    assert server.memory - before <= MOST_MEMORY
    assert server.cpu - cpu <= MOST_CPU
    honest(server.port)


def test_what_follows_a_refusal_is_not_kept(server: Listener) -> None:
    before = server.memory
    with Peer(server.port) as peer:
        peer.send(long_pdu(0x55, 10))
        assert is_ended(peer.socket)
    assert server.memory - before <= 1


def test_many_large_messages_at_once_stay_within_one_budget() -> None:
    """Each within its own limit; the small ones of others are taken all the while."""
    with (
        listener(limits={"held_bytes": 4 << 20, "associations_per_ae_title": 64}) as server,
        ExitStack() as stack,
    ):
        honest(server.port)
        before = server.memory
        ended = 0
        for number in range(40):
            peer = stack.enter_context(Peer(server.port))
            peer.associate(context(1, WORKLIST), calling=f"BIG{number}")
            peer.send(pdu(4, value(1, _find(), is_command=True)))
            part = pdu(4, value(1, b"X" * 65_536, is_command=False, is_last=False))
            takes(peer, part, times=14)
            honest(server.port)
            readable, _, _ = select.select([peer.socket], [], [], 0.1)
            ended += bool(readable) and peer.read()[0] == 7

        assert ended >= 30
        # The budget, and nothing of those that were ended.
        assert server.memory - before <= 10
        stack.close()
        honest(server.port)
