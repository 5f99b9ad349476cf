"""``ris up``: starts, watches, restarts and stops the parts of one machine.

The supervisor loads the code once and forks: a part starts in tenths of a second and shares its
memory with the others. It never opens the database itself and runs no thread, so there is nothing a
fork could break. Each part is what ``ris run X`` does, in a session of its own; it holds the
reading end of a pipe and ends when the supervisor does, however that happens.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import gc
import http.client
import multiprocessing
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import IO

from ris import config
from ris.parent import PARENT_FD
from ris.parts import run_folder
from ris.terminal import complain, say

STOP_SECONDS = 10.0
READY_SECONDS = 60.0
LOOK_SECONDS = 0.1
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
HEALTHY_SECONDS = 60.0
FAILURES_BEFORE_READY = 3
# The child that prepares the database checks the addresses of all pages.
CHECKED = ("ris.urls",)
PRELOADED = (
    "worklist.listener",
    "worklist.handlers",
    "integration.hl7.commands",
    "celery.apps.worker",
    "granian",
)
LOGINS = (
    "scheduler",
    "frontdesk",
    "technologist",
    "radiologist",
    "resident",
    "admin",
    "manager",
    "referrer",
)


class StartError(Exception):
    """The site cannot start; the text is one line for the operator."""


@dataclass(slots=True)
class Part:
    """One child process, and when to start it again after it died."""

    name: str
    is_ready: Callable[[], bool]
    process: ForkProcess | None = None
    ready: bool = False
    failures: int = 0
    started_at: float = 0.0
    start_at: float = 0.0
    delay: float = field(default=FIRST_DELAY)


def main(argv: list[str]) -> int:
    """Run the whole site in the foreground; Ctrl-C or SIGTERM ends it."""
    parser = argparse.ArgumentParser(
        prog="ris up",
        description="Start every part of the RIS on this machine and keep it running. On a "
        "terminal only warnings are logged unless RIS_LOG_LEVEL says more.",
    )
    parser.add_argument(
        "--demo", action="store_true", help="load the demo site and accept unknown peers"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="data directory (RIS_DATA_DIR)")
    arguments = parser.parse_args(argv)
    _choose(arguments.demo, arguments.data_dir)
    settings = config.load()
    try:
        with Supervisor(settings) as supervisor:
            supervisor.load()
            supervisor.prepare()
            return supervisor.run()
    except StartError as error:
        complain(f"ris: {error}")
        return 1


def _choose(demo: bool, data_dir: str | None) -> None:
    """What the options say becomes settings, so that every part sees the same."""
    if data_dir:
        os.environ["RIS_DATA_DIR"] = data_dir
    given = config.origins()
    if sys.stderr.isatty() and ("log_level",) not in given:
        os.environ["RIS_LOG_LEVEL"] = "warning"  # a person reads this, not a log collector
    if demo:
        os.environ["RIS_DEMO"] = "true"
        if ("dicom", "unknown_ae") not in given:
            os.environ["RIS_DICOM__UNKNOWN_AE"] = "accept"
        if ("mllp", "unknown_senders") not in given:
            os.environ["RIS_MLLP__UNKNOWN_SENDERS"] = "accept"


class Supervisor:
    """Owns the children, the pipe they watch, and the lock on the data directory."""

    def __init__(self, settings: config.Configuration) -> None:
        self.settings = settings
        self.began_at = self.starts_at = time.monotonic()
        self.stopping = False
        self.parts = [
            Part("web", self._web_is_ready),
            Part("dicom", lambda: _accepts(settings.dicom.host, settings.dicom.port)),
            Part("mllp", lambda: _accepts(settings.mllp.host, settings.mllp.port)),
            Part("worker", self._worker_is_ready),
            Part("beat", lambda: True),
        ]
        self._lock: IO[str] | None = None
        self._reader, self._writer = -1, -1  # the parts see the end of the writer
        self._wake_reader, self._wake_writer = -1, -1  # a signal is seen at once
        self._fork = multiprocessing.get_context("fork")

    # --- beginning and end

    def __enter__(self) -> Supervisor:
        self._lock = lock(self.settings)
        _refuse_taken_ports(self.settings)
        self._worker_mark().unlink(missing_ok=True)
        self._reader, self._writer = os.pipe()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        signal.set_wakeup_fd(self._wake_writer)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._end([part.process for part in self.parts if part.process is not None])
        for mark in run_folder(self.settings.home).glob("*.pid"):
            mark.unlink(missing_ok=True)
        signal.set_wakeup_fd(-1)
        for handle in (self._reader, self._writer, self._wake_reader, self._wake_writer):
            os.close(handle)
        if self._lock is not None:
            self._lock.close()

    def _stop(self, number: int, frame: object) -> None:
        self.stopping = True

    def load(self) -> None:
        """Import once what every part needs; what is there at the fork is shared."""
        gc.disable()  # nothing of this will ever be garbage
        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")
        django.setup()

    def load_more(self, modules: Sequence[str]) -> None:
        """What some of the children need: a fork shares what was loaded before."""
        for module in modules:
            if self.stopping:
                return
            try:
                import_module(module)
            except Exception:  # noqa: S112 - the part that needs it will say what is wrong
                continue
        gc.freeze()

    def prepare(self) -> None:
        """Check, migrate and load in a child: this process never opens the database."""
        self.load_more(CHECKED)
        process = self._start("prepare")
        self.load_more(PRELOADED)  # meanwhile
        while process.exitcode is None and not self.stopping:
            wait([process.sentinel, self._wake_reader], LOOK_SECONDS)
        if self.stopping:
            self._end([process])
        elif process.exitcode != 0:
            # The child has said why.
            raise StartError("not started")

    def run(self) -> int:
        """Start the parts and keep them running until told to stop."""
        announced = False
        self.starts_at = time.monotonic()  # a first start migrates and loads before: that may take
        while not self.stopping:
            for part in self.parts:
                self._look_after(part)
            if not announced and all(part.ready for part in self.parts):
                announced = True
                say(banner(self.settings, time.monotonic() - self.began_at))
            if not announced:
                self._give_up_if_hopeless()
            running = [part.process.sentinel for part in self.parts if part.process]
            wait([*running, self._wake_reader], LOOK_SECONDS / 2 if not announced else 1.0)
        return 0

    # --- parts

    def _start(self, *words: str) -> ForkProcess:
        process = self._fork.Process(target=self._become, args=[" ".join(words)], name=words[-1])
        process.start()
        mark = run_folder(self.settings.home) / f"{process.name}.pid"
        mark.with_suffix(".new").write_text(f"{process.pid}\n")
        mark.with_suffix(".new").replace(mark)  # a reader sees the whole number
        return process

    def _become(self, command: str) -> None:
        """In the child: let go of what is the supervisor's, and be the part."""
        # The other end of the pipe must be in one process only, or its end would never be seen.
        os.close(self._writer)
        if self._lock is not None:
            self._lock.close()
        # A Ctrl-C on the terminal is for the supervisor; it ends the parts in order.
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        gc.enable()
        os.environ[PARENT_FD] = str(self._reader)
        # What a part says when it runs alone, the banner says once for all.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        from ris.cli import main as ris

        raise SystemExit(ris(command.split()))

    def _look_after(self, part: Part) -> None:
        now = time.monotonic()
        if part.process is None:
            if now >= part.start_at:
                part.process = self._start("run", part.name)
                part.started_at = now
            return
        code = part.process.exitcode
        if code is None:
            if not part.ready and part.is_ready():
                part.ready = True
            if now - part.started_at > HEALTHY_SECONDS:
                part.delay = FIRST_DELAY
                part.failures = 0
            return
        part.process = None
        part.ready = False
        part.failures += 1
        part.start_at = now + part.delay
        complain(f"ris: {part.name} {_ended(code)}; starting it again in {part.delay:g} s")
        part.delay = min(part.delay * 2, LONGEST_DELAY)

    def _end(self, processes: Sequence[ForkProcess]) -> None:
        """SIGTERM to all at once, and SIGKILL to those that take too long."""
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
        for process in processes:
            if process.exitcode is None and process.pid is not None:
                # The session is the part's own: its helper processes go with it.
                os.killpg(process.pid, signal.SIGKILL)
                process.join()

    def _give_up_if_hopeless(self) -> None:
        for part in self.parts:
            if part.failures >= FAILURES_BEFORE_READY:
                raise StartError(f"{part.name} does not start; see its last lines above")
        if time.monotonic() - self.starts_at > READY_SECONDS:
            late = ", ".join(part.name for part in self.parts if not part.ready)
            raise StartError(f"not ready after {READY_SECONDS:g} s: {late}")

    def _web_is_ready(self) -> bool:
        # The port is open before the application behind it is loaded, so ask the application.
        http_ = self.settings.http
        host = config.connectable(http_.host)
        connection: http.client.HTTPConnection
        if http_.tls_cert:
            context = ssl._create_unverified_context()  # noqa: S323 - asks itself, on this machine
            connection = http.client.HTTPSConnection(host, http_.port, timeout=1, context=context)
        else:
            connection = http.client.HTTPConnection(host, http_.port, timeout=1)
        try:
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _worker_is_ready(self) -> bool:
        return self._worker_mark().exists()

    def _worker_mark(self) -> Path:
        return run_folder(self.settings.home) / "worker"


def lock(settings: config.Configuration) -> IO[str]:
    """One supervisor for each data directory."""
    file = (run_folder(settings.home) / "supervisor").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StartError(
            f"another `ris up` runs on {settings.home}; choose another one with --data-dir"
        ) from None
    return file


def _refuse_taken_ports(settings: config.Configuration) -> None:
    """Say which setting to change before anything has been started."""
    wanted = [
        ("RIS_HTTP__PORT", settings.http.host, settings.http.port),
        ("RIS_DICOM__PORT", settings.dicom.host, settings.dicom.port),
        ("RIS_DICOM__TLS_PORT", settings.dicom.host, settings.dicom.tls_port),
        ("RIS_MLLP__PORT", settings.mllp.host, settings.mllp.port),
        ("RIS_MLLP__TLS_PORT", settings.mllp.host, settings.mllp.tls_port),
    ]
    seen: dict[int, str] = {}
    for setting, host, port in wanted:
        if port is None:
            continue
        if port in seen:
            raise StartError(f"{setting} and {seen[port]} are both {port}")
        seen[port] = setting
        problem = port_problem(host, port)
        if problem:
            raise StartError(f"port {port} {problem}; choose another one with {setting}")


def port_problem(host: str, port: int) -> str:
    """Why one cannot listen there, or nothing."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        return f"cannot be opened on {host}: no such address"
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            return {
                errno.EADDRINUSE: "is taken",
                errno.EACCES: "needs more rights than this user has",
                errno.EADDRNOTAVAIL: f"cannot be opened: {host} is not an address of this machine",
            }.get(error.errno or 0, f"cannot be opened: {error.strerror}")
    return ""


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((config.connectable(host), port), timeout=1).close()
    except OSError:
        return False
    return True


def _ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def banner(settings: config.Configuration, seconds: float) -> str:
    """What a person needs to begin, once, when everything accepts connections."""
    dicom, mllp = settings.dicom, settings.mllp
    lines = [
        "",
        f"  RIS is ready ({seconds:.1f} s)",
        "",
        f"  pages       {settings.public_url}/",
        f"  FHIR R4     {settings.public_url}/fhir",
        f"  DICOM       {dicom.ae_title} at {dicom.host}:{dicom.port}  (worklist, MPPS)",
        f"  HL7 v2      {mllp.host}:{mllp.port}  (MLLP)",
    ]
    if settings.demo:
        lines += [
            "",
            f"  logins      {', '.join(LOGINS)}",
            "  password    demo",
            "  FHIR token  demo-ehr-token",
        ]
    lines += ["", f"  data in {settings.home}; Ctrl-C stops all parts", ""]
    return "\n".join(lines)
