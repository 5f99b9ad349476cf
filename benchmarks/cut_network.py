"""How long the DICOM listener keeps associations whose network was cut (R20).

Run on Linux as root by ``unshare -n python -m benchmarks.cut_network``: in a network of its own the
loopback interface is taken down under ten open associations. Nobody closes anything; the listener
has to notice. The goal is 60 seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pynetdicom import AE
from pynetdicom.association import Association

from benchmarks.servers import ris
from benchmarks.servers.ris import AE_TITLE

_COUNT = 10
_VERIFICATION = "1.2.840.10008.1.1"
_SETTLE_SECONDS = 1.0  # what looked whether we listen is gone by then
_PATIENCE_SECONDS = 120.0


def main() -> int:
    _link("up")
    with tempfile.TemporaryDirectory() as folder:
        site = ris.site(Path(folder) / "site")
        with ris.part(site, "dicom") as part:
            kept = [_opened(part.port) for _ in range(_COUNT)]
            time.sleep(_SETTLE_SECONDS)
            held = _sockets(part.pid)
            _link("down")
            seconds = _until_gone(part.pid, held - len(kept))
            _link("up")
    sys.stdout.write(f"{_COUNT} associations were given up after {seconds:.1f} s\n")
    sys.stdout.flush()
    os._exit(0 if seconds <= 60 else 1)  # the associations' own threads wait for ever


def _link(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def _opened(port: int) -> Association:
    ae = AE("BENCHSCU")
    ae.add_requested_context(_VERIFICATION)
    ae.network_timeout = None
    association = ae.associate("127.0.0.1", port, ae_title=AE_TITLE)
    if not association.is_established:
        raise ris.BenchmarkError("no association")
    return association


def _sockets(pid: int) -> int:
    links = Path(f"/proc/{pid}/fd").iterdir()
    return sum(str(link.readlink()).startswith("socket:") for link in links)


def _until_gone(pid: int, count: int) -> float:
    began = time.monotonic()
    while _sockets(pid) > count and time.monotonic() - began < _PATIENCE_SECONDS:
        time.sleep(0.1)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
