"""TLS for the listener: the server's settings and what we keep of a peer's certificate."""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

from worklist.config import Tls
from worklist.service import PeerCertificate

# BCP 195: forward secrecy and authenticated encryption only (PS3.15 B.12).
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK:!SRP:!aDSS"


def server_context(tls: Tls) -> ssl.SSLContext:
    """The settings of the TLS listener; raises OSError or ssl.SSLError for bad files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_ciphers(_CIPHERS)
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.ca is not None:
        context.load_verify_locations(tls.ca)
        required = tls.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def peer_certificate(connection: ssl.SSLObject | None) -> PeerCertificate | None:
    """The peer's certificate, or None if it sent none."""
    raw = connection.getpeercert(binary_form=True) if connection is not None else None
    if connection is None or not raw:
        return None
    # Empty unless the certificate was verified.
    fields: dict[str, Any] = connection.getpeercert() or {}
    subject = [f"{name}={value}" for part in fields.get("subject", ()) for name, value in part]
    names = [value for _, value in fields.get("subjectAltName", ())]
    return PeerCertificate(hashlib.sha256(raw).hexdigest(), ", ".join(subject), tuple(names))
