"""The parts that are not edges: web server, worker, beat."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from ris import config
from ris.parent import PARENT_FD
from ris.server_tls import load_pair

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 0.5
# So long without a doorbell, and the worker looks for itself: all is on its way within two seconds.
QUIET_SECONDS = 1.4
TIMERS_SECONDS = 30.0
SEEN_SECONDS = 5.0
LAST_RINGS = 30
HANGING_SECONDS = 4.0  # and one more; the supervisor waits for ten


def _parser(name: str, text: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"ris run {name}", description=text)


def run_folder(home: Path) -> Path:
    """Small files by which the parts on one machine see each other."""
    folder = home / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


# --- web


def web(argv: list[str]) -> int:
    """Serve pages, REST and FHIR until SIGTERM or SIGINT."""
    _parser("web", "Serve pages, REST and FHIR.").parse_args(argv)
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, SSLProtocols
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from ris.checks import unsafe_settings
    from ris.logging import settings as logging_settings

    settings = config.load()
    for problem in unsafe_settings(settings):
        raise config.ConfigurationError(f"{problem.msg}; {problem.hint}")
    http = settings.http
    if http.tls_cert is not None:
        # The web server itself would break off without a word that helps.
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), http.tls_cert, http.tls_key)
    Granian(
        "ris.wsgi:application",
        address=http.host,
        port=http.port,
        interface=Interfaces.WSGI,
        workers=http.workers,
        # An open page holds a stream and with it a thread that waits (ris/serving.py).
        blocking_threads=http.threads + http.streams,
        http=HTTPModes.http1,
        websockets=False,
        # A head that does not arrive ends the connection: slow clients hold no thread.
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        log_level=LogLevels.error,
        log_dictconfig=logging_settings(settings.log_level),
        ssl_cert=http.tls_cert,
        ssl_key=http.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        workers_kill_timeout=5,
        # One process: its death ends this part, and the supervisor starts it again.
        respawn_failed_workers=http.workers > 1,
        respawn_interval=0.5,
    ).serve()
    return 0


# --- worker


class Sweeper(threading.Thread):
    """Delivers when no doorbell rings: broker gone, beat gone, message lost.

    Every task that ran says so through :mod:`ris.tasks`; while they keep coming this thread only
    marks the worker as alive. So does each statement that the database answers it: on a busy
    machine a pass takes minutes, and whoever reads that no worker was seen would end this one.
    """

    def __init__(self, seen: Path) -> None:
        super().__init__(name="sweeper", daemon=True)
        self.seen = seen
        self.stopping = threading.Event()
        self.ended = threading.Event()
        self._timers_at = 0.0
        self._seen_at = 0.0

    def run(self) -> None:
        from django.db import connection

        from ris import tasks

        with connection.execute_wrapper(self._statement):
            while not self.stopping.is_set():
                try:
                    self._pass()
                except Exception:
                    # The database may be away for a moment; the next pass finds what is due.
                    log.warning("sweep failed", exc_info=True)
                self.stopping.wait(SWEEP_SECONDS)
        # Celery looks for its own end between two messages only: give it some.
        for _ in range(LAST_RINGS):
            if self.ended.wait(0.1):
                break
            tasks.ring()

    def _pass(self) -> None:
        from ris import tasks

        now = time.monotonic()
        if now - tasks.ran_at["deliver"] > QUIET_SECONDS:
            tasks.deliver()
        if now - max(tasks.ran_at["timers"], self._timers_at) > TIMERS_SECONDS * 1.5:
            self._timers_at = now
            tasks.run_timers()
        self._mark()

    def _statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        result = execute(*arguments)
        self._mark()
        return result

    def _mark(self) -> None:
        now = time.monotonic()
        if now - self._seen_at > SEEN_SECONDS:
            self._seen_at = now
            self.seen.touch()


def worker(argv: list[str]) -> int:
    """Deliver until SIGTERM or SIGINT; finishes what is under way."""
    _parser("worker", "Deliver messages to other systems.").parse_args(argv)
    from celery.apps.worker import Worker
    from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
    from celery.signals import setup_logging
    from celery.worker import WorkController, state

    from ris.celery import app, purge_embedded_queue

    class Part(Worker):
        """Stops on SIGTERM and SIGINT alike: no new work, what runs is finished, exit code 0."""

        def install_platform_tweaks(self, worker: WorkController) -> None:
            """Celery would put its own handlers here; ours are in place since the beginning."""

    def _stop(number: int, frame: object) -> None:
        sweeper.stopping.set()
        state.should_stop = 0  # type: ignore[assignment]  # the exit code

    settings = config.load()
    setup_logging.connect(_keep_our_logging)
    # It warns of running as root because of pickled messages; ours are JSON.
    warnings.simplefilter("ignore", SecurityWarning)
    # Nor do its plans for tasks that outlive a connection matter: each may come twice.
    warnings.simplefilter("ignore", CPendingDeprecationWarning)
    purge_embedded_queue(settings)
    _take_over(settings)
    sweeper = Sweeper(run_folder(settings.home) / "worker")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    sweeper.start()
    threading.Thread(target=_leave, args=(sweeper,), name="leaver", daemon=True).start()
    while True:
        part = Part(
            app=app,
            hostname=f"ris-{os.getpid()}@{socket.gethostname()}",
            pool="threads",
            concurrency=settings.delivery.threads,
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=settings.broker_is_embedded,
        )
        part.start()
        if sweeper.stopping.is_set() or not part.exitcode:
            break
        # Celery stumbles over a broker that dies at an awkward moment. The sweeper goes on all the
        # while, and the next consumer waits for the broker as it should.
        log.warning("the consumer ended by itself and begins anew")
        sweeper.stopping.wait(1)
    sweeper.stopping.set()
    sweeper.ended.set()
    sweeper.join(5)
    return int(part.exitcode or 0)


def _leave(sweeper: Sweeper) -> None:
    """End though the broker hangs: Celery waits without end for its answer to a goodbye.

    Whatever is being sent is finished before. A doorbell that stays unanswered rings another
    worker, or nobody: the next sweep comes anyway.
    """
    from ris import tasks

    sweeper.stopping.wait()
    if sweeper.ended.wait(HANGING_SECONDS):
        return
    while tasks.is_at_work():
        if sweeper.ended.wait(0.1):
            return
    if sweeper.ended.wait(1):  # what kept it was its work
        return
    log.warning("the broker hangs; ended without its leave")
    os._exit(0)


def _take_over(settings: config.Configuration) -> None:
    """Below a supervisor with SQLite there is one worker: what is leased, a dead one leased."""
    if PARENT_FD in os.environ and settings.database_is_sqlite:
        from ris.services.outbox import free_leases_of_this_machine

        free_leases_of_this_machine()


def _keep_our_logging(**_: object) -> None:
    """Celery configures logging unless somebody listens to this signal."""


# --- beat


def beat(argv: list[str]) -> int:
    """Ring the worker at fixed times until SIGTERM or SIGINT."""
    _parser("beat", "Ring the worker at fixed times; one per installation.").parse_args(argv)
    from celery.apps.beat import Beat
    from celery.beat import Service
    from celery.signals import setup_logging

    from ris import logging as our_logging
    from ris.celery import app

    class Clock(Beat):
        """Ends at once on SIGTERM and SIGINT, wherever it stands.

        Celery's own handler raises SystemExit, which the client of the broker swallows when it is
        in the middle of a send. Nothing is lost by leaving: the schedule is code, a missed turn is
        made up by the next one.
        """

        def install_sync_handler(self, service: Service) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: os._exit(0))

    settings = config.load()
    our_logging.configure(our_logging.settings(settings.log_level))
    setup_logging.connect(_keep_our_logging)
    Clock(app=app, scheduler_cls="ris.ringing:Ringer", quiet=True, socket_timeout=5).run()
    return 0
