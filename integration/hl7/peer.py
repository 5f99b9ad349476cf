"""Who a message came from and what goes back: between the listener and whoever handles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from integration.hl7.tls import PeerCertificate


@dataclass(frozen=True, slots=True)
class Peer:
    """Who sent a message; ``connection`` numbers the connections since the start.

    ``folder`` names the endpoint whose pick-up folder a file came from, instead of a connection.
    """

    address: str
    port: int
    local_port: int
    connection: int
    tls: bool = False
    certificate: PeerCertificate | None = None
    folder: str = ""


class Commit(Enum):
    """What goes before an answer under release 2 of MLLP (its 1.2.2.2)."""

    NONE = "none"  # release 1
    STORED = "stored"  # 0x06: it is in safe storage
    NOT_STORED = "not stored"  # 0x15, and no answer: send it again


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose sender wants to know whether it could be written.

    ``sent`` is called in a handler thread, after the write, with whether it succeeded. Without a
    ``payload`` nothing is said (MSH-15 asks for no answer), and the connection goes on. It is not
    ``complete`` if an envelope announced more than came, or less.
    """

    payload: bytes
    sent: Callable[[bool], None]
    commit: Commit = Commit.NONE
    complete: bool = True


Handle = Callable[[bytes, Peer], "bytes | Reply | None"]

# Told of the address of a connection that was refused, and why.
Refused = Callable[[str, str], None]
