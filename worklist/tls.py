"""TLS for the listener: the server's settings, their files, and a peer's certificate."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Mapping
from typing import Any, Final

from ris import server_tls
from worklist.config import Tls, TlsProfile
from worklist.service import PeerCertificate

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


def server_context(tls: Tls) -> ssl.SSLContext:
    """The settings of the TLS listener; raises OSError or ssl.SSLError for bad files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_ciphers(_CIPHERS[tls.profile])
    server_tls.load_pair(context, tls.certificate, tls.key)
    if tls.ca is not None:
        context.load_verify_locations(tls.ca)
        required = tls.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    if tls.crl is not None:
        context.load_verify_locations(tls.crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


class TlsFiles(server_tls.TlsFiles):
    """The files of the DICOM listener."""

    def __init__(self, tls: Tls, wall_clock: Callable[[], float]) -> None:
        super().__init__(
            {
                "certificate": tls.certificate,
                "key": tls.key,
                "authority": tls.ca,
                server_tls.REVOCATIONS: tls.crl,
            },
            lambda: server_context(tls),
            wall_clock,
        )


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
