"""Messages handed to the product as the listener would, and what is answered."""

from __future__ import annotations

from typing import Any

from integration.hl7.inbound import handle
from integration.hl7.server import Peer, Reply
from ris.domain.actors import OPERATOR
from ris.domain.exchange import ConfigureEndpoint, Direction, Protocol
from ris.services import execute

PEER = Peer("127.0.0.1", 50000, 2575, 1)


def register(name: str = "HIS", protocol_name: str = "HIS^GENERAL", **fields: Any) -> None:
    execute(
        ConfigureEndpoint(
            name=name,
            protocol=Protocol.HL7,
            direction=Direction.IN,
            protocol_name=protocol_name,
            **fields,
        ),
        actor=OPERATOR,
    )


def answer(message: str | bytes, peer: Peer = PEER) -> list[str]:
    """The answer's segments."""
    raw = message if isinstance(message, bytes) else message.encode()
    reply = handle(raw, peer)
    assert isinstance(reply, Reply)
    return [line for line in reply.payload.decode().split("\r") if line]


def answered(message: str | bytes) -> list[str]:
    """MSA-1, and code and place of each fault, in one list."""
    code, faults = outcome(message)
    return [code, *faults]


def outcome(message: str | bytes) -> tuple[str, list[str]]:
    """MSA-1, and code and place of each fault."""
    segments = answer(message)
    faults = []
    for segment in segments:
        if segment.startswith("ERR|") and segment.split("|")[1]:
            for repetition in segment.split("|")[1].split("~"):
                parts = repetition.split("^")
                faults.append(f"{parts[3].split('&')[0]} {'^'.join(parts[:3])}")
        elif segment.startswith("ERR|"):
            fields = segment.split("|")
            faults.append(f"{fields[3].split('^')[0]} {fields[2]}")
    return segments[1].split("|")[1], faults
