"""The listener in a process of its own, with a service that answers from memory.

``python -m tests.swarm.server '{"deadlines": {…}, "limits": {…}, "tls": "FOLDER"}'`` prints its
ports and serves until it is ended.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import structlog

from tests.wire.dicom_service import Handlers
from worklist.config import Deadlines, Limits, ListenerConfig, Tls
from worklist.server import serve
from worklist.service import FindAnswer
from worklist.upper_layer import UpperLayer

# A worklist entry's worth of bytes.
ROW = b"\x10\x00\x00\x40\x38\x04\x00\x00" + b"X" * 1_080
ENDLESS = b"ENDLESS"  # in a query: answered with rows without end


def main(argv: list[str]) -> None:
    asked = json.loads(argv[0])
    handlers = Handlers()
    handlers.c_find = lambda request: FindAnswer(
        iter(lambda: ROW, None) if ENDLESS in request.dataset else [ROW] * 20
    )
    tls = None
    if "tls" in asked:
        folder = Path(asked["tls"])
        tls = Tls(port=0, certificate=folder / "ris.pem", key=folder / "ris.key")
    config = ListenerConfig(
        port=0,
        tls=tls,
        limits=Limits(**asked.get("limits", {})),
        deadlines=Deadlines(**asked.get("deadlines", {})),
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    serve(config, handlers, on_ready=_say)


def _say(layer: UpperLayer) -> None:
    sys.stdout.write(f"{layer.port} {layer.tls_port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
