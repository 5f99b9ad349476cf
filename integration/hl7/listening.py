"""Where the MLLP listener listens, and what a peer may hold on to."""

from __future__ import annotations

from dataclasses import dataclass

from integration.hl7 import mllp
from integration.hl7.tls import ServerTls


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerConfig:
    """Where to listen and what to allow; port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = 2575
    tls_port: int | None = None
    tls: ServerTls | None = None
    threads: int = 8
    connections: int = 2_000
    connections_per_address: int = 64
    frame_bytes: int = mllp.MAX_FRAME
    # A begun message has this long, and what it takes at this rate.
    frame_seconds: float = 5.0
    bytes_per_second: int = 128 * 1024
    # So many messages longer than that are held at once; the next one is read when one of them
    # is answered. All connections together cannot fill the memory.
    large_bytes: int = 1024 * 1024
    large_frames: int = 4
    idle_seconds: float = 3600.0
    handshake_seconds: float = 5.0
    write_seconds: float = 30.0
    drain_seconds: float = 10.0
    release_2: bool = False  # every peer is told COMMIT or NAK, whatever is agreed with it
