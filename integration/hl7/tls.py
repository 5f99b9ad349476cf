"""TLS of the MLLP listener: BCP 195 (TLS 1.2 and later), client certificates as ATNA wants them."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ris.client_tls import harden
from ris.server_tls import REVOCATIONS, TlsFiles, load_pair


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Files of the TLS listener, PEM; with ``ca`` a client must show a certificate signed by it.

    Of those that ``crl`` names none is let in.
    """

    certificate: Path
    key: Path
    ca: Path | None = None
    crl: Path | None = None  # one list for each authority in ``ca``


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What is kept of a peer's certificate; subject and names only if it was verified."""

    fingerprint: str
    subject: str
    names: tuple[str, ...]


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """For the listener; raises OSError or ssl.SSLError for bad files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    harden(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    load_pair(context, tls.certificate, tls.key)
    if tls.ca is not None:
        context.load_verify_locations(tls.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if tls.crl is not None:
        context.load_verify_locations(tls.crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def tls_files(tls: ServerTls) -> TlsFiles:
    """The listener's context, built anew when a file changes; raises as ``server_context``."""
    return TlsFiles(
        {
            "certificate": tls.certificate,
            "key": tls.key,
            "authority": tls.ca,
            REVOCATIONS: tls.crl,
        },
        lambda: server_context(tls),
        time.time,
    )


def is_one_of(certificate: PeerCertificate | None, wanted: Iterable[str]) -> bool:
    """Whether a certificate is among those that were agreed: by fingerprint, subject or name.

    A subject or a name counts only if an authority of ours vouched for it.
    """
    if certificate is None:
        return False
    known = {certificate.fingerprint, certificate.subject, *certificate.names}
    known |= {
        part.removeprefix("commonName=")
        for part in certificate.subject.split(", ")
        if part.startswith("commonName=")
    }
    return any(
        one.strip() in known or one.replace(":", "").strip().lower() == certificate.fingerprint
        for one in wanted
        if one.strip()
    )


def why_refused(error: ssl.SSLError) -> str:
    """Why a handshake failed, in words for an operator, such as "certificate has expired"."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or "no TLS").replace("_", " ").lower()


def peer_certificate(connection: ssl.SSLObject | ssl.SSLSocket | None) -> PeerCertificate | None:
    """The peer's certificate, or None if it showed none."""
    raw = connection.getpeercert(binary_form=True) if connection is not None else None
    if connection is None or not raw:
        return None
    fields: dict[str, Any] = connection.getpeercert() or {}  # empty unless it was verified
    subject = [f"{name}={value}" for part in fields.get("subject", ()) for name, value in part]
    names = tuple(str(value) for _, value in fields.get("subjectAltName", ()))
    return PeerCertificate(hashlib.sha256(raw).hexdigest(), ", ".join(subject), names)
