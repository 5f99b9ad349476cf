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
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from integration.hl7.conversation import CLOSE_SECONDS, READ, Conversation
from integration.hl7.handling import Handling
from integration.hl7.listening import ListenerConfig as ListenerConfig
from integration.hl7.peer import Commit as Commit
from integration.hl7.peer import Handle as Handle
from integration.hl7.peer import Peer as Peer
from integration.hl7.peer import Refused as Refused
from integration.hl7.peer import Reply as Reply
from integration.hl7.tls import peer_certificate, tls_files, why_refused
from ris.server_tls import TlsFiles

log = structlog.get_logger(__name__)

_BACKLOG = 512
_REFUSAL_LOG_SECONDS = 10.0
_ACCEPT_PAUSE_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_SEND_BUFFER = 64 * 1024


@dataclass(slots=True, eq=False)
class _Connection:
    sock: socket.socket
    address: str
    number: int
    task: asyncio.Task[None] | None = None
    conversation: Conversation | None = None

    @property
    def busy(self) -> bool:
        """A message is with its handler, or its answer is being written."""
        return self.conversation is not None and self.conversation.busy


class Listener:
    """Listening sockets and their connections, within one running event loop."""

    def __init__(
        self, config: ListenerConfig, handle: Handle, refused: Refused | None = None
    ) -> None:
        self.config = config
        self._handle = handle
        self._note_refused = refused
        self._sockets: list[socket.socket] = []
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._per_address: Counter[str] = Counter()
        self._numbers = 0
        self._stopping = False
        self._handling: Handling | None = None
        self._room = asyncio.Semaphore(config.large_frames)
        self._tls: TlsFiles | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._refused = 0
        self._refusals_told_at = float("-inf")
        self.port = 0
        self.tls_port: int | None = None

    async def start(self) -> None:
        """Listen; raises OSError or ssl.SSLError if a port or a certificate cannot be used."""
        config = self.config
        self._tls = tls_files(config.tls) if config.tls else None
        try:
            plain = await self._listen(config.port)
            secure = await self._listen(config.tls_port or 0) if self._tls else []
        except OSError:
            self._close_sockets()
            raise
        self.port = plain[0].getsockname()[1]
        self.tls_port = secure[0].getsockname()[1] if secure else None
        self._handling = Handling(self._handle, config.threads)
        for listening in plain:
            self._watch(listening, secured=False)
        for listening in secure:
            self._watch(listening, secured=True)
        self._look_at_files()

    async def stop(self) -> None:
        """Accept nothing more, finish and answer what has begun, close the rest."""
        self._stopping = True
        self._close_sockets()
        if self._looking is not None:
            self._looking.cancel()
        for connection in self._connections:
            if connection.conversation is not None:
                connection.conversation.stopping = True
            # What has not been handled has not been acknowledged: its sender sends it again.
            if not connection.busy and connection.task is not None:
                connection.task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self.config.drain_seconds)
            for task in late:
                task.cancel()
            if late:
                log.warning("connections cut at the stop", count=len(late))
                await asyncio.wait(late, timeout=CLOSE_SECONDS)
        for connection in list(self._connections):
            # Its task was canceled before its first step, so nothing of it ever ran.
            self._forget(connection)
            connection.sock.close()
        if self._handling is not None:
            await asyncio.to_thread(self._handling.close, CLOSE_SECONDS)

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

    def _look_at_files(self) -> None:
        """Take new certificates for new connections; those that are open keep theirs."""
        if self._tls is None:
            return
        loop = asyncio.get_running_loop()
        self._tls.look(loop.time())
        self._looking = loop.call_later(_LOOK_SECONDS, self._look_at_files)

    def _watch(self, listening: socket.socket, *, secured: bool) -> None:
        # A callback and no task: what is accepted has an owner at once, even if the stop comes now.
        asyncio.get_running_loop().add_reader(listening, self._accept, listening, secured)

    def _accept(self, listening: socket.socket, secured: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            sock, name = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            # Out of descriptors: others must still get in, a little later.
            log.warning("accepting failed", error=errno.errorcode.get(error.errno or 0, ""))
            loop.remove_reader(listening)
            loop.call_later(_ACCEPT_PAUSE_SECONDS, self._watch_again, listening, secured)
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
        context = self._tls.context if secured and self._tls is not None else None
        task = loop.create_task(self._serve(connection, int(name[1]), context))
        connection.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _watch_again(self, listening: socket.socket, secured: bool) -> None:
        if not self._stopping:
            self._watch(listening, secured=secured)

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
            try:
                reader, writer = await self._open(connection.sock, context)
            except ssl.SSLError as error:
                reason = self._refuse(connection, error)
                return
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
            assert self._handling is not None  # noqa: S101 - set before anything is accepted
            connection.conversation = Conversation(
                self.config, self._handling, self._room, peer, reader, writer
            )
            reason = await connection.conversation.hold()
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

    def _refuse(self, connection: _Connection, error: ssl.SSLError) -> str:
        """Say why a peer is not let in: it sees no more than a closed connection."""
        reason = why_refused(error)
        log.warning("a TLS handshake failed", peer=connection.address, reason=reason)
        note = self._note_refused
        if note is not None and self._handling is not None:
            self._handling.note(lambda: note(connection.address, reason))
        return "TLS handshake failed"

    async def _open(
        self, sock: socket.socket, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        _set_options(sock)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            sock,
            ssl=context,
            ssl_handshake_timeout=self.config.handshake_seconds if context else None,
            ssl_shutdown_timeout=CLOSE_SECONDS if context else None,
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
            async with asyncio.timeout(CLOSE_SECONDS):
                await writer.wait_closed()
        writer.transport.abort()


def _set_options(sock: socket.socket) -> None:
    """Answers leave at once; a peer that is gone without a word is noticed within a minute."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # The system would hold megabytes of answers for a peer that does not read them.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
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
    refused: Refused | None = None,
) -> None:
    """Listen until ``stopping`` is set, then finish what has begun."""
    listener = Listener(config, handle, refused)
    await listener.start()
    try:
        if ready is not None:
            ready(listener)
        await stopping.wait()
    finally:
        await listener.stop()


@contextmanager
def running(
    config: ListenerConfig, handle: Handle, refused: Refused | None = None
) -> Iterator[Listener]:
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
            loop.run_until_complete(serve(config, handle, stopping, ready, refused))
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
