"""Questions about a running installation: `ris doctor`, the readiness address and the system page.

Each probe answers with findings and raises nothing; none shows patient data.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import checks
from django.core.signing import BadSignature, TimestampSigner
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from ris import config
from ris.checks import HOLDS_DEMO, other_clocks, unsafe_data
from ris.domain.exchange import DeliveryState, MessageState
from ris.models import ApiToken, Delivery, DomainEvent, InboundMessage
from ris.parts import run_folder
from ris.selectors.interfaces import open_alerts
from ris.server_tls import crl_ends, load_pair
from ris.services import fhir_reindexing

WORKER_SECONDS = 60
LOW_DISK = 2 * 1024**3
NO_DISK = 512 * 1024**2
BACKUP_DAYS = 2
CERTIFICATE_DAYS = 30
REVOCATION_DAYS = 1
WAITING_SECONDS = 300
EVENT_SECONDS = 60  # it is seconds as long as a worker keeps up
BROKER_SECONDS = 2


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer; ``advice`` says what to do about it."""

    name: str
    state: State
    text: str
    advice: str = ""


Probe = Callable[[config.Configuration], Iterable[Finding]]


def ok(name: str, text: str) -> Finding:
    return Finding(name, State.OK, text)


def warning(name: str, text: str, advice: str = "") -> Finding:
    return Finding(name, State.WARNING, text, advice)


def failed(name: str, text: str, advice: str = "") -> Finding:
    return Finding(name, State.FAILED, text, advice)


def ask(probes: Iterable[Probe], settings: config.Configuration) -> list[Finding]:
    """All findings of all probes; a probe that breaks is a finding itself."""
    findings: list[Finding] = []
    for probe in probes:
        name = probe.__name__.replace("_", " ")
        try:
            findings.extend(probe(settings))
        except DatabaseError as error:
            text = str(error).splitlines()[0]
            is_old = "no such" in text or "does not exist" in text
            advice = "run `ris migrate`" if is_old else "is the database reachable?"
            findings.append(failed(name, text, advice))
        except Exception as error:
            # Whatever is broken here is what the operator asks about.
            findings.append(failed(name, f"{type(error).__name__}: {error}"))
    return findings


def database(settings: config.Configuration) -> Iterable[Finding]:
    """Reachable, and set so that what was acknowledged survives a crash."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            mode = _scalar(cursor, "PRAGMA journal_mode")
            sync = _scalar(cursor, "PRAGMA synchronous")
            version = _scalar(cursor, "SELECT sqlite_version()")
            yield ok("database", f"SQLite {version}, {connection.settings_dict['NAME']}")
            if mode != "wal":
                yield failed("database mode", f"journal mode is {mode}, not WAL")
            if int(sync) < 2:
                yield failed("database mode", "synchronous is not FULL: a power cut loses messages")
        else:
            version = _scalar(cursor, "SHOW server_version")
            named = connection.settings_dict
            where = named["HOST"] or "this machine"
            yield ok("database", f"PostgreSQL {version}, {named['NAME']} at {where}")
            for setting in ("synchronous_commit", "fsync"):
                if _scalar(cursor, f"SHOW {setting}") == "off":
                    yield failed(
                        "database mode",
                        f"{setting} is off: a crash loses acknowledged messages",
                        f"set {setting} = on in postgresql.conf",
                    )


def _scalar(cursor: object, statement: str) -> str:
    cursor.execute(statement)  # type: ignore[attr-defined]  # a DB-API cursor
    return str(cursor.fetchone()[0])  # type: ignore[attr-defined]


def pending_migrations() -> list[str]:
    """Names of migrations this release has and the database has not."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def migrations(settings: config.Configuration) -> Iterable[Finding]:
    pending = pending_migrations()
    if pending:
        yield failed(
            "migrations", f"{len(pending)} not applied, first {pending[0]}", "run `ris migrate`"
        )
    else:
        yield ok("migrations", "all applied")


def system_checks(settings: config.Configuration) -> Iterable[Finding]:
    """Django's checks and ours; a demo site is what it is, so it is named and not blamed."""
    for message in [
        *checks.run_checks(databases=["default"]),
        *unsafe_data(settings),
        *other_clocks(settings),
    ]:
        if message.id == HOLDS_DEMO:
            yield ok("site", "the demo site, with public passwords")
            continue
        state = State.FAILED if message.is_serious() else State.WARNING
        yield Finding("settings", state, str(message.msg), str(message.hint or ""))


def disk(settings: config.Configuration) -> Iterable[Finding]:
    free = shutil.disk_usage(settings.home).free
    text = f"{free / 1024**3:.1f} GB free in {settings.home}"
    if free < NO_DISK:
        yield failed("disk", text, "make room, or move the data directory")
    elif free < LOW_DISK:
        yield warning("disk", text, "make room soon")
    else:
        yield ok("disk", text)


def rights(settings: config.Configuration) -> Iterable[Finding]:
    """Secrets and patient data are for this user only."""
    for path in (settings.home / "secret-key", settings.home / "queue"):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield failed("rights", f"others can read {path}", f"chmod go-rwx {path}")
    if not os.access(settings.home, os.W_OK):
        yield failed("rights", f"{settings.home} cannot be written")


def secret_key(settings: config.Configuration) -> Iterable[Finding]:
    """Machines that share a database sign for each other: logins, addresses that patients get."""
    signer = TimestampSigner(salt=SessionStore().key_salt)
    newest = Session.objects.filter(expire_date__gt=timezone.now()).order_by("-expire_date")[:20]
    for session in newest:
        try:
            signer.unsign(session.session_data)
        except BadSignature:
            yield warning(
                "secret key",
                "a login was signed with another one: it was changed, or machines differ",
                "give all that share this database the same RIS_SECRET_KEY",
            )
            return


def clock(settings: config.Configuration) -> Iterable[Finding]:
    """Leases and due times compare our clock with rows other hosts wrote."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        seconds = float(_scalar(cursor, "SELECT extract(epoch FROM clock_timestamp())"))
    off = abs(time.time() - seconds)
    if off > 2:
        yield failed("clock", f"differs from the database server by {off:.0f} s", "set up NTP")
    else:
        yield ok("clock", "agrees with the database server")


def broker(settings: config.Configuration) -> Iterable[Finding]:
    """Only a doorbell: without it deliveries wait for the next sweep, so never a failure.

    A broker may let in whom it takes nothing from (rights, memory, disk), so it is rung.
    """
    if settings.broker_is_embedded:
        waiting = len(list((settings.home / "queue" / "messages").glob("*.msg")))
        yield ok("broker", f"queue folder, {waiting} waiting")
        return
    shown = config.masked(settings.broker_url)
    if fault := _ring_once():
        yield warning(
            "broker",
            f"{shown}: {fault}",
            "deliveries go on, a second later than usual; start it, or correct RIS_BROKER_URL",
        )
    else:
        yield ok("broker", shown)


def _ring_once() -> str:
    """Ring for nothing, and wait until the broker has it; what went wrong, if anything did."""
    from ris.celery import app
    from ris.tasks import deliver_task

    told: list[str] = []
    link = app.connection_for_write()
    link.transport_options = {
        **(link.transport_options or {}),
        # AMQP's alone: another transport answers each message as it is.
        "confirm_publish": True,
        "on_blocked": told.append,
    }
    try:
        link.ensure_connection(max_retries=0)
        deliver_task.apply_async(
            (0.0,),  # rung before any pass: the worker answers it by doing nothing
            producer=app.amqp.Producer(link),
            retry=False,
            expires=5,
            confirm_timeout=BROKER_SECONDS,  # type: ignore[call-arg]  # goes on to the producer
        )
        link.release()
    except Exception as error:
        # Without a goodbye, for which whoever hangs or is blocked lets us wait without end.
        link.collect(socket_timeout=0.1)
        return told[0] if told else " ".join(f"{error}".split()) or type(error).__name__
    return ""


def worker(settings: config.Configuration) -> Iterable[Finding]:
    """Whether a worker of this data directory was alive within the last minute."""
    age = worker_age(settings)
    if age is None:
        yield failed("worker", "none has run here", "start `ris up`, or `ris run worker`")
    elif age > WORKER_SECONDS:
        yield failed("worker", f"last seen {age:.0f} s ago", "start `ris up`, or `ris run worker`")
    else:
        yield ok("worker", f"seen {age:.0f} s ago")


def worker_age(settings: config.Configuration) -> float | None:
    """Seconds since its last sign of life; one from the future is of a clock that was put back."""
    try:
        return abs(time.time() - (run_folder(settings.home) / "worker").stat().st_mtime)
    except FileNotFoundError:
        return None


def ports(settings: config.Configuration) -> Iterable[Finding]:
    for name, setting, host, port in listeners(settings):
        if accepts(host, port):
            yield ok(name, f"{host}:{port} accepts connections")
        else:
            yield failed(
                name,
                f"nothing listens on {host}:{port}",
                f"start `ris up`; {setting} sets the port",
            )


def listeners(settings: config.Configuration) -> Iterable[tuple[str, str, str, int]]:
    """Every listener as (name, setting of its port, host, port)."""
    http, dicom, mllp = settings.http, settings.dicom, settings.mllp
    yield "web", "RIS_HTTP__PORT", http.host, http.port
    yield "dicom", "RIS_DICOM__PORT", dicom.host, dicom.port
    if dicom.tls_port:
        yield "dicom tls", "RIS_DICOM__TLS_PORT", dicom.host, dicom.tls_port
    yield "mllp", "RIS_MLLP__PORT", mllp.host, mllp.port
    if mllp.tls_port:
        yield "mllp tls", "RIS_MLLP__TLS_PORT", mllp.host, mllp.tls_port


def accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((config.connectable(host), port), timeout=2).close()
    except OSError:
        return False
    return True


def queue(settings: config.Configuration) -> Iterable[Finding]:
    """What should have left and has not."""
    numbers = queue_numbers()
    if numbers.oldest_waiting is not None and numbers.oldest_waiting > WAITING_SECONDS:
        yield warning(
            "queue",
            f"oldest delivery waits for {numbers.oldest_waiting:.0f} s",
            "see Interfaces for the peer that does not answer",
        )
    if numbers.oldest_event is not None and numbers.oldest_event > EVENT_SECONDS:
        yield warning(
            "queue",
            f"events not made into messages yet: {numbers.events}, the oldest for "
            f"{numbers.oldest_event:.0f} s",
            "see the log of `ris run worker`; on a busy machine they need time",
        )
    if numbers.stuck:
        yield warning("queue", f"{numbers.stuck} refused or given up", "see Messages, then resend")
    if numbers.failed_in:
        yield warning("messages", f"{numbers.failed_in} failed by our fault", "see Messages")
    if not numbers.stuck and not numbers.failed_in:
        yield ok("queue", f"{numbers.waiting} waiting")


def interface_alerts(settings: config.Configuration) -> Iterable[Finding]:
    """What is wrong with a connection now; a person who acknowledged it knows of it."""
    rows = open_alerts()
    for row in rows:
        name = row.endpoint.name if row.endpoint else "senders that are no interface"
        words = f"{name}: {row.kind.lower()}, {row.detail}"
        if row.acknowledged_at is None:
            yield warning("interfaces", words, "see Interfaces, then acknowledge it")
        else:
            yield ok("interfaces", f"{words}; acknowledged by {row.acknowledged_by}")
    if not rows:
        yield ok("interfaces", "no alert")


@dataclass(frozen=True, slots=True)
class QueueNumbers:
    waiting: int
    stuck: int
    failed_in: int
    oldest_waiting: float | None  # seconds
    events: int  # of which nobody was told yet
    oldest_event: float | None


def queue_numbers() -> QueueNumbers:
    """Counted on indexes of the unfinished rows; cheap however many are done."""
    waiting = [DeliveryState.PENDING.value, DeliveryState.LEASED.value]
    stuck = [DeliveryState.REFUSED.value, DeliveryState.DEAD.value]
    unfinished = Delivery.objects.filter(state__in=waiting)
    oldest = unfinished.order_by("created_at").values_list("created_at", flat=True).first()
    untold = DomainEvent.objects.filter(fanned_out_at=None)
    happened = untold.order_by("id").values_list("at", flat=True).first()
    now = timezone.now()
    return QueueNumbers(
        waiting=unfinished.count(),
        stuck=Delivery.objects.filter(state__in=stuck).count(),
        failed_in=InboundMessage.objects.filter(state=MessageState.FAILED.value).count(),
        oldest_waiting=(now - oldest).total_seconds() if oldest else None,
        events=untold.count(),
        oldest_event=(now - happened).total_seconds() if happened else None,
    )


def certificates(settings: config.Configuration) -> Iterable[Finding]:
    """Certificates we present, those we trust, and when they end."""
    http, dicom, mllp = settings.http, settings.dicom, settings.mllp
    for name, path, key in (
        ("http.tls_cert", http.tls_cert, http.tls_key),
        ("dicom.tls_cert", dicom.tls_cert, dicom.tls_key),
        ("mllp.tls_cert", mllp.tls_cert, mllp.tls_key),
    ):
        if path is not None:
            yield _certificate(name, path, key)
    for name, path in (("dicom.tls_ca", dicom.tls_ca), ("mllp.tls_ca", mllp.tls_ca)):
        if path is not None:
            yield _end(name, path)
    lists = {"dicom.tls_crl": settings.dicom.tls_crl, "mllp.tls_crl": settings.mllp.tls_crl}
    for name, path in lists.items():
        if path is not None:
            yield _revocations(name, path)


def _revocations(name: str, path: Path) -> Finding:
    """From the day the next list was due every client certificate of its authority is refused."""
    try:
        due = min(crl_ends(path.read_bytes()))
    except OSError as error:
        return failed("certificate", f"{name}: {path}: {error.strerror}")
    except ValueError:
        return failed("certificate", f"{name}: {path} is no PEM revocation list")
    days = (due - datetime.now(UTC)).days
    if days < 0:
        return failed("certificate", f"{name} was due {-days} days ago", "fetch the next list")
    if days < REVOCATION_DAYS:
        return warning("certificate", f"{name} is due in {days} days", "fetch the next list")
    return ok("certificate", f"{name} is not due for {days} days")


def _certificate(name: str, path: Path, key: Path | None) -> Finding:
    """What would not start is told here first: before the restart that needs it."""
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), path, key)
    except OSError as error:
        return failed("certificate", f"{name}: {error.filename}: {error.strerror}")
    return _end(name, path)


def _end(name: str, path: Path) -> Finding:
    """The first end of what the file holds."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        return failed("certificate", f"{name}: {path}: {error.strerror}")
    except ValueError:
        return failed("certificate", f"{name}: {path} is no PEM certificate")
    days = (min(one.not_valid_after_utc for one in found) - datetime.now(UTC)).days
    if days < 0:
        return failed("certificate", f"{name} ended {-days} days ago", "renew it")
    if days < CERTIFICATE_DAYS:
        return warning("certificate", f"{name} ends in {days} days", "renew it")
    return ok("certificate", f"{name} is valid for {days} days")


def backups(settings: config.Configuration) -> Iterable[Finding]:
    if settings.demo:
        return
    copies = sorted((settings.home / "backups").glob("ris-*"))
    if not copies:
        yield warning("backup", "none in the data directory", "run `ris backup` daily")
        return
    days = (time.time() - copies[-1].stat().st_mtime) / 86400
    text = f"newest is {days:.1f} days old"
    if days > BACKUP_DAYS:
        yield warning("backup", text, "see why the daily `ris backup` ended")
    else:
        yield ok("backup", text)


def tokens(settings: config.Configuration) -> Iterable[Finding]:
    """API tokens about to end, before the peer finds out."""
    soon = timezone.now() + timedelta(days=14)
    for token in ApiToken.objects.filter(
        revoked_at=None, expires_at__lt=soon, expires_at__gt=timezone.now()
    ):
        yield warning("token", f"of {token.client} ends on {token.expires_at:%Y-%m-%d}")


def fhir_index(settings: config.Configuration) -> Iterable[Finding]:
    """What FHIR clients sent and is not read again yet as this release finds it."""
    left = fhir_reindexing.left()
    if left:
        yield warning(
            "fhir index",
            f"{left} resources of FHIR clients are not yet found by all of their values",
            "the worker goes on with them; `ris fhir reindex` does it at once",
        )


READINESS: tuple[Probe, ...] = (database, migrations, disk)
ALL: tuple[Probe, ...] = (
    database,
    migrations,
    system_checks,
    disk,
    rights,
    secret_key,
    clock,
    broker,
    ports,
    worker,
    queue,
    interface_alerts,
    certificates,
    backups,
    tokens,
    fhir_index,
)
