"""The association acceptor: listeners, limits, clock and worker pool around the connections.

One event loop holds all associations, idle ones for free; a bounded pool of long-lived threads
runs what may block. Stock servers spend threads on waiting and can be held by peers that send
half a PDU, never read or announce a gigabyte (docs/adr: asyncio shells around a synchronous core).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Any, Final

import structlog

from ris.counters import Family
from worklist.admission import Gatekeeper
from worklist.association import Connection, plain_address
from worklist.budget import Budget
from worklist.config import ListenerConfig
from worklist.exchange import fault
from worklist.metrics import Metrics
from worklist.negotiation import Negotiator
from worklist.noting import Noting
from worklist.pool import WorkerPool
from worklist.rates import Rates
from worklist.service import LOCAL_LIMIT_EXCEEDED, Admission, Service, ThreadAware
from worklist.serving import Serving
from worklist.tls import TlsFiles, secure
from worklist.transport import Acceptor

log = structlog.get_logger(__name__)

# Sockets beyond the associations: being refused, or lingering until the peer closes. More than
# that are cut off unheard.
_SPARE_SOCKETS: Final = 512
_SPARE_SOCKETS_PER_ADDRESS: Final = 64
_HANDSHAKES_AT_ONCE: Final = 1_024
_LONGEST_TICK: Final = 0.25
_SHORTEST_TICK: Final = 0.01

# A peer that vanished is noticed within a minute: seconds idle, seconds between probes, probes,
# milliseconds for data to be acknowledged. Linux names; elsewhere the system's own times apply.
_KEEP_ALIVE: Final = tuple(
    (getattr(socket, name), value)
    for name, value in (
        ("TCP_KEEPIDLE", 30),
        ("TCP_KEEPINTVL", 10),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 30_000),
    )
    if hasattr(socket, name)
)


class UpperLayer:
    """Accepts associations for one service; lives on one running event loop."""

    def __init__(self, config: ListenerConfig, service: Service) -> None:
        self.config = config
        self.service = service
        self.metrics = Metrics()
        self.budget = Budget(config.limits.held_bytes, config.limits.held_bytes_free)
        self._loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = self._loop.time
        self.gatekeeper = Gatekeeper(service, Negotiator(config), self.metrics.faults)
        on_end = service.thread_ended if isinstance(service, ThreadAware) else None
        self._pool = WorkerPool(config.threads, "dicom", on_end)
        self._connections: set[Connection] = set()
        self._numbers = count(1)
        self._total = 0
        self._by_address: Counter[str] = Counter()
        self._by_ae_title: Counter[str] = Counter()
        self._sockets_by_address: Counter[str] = Counter()
        self._handshakes: Counter[str] = Counter()
        self.owing: set[Serving] = set()
        self._unheard: set[socket.socket] = set()  # accepted, handshake not begun
        self._rates = Rates()
        self._acceptors: list[Acceptor] = []
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._clock: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self.port = 0
        self.tls_port = 0
        self.tls: TlsFiles | None = None

    async def start(self) -> None:
        """Open the listeners; raises OSError if an address is taken or a TLS file is bad."""
        config = self.config
        if config.plain:
            listening = self._listen(config.port)
            self.port = listening.getsockname()[1]
            accept = Acceptor(self._loop, listening, lambda: Connection(self, tls=False))
            self._acceptors.append(accept)
        if config.tls is not None:
            self.tls = TlsFiles(config.tls, time.time)
            listening = self._listen(config.tls.port)
            self.tls_port = listening.getsockname()[1]
            self._sockets.append(listening)
            self.spawn(self._accept_tls(listening, self.tls))
        self._clock = self._loop.create_task(self._watch())

    def _listen(self, port: int) -> socket.socket:
        config = self.config
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        listening = socket.create_server(
            (config.host, port),
            family=family,
            backlog=config.backlog,
            reuse_port=config.reuse_port,
        )
        listening.setblocking(False)
        # Accepted sockets inherit these.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # The kernel would else take megabytes for a peer that reads slowly, and a C-CANCEL would
        # be answered behind all of them.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, config.limits.write_buffer_bytes)
        for option, value in _KEEP_ALIVE:
            listening.setsockopt(socket.IPPROTO_TCP, option, value)
        return listening

    # What connections ask of the layer

    def submit(self, function: Callable[..., None], *arguments: Any) -> bool:
        """Run in the pool; False if the pool has been shut down."""
        return self._pool.submit(function, *arguments)

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """From a pool thread: run on the loop."""
        # The loop may be gone if a handler outlived the drain; its answer has no receiver.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def register(self, connection: Connection) -> bool:
        """Take in a new connection; False if it must be cut off unheard.

        One above a limit is kept until its request is there, to be refused in the protocol's words.
        """
        connection.number = next(self._numbers)
        limits, address = self.config.limits, connection.address
        sockets = limits.associations_per_address + _SPARE_SOCKETS_PER_ADDRESS
        if (
            self._draining
            or len(self._connections) >= limits.associations + _SPARE_SOCKETS
            or self._sockets_by_address[address] >= sockets
        ):
            self.metrics.cut_off["too many connections"] += 1
            return False
        self._connections.add(connection)
        self._sockets_by_address[address] += 1
        self._empty.clear()
        if (
            self._total >= limits.associations
            or self._by_address[address] >= limits.associations_per_address
        ):
            connection.refusal = LOCAL_LIMIT_EXCEEDED
        else:
            self._total += 1
            self._by_address[address] += 1
            connection.is_counted = True
        return True

    def admit(self, connection: Connection, admission: Admission) -> bool:
        """Count an accepted association against its AE title; False if there is no room."""
        ae_title = connection.calling_ae_title
        limit = admission.associations or self.config.limits.associations_per_ae_title
        if self._by_ae_title[ae_title] >= limit:
            return False
        self._rates.allow(ae_title, admission.queries_per_minute)
        self._by_ae_title[ae_title] += 1
        connection.is_admitted = True
        return True

    def may_query(self, ae_title: str) -> bool:
        """Whether this AE title may ask now; counts it."""
        return self._rates.take(ae_title, self.now())

    def leave(self, connection: Connection) -> None:
        """The association has ended, though its connection may linger."""
        if connection.is_admitted:
            connection.is_admitted = False
            _decrement(self._by_ae_title, connection.calling_ae_title)
        if connection.is_counted:
            connection.is_counted = False
            self._total -= 1
            _decrement(self._by_address, connection.address)

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        if connection not in self._connections:
            return
        self.leave(connection)
        self._connections.remove(connection)
        _decrement(self._sockets_by_address, connection.address)
        if not self._connections:
            self._empty.set()

    @property
    def associations(self) -> int:
        """How many associations are established now."""
        return self._by_ae_title.total()

    def families(self) -> list[Family]:
        """The numbers of this process for a monitor."""
        return self.metrics.families(
            associations=self.associations,
            connections=len(self._connections),
            file_ends=self.tls.ends if self.tls is not None else {},
        )

    # Tasks

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run beside the connections until the drain."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """The clock: a deadline is a number on a connection, so that moving it costs nothing."""
        deadlines = self.config.deadlines
        shortest = min(
            deadlines.associate, deadlines.pdu, deadlines.idle, deadlines.write, deadlines.linger
        )
        tick = min(_LONGEST_TICK, max(_SHORTEST_TICK, shortest / 10))
        while True:
            await asyncio.sleep(tick)
            now = self.now()
            if self.tls is not None:
                self.tls.look(now)
            for serving in list(self.owing):
                serving.note_sent()
            due = [
                one for one in self._connections if one.deadline <= now or one.write_deadline <= now
            ]
            for connection in due:
                try:
                    connection.expire(now)
                except Exception as error:
                    # Without the clock nobody would ever be cut off again.
                    self.metrics.faults["clock"] += 1
                    log.error("dicom connection failed", **fault(error))
                    connection.abort()

    async def _accept_tls(self, listening: socket.socket, files: TlsFiles) -> None:
        while True:
            try:
                # Not sock_accept: what it accepted is lost if it is canceled in that moment.
                await self._readable(listening)
                accepted, address = listening.accept()
                accepted.setblocking(False)
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue  # whoever it was has gone again
            except OSError as error:
                if listening.fileno() < 0:
                    return
                log.warning("dicom accept failed", error=errno.errorcode.get(error.errno or 0))
                await asyncio.sleep(1)
                continue
            host = plain_address(str(address[0]))
            limits = self.config.limits
            if (
                self._handshakes.total() >= _HANDSHAKES_AT_ONCE
                or self._handshakes[host] >= limits.associations_per_address
            ):
                self.metrics.cut_off["too many TLS handshakes"] += 1
                accepted.close()
                continue
            self._handshakes[host] += 1
            self._unheard.add(accepted)
            self.spawn(self._shake_hands(accepted, host, files.context))

    async def _readable(self, listening: socket.socket) -> None:
        """Wait until somebody connects."""
        came = asyncio.Event()
        self._loop.add_reader(listening, came.set)
        try:
            await came.wait()
        finally:
            self._loop.remove_reader(listening)

    async def _shake_hands(
        self, accepted: socket.socket, host: str, context: ssl.SSLContext
    ) -> None:
        self._unheard.discard(accepted)
        try:
            await secure(
                accepted,
                context,
                Connection(self, tls=True),
                handshake_seconds=self.config.deadlines.tls_handshake,
                shutdown_seconds=self.config.deadlines.linger,
            )
        except (OSError, ssl.SSLError) as error:
            reason = _tls_reason(error)
            self.metrics.tls_failures[reason] += 1
            if isinstance(error, ssl.SSLCertVerificationError):
                # Expired, revoked, of another authority: what is to be done differs.
                reason = f"{reason}: {error.verify_message}"
            log.info("dicom tls handshake failed", address=host, error=reason)
            if isinstance(error, ssl.SSLError) and isinstance(self.service, Noting):
                self.submit(self.service.note_refusal, "", host, "TLS", "", reason)
        finally:
            _decrement(self._handshakes, host)

    # The end

    async def drain(self, seconds: float | None = None) -> None:
        """Stop accepting, let running requests be answered, release; then abort what is left."""
        self._draining = True
        for acceptor in self._acceptors:
            acceptor.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in (*self._sockets, *self._unheard):
            one.close()
        for connection in list(self._connections):
            connection.drain()
        with suppress(TimeoutError):
            patience = self.config.deadlines.drain if seconds is None else seconds
            await asyncio.wait_for(self._empty.wait(), patience)
        for connection in list(self._connections):
            connection.abort()
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        self._pool.close()
        # Some turns for the closed transports to say so: one may have a last alert to send.
        for _ in range(3):
            await asyncio.sleep(0)


def _tls_reason(error: OSError) -> str:
    """Why a handshake failed, in OpenSSL's short words, such as CERTIFICATE_VERIFY_FAILED."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return str(error.reason)
    return "took too long" if "took longer" in str(error) else type(error).__name__


def _decrement(counter: Counter[str], key: str) -> None:
    """Without leaving a zero behind for every address ever seen."""
    if counter[key] > 1:
        counter[key] -= 1
    else:
        del counter[key]
