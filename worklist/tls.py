"""TLS for the listener: the server's settings, their files, and a peer's certificate."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from worklist.config import Tls, TlsProfile
from worklist.service import PeerCertificate

log = structlog.get_logger(__name__)

# Forward secrecy and authenticated encryption only. Python takes OpenSSL's three suites of TLS 1.3
# with each of them.
_CIPHERS: Final[Mapping[TlsProfile, str]] = {
    # PS3.15 B.12: BCP 195 (RFC 8996, RFC 9325).
    TlsProfile.BCP195: "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK:!SRP:!aDSS",
    # PS3.15 B.13: no more than the suites it names. Those with Camellia OpenSSL does not have, and
    # those with a tag of 8 bytes are for small devices.
    TlsProfile.MODIFIED: ":".join(
        (
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            "ECDHE-RSA-CHACHA20-POLY1305",
            "ECDHE-ECDSA-AES256-CCM",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-ECDSA-AES128-CCM",
            # Keys of RSA and of Diffie-Hellman from 2048 bit, of elliptic curves from 224.
            "@SECLEVEL=2",
        )
    ),
}
_LOOK_SECONDS: Final = 1.0
_DAY: Final = 86_400.0
_WARN_DAYS: Final = (60, 30, 7, 0)
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)


def server_context(tls: Tls) -> ssl.SSLContext:
    """The settings of the TLS listener; raises OSError or ssl.SSLError for bad files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_ciphers(_CIPHERS[tls.profile])
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.ca is not None:
        context.load_verify_locations(tls.ca)
        required = tls.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    if tls.crl is not None:
        context.load_verify_locations(tls.crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


class TlsFiles:
    """The context for new connections, built anew when a file changes.

    Associations that are open keep what they began with. A file that cannot be used, or a key that
    does not belong to its certificate yet, changes nothing until it changes again.
    """

    def __init__(self, tls: Tls, wall_clock: Callable[[], float]) -> None:
        self._tls = tls
        self._wall_clock = wall_clock
        self._next_look = 0.0
        self._stamps = self._read_stamps()
        self._warned: dict[str, int] = {}
        self._day = 0.0
        self.context = server_context(tls)
        self.ends = _ends(tls)
        self.reloads = 0

    def look(self, now: float) -> None:
        """Called by the listener's clock; looks at the files once a second."""
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        stamps = self._read_stamps()
        if stamps != self._stamps:
            self._stamps = stamps
            self._reload()
            self._day = 0.0
        if now >= self._day:
            self._day = now + _DAY
            self._warn()

    def _reload(self) -> None:
        try:
            context, ends = server_context(self._tls), _ends(self._tls)
        except Exception as error:
            # Also what cryptography raises for odd files: none of it may stop the clock.
            log.error("tls files not usable, the former ones stay", error=str(error))
            return
        self.context, self.ends = context, ends
        self.reloads += 1
        self._warned.clear()
        log.info("tls files read anew")

    def _warn(self) -> None:
        """Once for each of the days before the end that matter."""
        for name, end in self.ends.items():
            days = (end - self._wall_clock()) / _DAY
            passed = sum(days < one for one in _WARN_DAYS)
            if passed > self._warned.get(name, 0):
                self._warned[name] = passed
                write = log.error if days < 0 else log.warning
                write("tls file ends", file=name, days=round(days, 1))

    def _read_stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for _, path in _files(self._tls))


def _files(tls: Tls) -> list[tuple[str, Path]]:
    named = {
        "certificate": tls.certificate,
        "key": tls.key,
        "authority": tls.ca,
        "revocations": tls.crl,
    }
    return [(name, path) for name, path in named.items() if path is not None]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _ends(tls: Tls) -> dict[str, float]:
    """When each file ends, in Unix time: the first of what it holds."""
    from cryptography import x509  # only who has TLS pays for it

    found = {"certificate": tls.certificate.read_bytes()}
    if tls.ca is not None:
        found["authority"] = tls.ca.read_bytes()
    ends = {
        name: min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(raw))
        for name, raw in found.items()
    }
    if tls.crl is not None:
        ends["revocations"] = min(crl_ends(tls.crl.read_bytes()))
    return {name: end.timestamp() for name, end in ends.items()}


def crl_ends(raw: bytes) -> list[datetime]:
    """When the next lists are due; from then on OpenSSL refuses every client certificate."""
    from cryptography import x509

    mark = b"-----END X509 CRL-----"
    parts = [part + mark for part in raw.split(mark)[:-1]]
    ends = [x509.load_pem_x509_crl(part).next_update_utc for part in parts]
    if not ends:
        raise ValueError("no certificate revocation list in PEM form")
    return [end for end in ends if end is not None] or [_NEVER]


class _SmallBuffer(SSLProtocol):
    """asyncio's TLS with a small buffer in place of a quarter of a megabyte.

    It is held as long as the connection, by silent clients too.
    """

    max_size = 8 * 1024


async def secure(
    accepted: socket.socket,
    context: ssl.SSLContext,
    protocol: asyncio.Protocol,
    *,
    handshake_seconds: float,
    shutdown_seconds: float,
) -> None:
    """Shake hands over an accepted socket; raises OSError if that fails or takes too long."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    tls = _SmallBuffer(
        loop,
        protocol,
        context,
        waiter,
        server_side=True,
        ssl_handshake_timeout=handshake_seconds,  # type: ignore[arg-type]  # any number does
        ssl_shutdown_timeout=shutdown_seconds,
    )
    transport, _ = await loop.connect_accepted_socket(lambda: tls, accepted)
    try:
        await waiter
    except BaseException:
        transport.close()
        raise


def peer_certificate(connection: ssl.SSLObject | None) -> PeerCertificate | None:
    """The peer's certificate, or None if it sent none."""
    raw = connection.getpeercert(binary_form=True) if connection is not None else None
    if connection is None or not raw:
        return None
    # Empty unless the certificate was verified.
    fields: dict[str, Any] = connection.getpeercert() or {}
    subject = [f"{name}={value}" for part in fields.get("subject", ()) for name, value in part]
    names = [
        value for part in fields.get("subject", ()) for name, value in part if name == "commonName"
    ]
    names += [value for _, value in fields.get("subjectAltName", ())]
    return PeerCertificate(hashlib.sha256(raw).hexdigest(), ", ".join(subject), tuple(names))
