"""Settings of the DICOM listener: addresses, TLS files, limits and deadlines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path

from worklist.sop_classes import SOP_CLASSES, SopClass

# Fixed for this product: a UUID-derived UID (PS3.5 B.2), never to be changed.
IMPLEMENTATION_CLASS_UID = "2.25.223376034801669367239495789826682216058"

_AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one peer, or all together, may take."""

    associations: int = 2_000
    associations_per_address: int = 64
    associations_per_ae_title: int = 32
    associate_pdu_bytes: int = 64 * 1024
    contexts: int = 128
    transfer_syntaxes: int = 1_024  # proposed in one request, over all contexts
    pdu_bytes: int = 128 * 1024  # announced as Maximum Length Received
    command_set_bytes: int = 64 * 1024
    waiting_requests: int = 16  # sent ahead by a peer although the window is 1
    write_buffer_bytes: int = 128 * 1024  # no more rows are drawn above this
    held_bytes: int = 128 * 1024 * 1024  # of messages of all associations, until answered
    held_bytes_free: int = 64 * 1024  # that each association may have in any case

    def __post_init__(self) -> None:
        _require_positive(self)
        if self.pdu_bytes < 4_096:
            raise ValueError("pdu_bytes is below 4096, too small for some peers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long we wait, in seconds."""

    associate: float = 5.0  # for the whole A-ASSOCIATE-RQ, and for the peer to close (ARTIM)
    pdu: float = 10.0  # for the rest of a PDU once its first byte came
    message: float = 30.0  # for the rest of a DIMSE message once its first PDU came
    idle: float = 60.0
    idle_holding: float = 600.0  # associations with an MPPS context: kept for a whole examination
    write: float = 30.0  # for a peer to read what was sent
    tls_handshake: float = 5.0
    linger: float = 1.0  # between our A-ABORT and the closing of the connection
    drain: float = 10.0  # for running operations at a stop

    def __post_init__(self) -> None:
        _require_positive(self)


class TlsProfile(StrEnum):
    """The secure transport profiles of PS3.15 that are not retired; both are TLS 1.2 or newer."""

    BCP195 = "bcp195"  # B.12
    MODIFIED = "modified"  # B.13


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The TLS listener beside the plain one; its files may be replaced while it runs."""

    port: int
    certificate: Path
    key: Path
    ca: Path | None = None
    crl: Path | None = None  # one list for each authority in ``ca`` that signs clients
    require_client_certificate: bool = False
    profile: TlsProfile = TlsProfile.BCP195

    def __post_init__(self) -> None:
        if self.require_client_certificate and self.ca is None:
            raise ValueError("a client certificate cannot be required without a CA file")
        if self.crl is not None and self.ca is None:
            raise ValueError("a revocation list needs a CA file")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerConfig:
    """Everything the listener needs to know; port 0 takes a free one."""

    ae_title: str = "RIS"
    host: str = "127.0.0.1"
    port: int = 11112
    tls: Tls | None = None
    plain: bool = True  # False leaves only the TLS listener
    backlog: int = 512
    reuse_port: bool = False  # several processes on one port; the kernel spreads connections
    threads: int = 8
    implementation_version_name: str = "RIS"
    # Service class application information for worklist queries (PS3.4 K.5.1).
    fuzzy_names: bool = False
    timezone_adjustment: bool = False
    sop_classes: tuple[SopClass, ...] = SOP_CLASSES
    limits: Limits = field(default_factory=Limits)
    deadlines: Deadlines = field(default_factory=Deadlines)

    def __post_init__(self) -> None:
        if not _AE_TITLE.fullmatch(self.ae_title) or not self.ae_title.strip():
            raise ValueError("an AE title has 1 to 16 characters, without backslash")
        if not 1 <= len(self.implementation_version_name) <= 16:
            raise ValueError("an implementation version name has 1 to 16 characters")
        if not self.plain and self.tls is None:
            raise ValueError("neither a plain nor a TLS listener is configured")
        if self.threads < 1 or self.backlog < 1:
            raise ValueError("threads and backlog must be positive")


def _require_positive(settings: Limits | Deadlines) -> None:
    for setting in fields(settings):
        if getattr(settings, setting.name) <= 0:
            raise ValueError(f"{setting.name} must be positive")
