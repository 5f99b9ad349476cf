"""The listener's own transport does what asyncio's does, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from worklist.transport import Acceptor, SocketTransport

_DEADLINE = 10.0


class Heard(asyncio.Protocol):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.data = b""
        self.events: list[str] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.fails = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.fails:
            raise ValueError("a fault of ours")
        self.data += data

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_DEADLINE):
        while not holds():
            await asyncio.sleep(0.001)


def run(scene: Callable[[Heard, socket.socket], Awaitable[None]]) -> None:
    """With one accepted connection and its peer."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        accepted: list[Heard] = []

        def protocol() -> Heard:
            accepted.append(Heard())
            return accepted[-1]

        acceptor = Acceptor(loop, listening, protocol)
        peer = socket.create_connection(listening.getsockname())
        try:
            await until(lambda: bool(accepted and accepted[0].transport))
            await scene(accepted[0], peer)
        finally:
            peer.close()
            acceptor.close()

    asyncio.run(play())


def test_what_a_peer_sends_is_heard_and_answered() -> None:
    async def scene(heard: Heard, peer: socket.socket) -> None:
        peer.sendall(b"question")
        await until(lambda: heard.data == b"question")
        heard.transport.write(b"answer")

        assert peer.recv(100) == b"answer"
        assert heard.transport.get_extra_info("peername") == peer.getsockname()

    run(scene)


def test_a_peer_that_does_not_read_pauses_the_writer() -> None:
    async def scene(heard: Heard, peer: socket.socket) -> None:
        size = 8 * 1024 * 1024
        heard.transport.set_write_buffer_limits(high=64 * 1024)
        heard.transport.write(b"x" * size)
        assert heard.events == ["pause"]
        waiting = heard.transport.get_write_buffer_size()
        heard.transport.write(b"y")
        assert heard.transport.get_write_buffer_size() == waiting + 1
        assert waiting > 64 * 1024

        peer.setblocking(False)
        received = 0
        loop = asyncio.get_running_loop()
        while received <= size:
            received += len(await loop.sock_recv(peer, 1 << 20))

        await until(lambda: heard.events == ["pause", "resume"])
        assert heard.transport.get_write_buffer_size() == 0

    run(scene)


def test_closing_waits_for_what_is_unsent() -> None:
    async def scene(heard: Heard, peer: socket.socket) -> None:
        size = 2 * 1024 * 1024
        heard.transport.write(b"x" * size)
        heard.transport.close()
        assert heard.transport.is_closing()
        assert not heard.lost.done()

        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        received = 0
        while part := await loop.sock_recv(peer, 1 << 20):
            received += len(part)

        assert received == size
        assert await asyncio.wait_for(heard.lost, _DEADLINE) is None

    run(scene)


def test_an_abort_drops_what_is_unsent() -> None:
    async def scene(heard: Heard, peer: socket.socket) -> None:
        heard.transport.write(b"x" * (8 * 1024 * 1024))
        heard.transport.abort()
        heard.transport.write(b"too late")

        assert heard.transport.get_write_buffer_size() == 0
        assert await asyncio.wait_for(heard.lost, _DEADLINE) is None

    run(scene)


def test_the_end_of_the_peer_ends_the_connection() -> None:
    async def scene(heard: Heard, peer: socket.socket) -> None:
        peer.close()

        assert await asyncio.wait_for(heard.lost, _DEADLINE) is None

    run(scene)


def test_a_reset_is_told() -> None:
    async def scene(heard: Heard, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()

        error = await asyncio.wait_for(heard.lost, _DEADLINE)
        assert isinstance(error, ConnectionResetError)

    run(scene)


def test_a_fault_ends_this_connection_only() -> None:
    async def scene(heard: Heard, peer: socket.socket) -> None:
        heard.fails = True
        peer.sendall(b"anything")

        assert isinstance(await asyncio.wait_for(heard.lost, _DEADLINE), ValueError)
        assert peer.recv(100) == b""

    run(scene)


def test_a_protocol_may_refuse_at_once() -> None:
    class Refusing(Heard):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.abort()

    async def play() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        refusing = Refusing()
        SocketTransport(asyncio.get_running_loop(), ours, None, refusing)

        assert await asyncio.wait_for(refusing.lost, _DEADLINE) is None
        assert theirs.recv(100) == b""
        theirs.close()

    asyncio.run(play())
