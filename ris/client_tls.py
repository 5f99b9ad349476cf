"""TLS towards a peer: PS3.15 B.12 (BCP 195), client certificates as ATNA wants them."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

# Forward secrecy and authenticated encryption only.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK:!SRP:!aDSS"


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How we connect: ``ca`` instead of the system's authorities, our own certificate if asked.

    ``fingerprint`` (SHA-256, hexadecimal) pins the peer's certificate instead of its name.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""
    fingerprint: str = ""


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """Raises OSError or ssl.SSLError for bad files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    harden(context)
    if tls.fingerprint:
        # The one certificate is known; who signed it and what it is called adds nothing.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca is not None:
        context.load_verify_locations(tls.ca)
    else:
        context.load_default_certs()
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def harden(context: ssl.SSLContext) -> None:
    """What both ends of every connection demand."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)


def words_of(error: BaseException) -> str:
    """What an operator can use: the system's words without numbers and addresses of ours."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS error"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def is_expected(connection: ssl.SSLSocket, fingerprint: str) -> bool:
    """Whether the peer's certificate is the one that was pinned, if one was."""
    if not fingerprint:
        return True
    raw = connection.getpeercert(binary_form=True) or b""
    return hashlib.sha256(raw).hexdigest() == fingerprint.replace(":", "").lower()
