"""The MLLP listener in a process of its own, with a handler that reads and answers from memory.

``python -m tests.swarm.hl7_server '{"config": {…}, "tls": "FOLDER"}'`` prints its ports and serves
until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

import structlog

from integration.hl7 import acks
from integration.hl7.er7 import Header, Message
from integration.hl7.server import Listener, ListenerConfig, Peer, serve
from integration.hl7.tls import ServerTls
from ris.domain.errors import RisError


def answer(frame: bytes, peer: Peer) -> bytes | None:
    """Read all of a message, as the inbox does, and acknowledge it."""
    header = Header.read(frame)
    if header is None:
        return None
    try:
        message = Message.from_bytes(frame)
        for path in ("PID-3.1", "PID-5.1", "ORC-1", "ORC-2.1", "OBR-4.1", "OBX-5"):
            message.get(path)
    except RisError as error:
        return acks.acknowledge(header, error)
    return acks.acknowledge(message.header)


def main(argv: list[str]) -> None:
    asked = json.loads(argv[0])
    tls = None
    if "tls" in asked:
        folder = Path(asked["tls"])
        tls = ServerTls(folder / "ris.pem", folder / "ris.key")
    config = ListenerConfig(
        port=0, tls_port=0 if tls else None, tls=tls, threads=4, **asked.get("config", {})
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(serve(config, answer, asyncio.Event(), _say))


def _say(listener: Listener) -> None:
    sys.stdout.write(f"{listener.port} {listener.tls_port or 0}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
