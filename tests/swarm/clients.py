"""Many clients at once, from several loopback addresses as if they were many machines."""

from __future__ import annotations

import json
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.running import ROOT
from tests.wire.dicom_peer import WORKLIST, Peer, associate_rq, context, find_rq

_TICKS = os.sysconf("SC_CLK_TCK")
_PER_ADDRESS = 50  # below the limit of 64, and of 32 for each AE title

# A ClientHello that announces more than it sends.
HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 40
HALF_PDU = associate_rq(context(1, WORKLIST))[:3]


def size(ordinary: int) -> int:
    """How many clients of a kind, unless the environment wants more."""
    asked = int(os.environ.get("RIS_TEST_SWARM", "0"))
    return max(ordinary, asked)


@dataclass(frozen=True, slots=True)
class Listener:
    """The process under attack."""

    pid: int
    port: int
    tls_port: int

    @property
    def memory(self) -> float:
        """Resident, in MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def cpu(self) -> float:
        """Seconds it has computed since its start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def sockets(self) -> int:
        """Open connections, those to the listener's own ends left out."""
        names = Path(f"/proc/{self.pid}/fd").iterdir()
        return sum(1 for one in names if _is_socket(one))


def _is_socket(path: Path) -> bool:
    try:
        return path.readlink().name.startswith("socket:")
    except OSError:
        return False


@contextmanager
def listener(module: str = "tests.swarm.server", **asked: Any) -> Iterator[Listener]:
    """A listener with these deadlines, limits and TLS files."""
    with subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(asked)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            port, tls_port = map(int, process.stdout.readline().split())
            yield Listener(process.pid, port, tls_port)
        finally:
            process.kill()


def connect(port: int, number: int = 0) -> socket.socket:
    """A connection from one of many addresses of this machine."""
    source = f"127.0.{1 + number // _PER_ADDRESS}.1"
    made = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def crowd(stack: ExitStack, port: int, count: int, says: bytes = b"") -> list[socket.socket]:
    """So many connections that say the same and then nothing more."""
    made = []
    for number in range(count):
        one = stack.enter_context(connect(port, number))
        one.sendall(says)
        made.append(one)
    return made


def idlers(stack: ExitStack, port: int, count: int) -> list[socket.socket]:
    """So many established associations, each 30 under another AE title."""
    made = []
    for number in range(count):
        one = stack.enter_context(connect(port, number))
        one.sendall(associate_rq(context(1, WORKLIST), calling=f"IDLE{number // 30}"))
        assert one.recv(6)[0] == 2
        made.append(one)
    return made


def honest(port: int, certificates: Path | None = None) -> float:
    """Associate, query, release, as a scanner does; the seconds it took."""
    began = time.perf_counter()
    with Peer(port, seconds=20) as peer:
        if certificates is not None:
            context_ = ssl.create_default_context(cafile=str(certificates / "authority.pem"))
            peer.socket = context_.wrap_socket(peer.socket, server_hostname="127.0.0.1")
        peer.associate(context(1, WORKLIST), calling="CT1")
        peer.send(find_rq())
        rows, final = peer.answer()
        assert (len(rows), final.status) == (20, 0x0000)
    return time.perf_counter() - began


def is_ended(one: socket.socket, seconds: float = 20.0) -> bool:
    """Whether the listener ends this connection; what it says before is skipped."""
    one.settimeout(seconds)
    try:
        while one.recv(4_096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def is_cut_off(one: socket.socket, seconds: float = 20.0) -> bool:
    """Whether the listener resets this connection, of which nobody reads."""
    poll = select.poll()
    poll.register(one, 0)  # errors and the end are told anyway
    return bool(poll.poll(seconds * 1_000))


def long_pdu(kind: int, length: int) -> bytes:
    return struct.pack(">BBL", kind, 0, length)
