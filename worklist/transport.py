"""Plain TCP for the association acceptor: one object and no task for each connection.

asyncio's own server starts a task, a future and three turns of the loop for each connection it
accepts, which is a third of what a new association costs. This one offers the part of its transport
that a connection uses; TLS goes through asyncio's.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

_READ_BYTES: Final = 256 * 1024
# Without descriptors the listener would be ready and fail over and over.
_PAUSE_SECONDS: Final = 1.0
_NO_RESOURCES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class SocketTransport(asyncio.Transport):
    """What a protocol writes to; reads begin with its creation."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        accepted: socket.socket,
        peer: Any,
        protocol: asyncio.Protocol,
    ) -> None:
        super().__init__({"peername": peer, "socket": accepted})
        self._loop = loop
        self._socket = accepted
        self._descriptor = accepted.fileno()
        self._protocol = protocol
        self._unsent = bytearray()
        self._high = 64 * 1024
        self._is_paused = False
        self._is_closing = False
        self._is_lost = False
        protocol.connection_made(self)
        if not self._is_closing:
            loop.add_reader(self._descriptor, self._read)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 64 * 1024 if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def is_closing(self) -> bool:
        return self._is_closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_lost or not data:
            return
        if self._unsent:
            self._unsent += data
        else:
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            self._unsent += memoryview(data)[sent:]
            self._loop.add_writer(self._descriptor, self._write_rest)
        if len(self._unsent) > self._high and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """When all is sent."""
        if self._is_closing:
            return
        self._is_closing = True
        self._loop.remove_reader(self._descriptor)
        if not self._unsent:
            self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        try:
            if data:
                self._protocol.data_received(data)
            elif not self._protocol.eof_received():
                self.close()
        except Exception as error:
            log.exception("dicom connection failed")
            self._lose(error)

    def _write_rest(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        # As asyncio does: go on when a quarter is left.
        if self._is_paused and len(self._unsent) <= self._high // 4:
            self._is_paused = False
            self._protocol.resume_writing()
        if not self._unsent and not self._is_lost:
            self._loop.remove_writer(self._descriptor)
            if self._is_closing:
                self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_closing = self._is_lost = True
        self._loop.remove_reader(self._descriptor)
        if self._unsent:
            self._loop.remove_writer(self._descriptor)
            self._unsent.clear()
        # Not within a call of the protocol's own.
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()


class Acceptor:
    """Accepts from a listening socket, one connection for each turn of the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._protocol = protocol
        self._pause: asyncio.TimerHandle | None = None
        self._begin()

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._listening.fileno())
        self._listening.close()

    def _begin(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            accepted, address = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("dicom accept failed", error=errno.errorcode.get(error.errno or 0))
            if error.errno in _NO_RESOURCES:
                self._loop.remove_reader(self._listening.fileno())
                self._pause = self._loop.call_later(_PAUSE_SECONDS, self._begin)
            return
        accepted.setblocking(False)
        SocketTransport(self._loop, accepted, address, self._protocol())
