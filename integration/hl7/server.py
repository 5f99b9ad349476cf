"""The MLLP listener: an asyncio shell around a synchronous handler (ADR sync core, spec 1.4).

Connections cost no thread; messages of one connection are handled one after the other, those of
different connections at once in a fixed number of long-lived threads. What a peer can hold on to
is limited: connections in all and per address, the size of a message and the time it may take to
arrive, the time to read our answer. A handler that fails is answered for: AE, 207, a reference.

The handler gets the message without its frame and answers with the reply's bytes, or None to close
the connection without a word. It has committed whatever it acknowledges before it returns.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from integration.hl7 import acks, mllp
from integration.hl7.mllp import Decoder, FrameTooLongError, NoFrameError
from integration.hl7.threads import Threads
from integration.hl7.tls import PeerCertificate, ServerTls, peer_certificate, server_context
from ris.domain.errors import InvalidValueError

log = structlog.get_logger(__name__)

_READ = 65_536
_BACKLOG = 512
_CLOSE_SECONDS = 1.0
_REFUSAL_LOG_SECONDS = 10.0
_ACCEPT_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerConfig:
    """Where to listen and what to allow; port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = 2575
    tls_port: int | None = None
    tls: ServerTls | None = None
    threads: int = 8
    connections: int = 256
    connections_per_address: int = 64
    frame_bytes: int = mllp.MAX_FRAME
    frame_seconds: float = 10.0
    idle_seconds: float = 3600.0
    handshake_seconds: float = 5.0
    write_seconds: float = 30.0
    drain_seconds: float = 10.0
    release_2: bool = False  # a COMMIT before each answer: it was stored safely


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a message; ``connection`` numbers the connections since the start."""

    address: str
    port: int
    local_port: int
    connection: int
    tls: bool = False
    certificate: PeerCertificate | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose sender wants to know whether it could be written.

    ``sent`` is called in a handler thread, after the write, with whether it succeeded.
    """

    payload: bytes
    sent: Callable[[bool], None]


Handle = Callable[[bytes, Peer], "bytes | Reply | None"]


@dataclass(slots=True, eq=False)
class _Connection:
    sock: socket.socket
    address: str
    number: int
    task: asyncio.Task[None] | None = None
    busy: bool = False  # a message is with its handler, or its answer is being written


class Listener:
    """Listening sockets and their connections, within one running event loop."""

    def __init__(self, config: ListenerConfig, handle: Handle) -> None:
        self.config = config
        self._handle = handle
        self._sockets: list[socket.socket] = []
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._per_address: Counter[str] = Counter()
        self._numbers = 0
        self._stopping = False
        self._threads: Threads | None = None
        self._refused = 0
        self._refusals_told_at = float("-inf")
        self.port = 0
        self.tls_port: int | None = None

    async def start(self) -> None:
        """Listen; raises OSError or ssl.SSLError if a port or a certificate cannot be used."""
        config = self.config
        context = server_context(config.tls) if config.tls else None
        try:
            plain = await self._listen(config.port)
            secure = await self._listen(config.tls_port or 0) if context else []
        except OSError:
            self._close_sockets()
            raise
        self.port = plain[0].getsockname()[1]
        self.tls_port = secure[0].getsockname()[1] if secure else None
        self._threads = Threads(config.threads)
        for listening in plain:
            self._watch(listening, None)
        for listening in secure:
            self._watch(listening, context)

    async def stop(self) -> None:
        """Accept nothing more, finish and answer what has begun, close the rest."""
        self._stopping = True
        self._close_sockets()
        for connection in self._connections:
            # What has not been handled has not been acknowledged: its sender sends it again.
            if not connection.busy and connection.task is not None:
                connection.task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self.config.drain_seconds)
            for task in late:
                task.cancel()
            if late:
                log.warning("connections cut at the stop", count=len(late))
                await asyncio.wait(late, timeout=_CLOSE_SECONDS)
        for connection in list(self._connections):
            # Its task was canceled before its first step, so nothing of it ever ran.
            self._forget(connection)
            connection.sock.close()
        if self._threads is not None:
            await asyncio.to_thread(self._threads.close, _CLOSE_SECONDS)

    @property
    def connections(self) -> int:
        """Open connections, those within their TLS handshake included."""
        return len(self._connections)

    # --- accepting

    async def _listen(self, port: int) -> list[socket.socket]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            self.config.host or None,
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        unique = {(family, address) for family, _, _, _, address in found}
        opened = []
        for family, address in sorted(unique)[: None if port else 1]:
            listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
            listening.setblocking(False)
            self._sockets.append(listening)
            opened.append(listening)
        return opened

    def _close_sockets(self) -> None:
        loop = asyncio.get_running_loop()
        for listening in self._sockets:
            loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()

    def _watch(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        # A callback and no task: what is accepted has an owner at once, even if the stop comes now.
        asyncio.get_running_loop().add_reader(listening, self._accept, listening, context)

    def _accept(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            sock, name = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            # Out of descriptors: others must still get in, a little later.
            log.warning("accepting failed", error=errno.errorcode.get(error.errno or 0, ""))
            loop.remove_reader(listening)
            loop.call_later(_ACCEPT_PAUSE_SECONDS, self._watch_again, listening, context)
            return
        sock.setblocking(False)
        address = str(name[0])
        if self._is_full(address):
            sock.close()
            return
        self._numbers += 1
        connection = _Connection(sock, address, self._numbers)
        self._connections.add(connection)
        self._per_address[address] += 1
        task = loop.create_task(self._serve(connection, int(name[1]), context))
        connection.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _watch_again(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        if not self._stopping:
            self._watch(listening, context)

    def _forget(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self._per_address[connection.address] -= 1
        if not self._per_address[connection.address]:
            del self._per_address[connection.address]

    def _is_full(self, address: str) -> bool:
        config = self.config
        if len(self._connections) < config.connections:
            if self._per_address[address] < config.connections_per_address:
                return False
            limit = "per address"
        else:
            limit = "in all"
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._refusals_told_at > _REFUSAL_LOG_SECONDS:
            log.warning("connections refused", limit=limit, peer=address, count=self._refused)
            self._refused, self._refusals_told_at = 0, now
        return True

    # --- one connection

    async def _serve(
        self, connection: _Connection, port: int, context: ssl.SSLContext | None
    ) -> None:
        writer: asyncio.StreamWriter | None = None
        reason = "closed by the peer"
        try:
            reader, writer = await self._open(connection.sock, context)
            certificate = peer_certificate(writer.get_extra_info("ssl_object"))
            local_port = int(writer.get_extra_info("sockname")[1])
            peer = Peer(
                connection.address,
                port,
                local_port,
                connection.number,
                context is not None,
                certificate,
            )
            reason = await self._converse(connection, peer, reader, writer)
        except asyncio.CancelledError:
            reason = "listener stopped"
        except (OSError, EOFError) as error:  # TimeoutError and ssl.SSLError among them
            reason = type(error).__name__
        except Exception:
            log.exception("an MLLP connection failed", connection=connection.number)
        finally:
            self._forget(connection)
            log.info(
                "MLLP connection closed",
                connection=connection.number,
                peer=connection.address,
                reason=reason,
            )
            await self._close(connection, writer)

    async def _open(
        self, sock: socket.socket, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        _set_options(sock)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_READ, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            sock,
            ssl=context,
            ssl_handshake_timeout=self.config.handshake_seconds if context else None,
            ssl_shutdown_timeout=_CLOSE_SECONDS if context else None,
        )
        # No answer is held back in a buffer: written means handed to the system. (Not 0: the
        # transport of TLS would then pause even when empty, and never go on.)
        transport.set_write_buffer_limits(high=1, low=0)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _close(self, connection: _Connection, writer: asyncio.StreamWriter | None) -> None:
        if writer is None:
            connection.sock.close()
            return
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await writer.wait_closed()
        writer.transport.abort()

    async def _converse(
        self,
        connection: _Connection,
        peer: Peer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> str:
        """Read, handle, answer, until one side ends it; returns why."""
        config = self.config
        loop = asyncio.get_running_loop()
        decoder = Decoder(config.frame_bytes)
        deadline = 0.0
        while True:
            was_begun = decoder.begun
            wait = deadline - loop.time() if was_begun else config.idle_seconds
            last = False
            data = b""
            try:
                if wait <= 0:
                    raise TimeoutError  # a steady trickle must not outlast its time either
                async with asyncio.timeout(wait):
                    data = await reader.read(_READ)
            except TimeoutError:
                if not was_begun:
                    return "idle"
                last = True
            noise = decoder.noise
            try:
                if data:
                    frames = decoder.feed(data)
                else:
                    # The peer waits, or has sent all it will: take a frame that only lacks its CR.
                    rest = decoder.flush()
                    frames = [rest] if rest else []
                    if not frames:
                        return _ended_because(last, decoder)
                answered = bool(frames)
                while frames:
                    for frame in frames:
                        if not await self._answer(connection, frame, peer, writer):
                            return "ended by the handler or the peer"
                        if self._stopping:
                            return "listener stopped"
                    frames = decoder.feed(b"")
            except FrameTooLongError as error:
                await self._refuse(error, peer, reader, writer)
                return "message too long"
            except NoFrameError:
                return "not MLLP"
            if decoder.noise > noise:
                log.warning(
                    "bytes outside of any message",
                    connection=peer.connection,
                    count=decoder.noise - noise,
                )
            if decoder.begun and (answered or not was_begun):
                deadline = loop.time() + config.frame_seconds

    async def _answer(
        self, connection: _Connection, frame: bytes, peer: Peer, writer: asyncio.StreamWriter
    ) -> bool:
        """Handle one message and write its answer; whether the connection goes on."""
        if frame in (mllp.COMMIT, mllp.NAK):
            return True  # about an answer of ours, which nobody waits for
        connection.busy = True
        try:
            reply = await self._run(frame, peer)
            if reply is None:
                return False
            if isinstance(reply, bytes):
                return await self._write(reply, peer, writer, commit=self.config.release_2)
            written = False
            try:
                written = await self._write(
                    reply.payload, peer, writer, commit=self.config.release_2
                )
            finally:
                self._tell(reply, written)
            return written
        finally:
            connection.busy = False

    async def _run(self, frame: bytes, peer: Peer) -> bytes | Reply | None:
        """The handler's answer, from one of the threads."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes | Reply | None] = loop.create_future()

        def finish(reply: bytes | Reply | None) -> None:
            if not future.done():
                future.set_result(reply)

        def work() -> None:
            try:
                reply = self._handle(frame, peer)
            except BaseException:
                error_id = uuid.uuid4().hex[:12]
                log.exception(
                    "an HL7 message failed", error_id=error_id, connection=peer.connection
                )
                reply = acks.crashed(frame, error_id)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(finish, reply)

        assert self._threads is not None  # noqa: S101 - set before anything is accepted
        self._threads.submit(work)
        return await future

    def _tell(self, reply: Reply, written: bool) -> None:
        def work() -> None:
            try:
                reply.sent(written)
            except BaseException:
                log.exception("noting an answer as sent failed")

        assert self._threads is not None  # noqa: S101 - set before anything is accepted
        self._threads.submit(work)

    async def _write(
        self, payload: bytes, peer: Peer, writer: asyncio.StreamWriter, *, commit: bool
    ) -> bool:
        try:
            data = mllp.encode(payload)
        except InvalidValueError:
            # A framing character in a value that we echo: no answer can carry it.
            log.warning("the answer cannot be framed", connection=peer.connection)
            return False
        if commit:
            data = mllp.encode(mllp.COMMIT) + data
        try:
            writer.write(data)
            async with asyncio.timeout(self.config.write_seconds):
                await writer.drain()
        except OSError as error:  # TimeoutError among them
            log.warning(
                "an answer could not be written",
                connection=peer.connection,
                peer=peer.address,
                error=type(error).__name__,
            )
            writer.transport.abort()
            return False
        return True

    async def _refuse(
        self,
        error: FrameTooLongError,
        peer: Peer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Say what was wrong with a message that is not even read to its end."""
        log.warning("an HL7 message is too long", connection=peer.connection, peer=peer.address)
        reply = acks.acknowledge_raw(error.head, error)
        if reply is None or not await self._write(reply, peer, writer, commit=False):
            return
        # Closing on unread bytes would reset the connection and with it our answer: let the peer
        # come to an end for a moment, keeping nothing of it.
        if writer.can_write_eof():
            writer.write_eof()
        with suppress(OSError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                left = 4 * self.config.frame_bytes
                while left > 0 and (data := await reader.read(_READ)):
                    left -= len(data)


def _ended_because(timed_out: bool, decoder: Decoder) -> str:
    if timed_out:
        return "message not complete in time"
    return "closed by the peer within a message" if decoder.begun else "closed by the peer"


def _set_options(sock: socket.socket) -> None:
    """Answers leave at once; a peer that is gone without a word is noticed within a minute."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 30),
        ("TCP_KEEPINTVL", 10),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 30_000),
    ):
        option = getattr(socket, name, None)  # not every system has them all
        if option is not None:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def serve(
    config: ListenerConfig,
    handle: Handle,
    stopping: asyncio.Event,
    ready: Callable[[Listener], None] | None = None,
) -> None:
    """Listen until ``stopping`` is set, then finish what has begun."""
    listener = Listener(config, handle)
    await listener.start()
    try:
        if ready is not None:
            ready(listener)
        await stopping.wait()
    finally:
        await listener.stop()


@contextmanager
def running(config: ListenerConfig, handle: Handle) -> Iterator[Listener]:
    """A listener in a thread of its own: for tools that also do something else, and for tests."""
    started = threading.Event()
    failure: list[BaseException] = []
    found: list[Listener] = []
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    def ready(listener: Listener) -> None:
        found.append(listener)
        started.set()

    def run() -> None:
        try:
            loop.run_until_complete(serve(config, handle, stopping, ready))
        except BaseException as error:
            failure.append(error)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            started.set()

    thread = threading.Thread(target=run, name="mllp", daemon=True)
    thread.start()
    started.wait()
    if failure:
        thread.join()
        raise failure[0]
    try:
        yield found[0]
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stopping.set)
        thread.join()
