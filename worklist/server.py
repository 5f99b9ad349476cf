"""Builds, starts and drains the DICOM listener: in the foreground, or on a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import structlog

from ris.descriptors import raise_descriptor_limit
from worklist.config import ListenerConfig
from worklist.service import Service
from worklist.upper_layer import UpperLayer

log = structlog.get_logger(__name__)

_START_SECONDS = 30.0


def serve(
    config: ListenerConfig,
    service: Service,
    *,
    on_ready: Callable[[UpperLayer], None] | None = None,
) -> None:
    """Run until SIGTERM or SIGINT, then drain; raises OSError if the listener cannot start."""
    raise_descriptor_limit(config.limits.associations)
    asyncio.run(_serve(config, service, on_ready))


async def _serve(
    config: ListenerConfig, service: Service, on_ready: Callable[[UpperLayer], None] | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not every system has signals on its event loop; there the caller ends us its own way.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await _run(config, service, stop, on_ready)


async def _run(
    config: ListenerConfig,
    service: Service,
    stop: asyncio.Event,
    on_ready: Callable[[UpperLayer], None] | None,
    drain_seconds: Callable[[], float | None] = lambda: None,
) -> None:
    # Its codecs log each odd byte of a peer's request as an error with traceback; what comes of
    # such a request is logged once by the connection.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    layer = UpperLayer(config, service)
    try:
        await layer.start()
        log.info(
            "dicom listener started",
            ae_title=config.ae_title,
            host=config.host,
            port=layer.port,
            tls_port=layer.tls_port,
        )
        if on_ready is not None:
            on_ready(layer)
        await stop.wait()
    finally:
        await layer.drain(drain_seconds())
        log.info("dicom listener stopped", associations=layer.metrics.accepted)


class ServerThread:
    """The listener on a thread of its own, for tests, benchmarks and embedding.

    Use as a context manager, or ``start`` and ``stop`` it.
    """

    def __init__(self, config: ListenerConfig, service: Service) -> None:
        self._config = config
        self._service = service
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._drain_seconds: float | None = None
        self._layer: UpperLayer | None = None
        self._thread = threading.Thread(target=self._main, name="dicom-listener", daemon=True)

    @property
    def layer(self) -> UpperLayer:
        """The running listener, for its ports and counters."""
        if self._layer is None:
            raise RuntimeError("the listener has not been started")
        return self._layer

    @property
    def port(self) -> int:
        return self.layer.port

    @property
    def tls_port(self) -> int:
        return self.layer.tls_port

    def start(self) -> None:
        """Return when the ports are open; raises what kept the listener from starting."""
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise TimeoutError("the DICOM listener did not start")
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self, drain_seconds: float | None = None) -> None:
        """Drain and return when the thread has ended."""
        self._drain_seconds = drain_seconds
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # already closed
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> ServerThread:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await _run(
            self._config, self._service, self._stop, self._started, lambda: self._drain_seconds
        )

    def _started(self, layer: UpperLayer) -> None:
        self._layer = layer
        self._ready.set()
