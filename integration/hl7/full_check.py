"""Everything the standard says against a message, by hl7apy's own validator, on demand.

For the message page and ``ris hl7 check --full``; never on the way of a message that arrives. The
work is done by :mod:`.strict_child` in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

from integration.hl7 import charset as charsets
from integration.hl7 import schema
from integration.hl7.er7 import Message
from integration.hl7.er7_segment import Segment
from integration.hl7.er7_writer import copy, render
from ris.domain.errors import BusyError, InvalidValueError
from ris.domain.exchange import Protocol
from ris.services.peers import Finding, register_checker

MAX_BYTES = 100_000  # of text, documents aside
_LONG = 1_000  # characters of an observation that are looked at
_SECONDS = 15
_ROOT = Path(__file__).parents[2]
_one_at_a_time = threading.BoundedSemaphore(1)


def check_fully(raw: bytes, character_set: str = "") -> list[Finding]:
    """What hl7apy finds in a message, at most 200 things.

    Raises InvalidValueError for what cannot be read or is too long, BusyError if another message
    is being looked at or the look took too long.
    """
    message = Message.from_bytes(raw, default_charset=character_set or charsets.UTF_8)
    header = message.header
    version = schema.known_version(header.version)
    structure = schema.structure(version, header.code, header.trigger, header.structure) or ""
    lines = [_line(segment) for segment in message.segments()]
    if sum(map(len, lines)) > MAX_BYTES:
        raise InvalidValueError(f"longer than the {MAX_BYTES} characters that are looked at")
    asked = json.dumps({"version": version, "structure": structure, "lines": lines})
    if not _one_at_a_time.acquire(blocking=False):
        raise BusyError("another message is being looked at: try again in a moment")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "integration.hl7.strict_child"],
            input=asked.encode(),
            capture_output=True,
            timeout=_SECONDS,
            cwd=_ROOT,
            env={"PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BusyError("hl7apy took too long over this message") from None
    finally:
        _one_at_a_time.release()
    if done.returncode != 0:
        raise BusyError("hl7apy gave this message up: it is too much for it")
    return [Finding(*each) for each in json.loads(done.stdout)]


def _line(segment: Segment) -> str:
    """The segment in the usual delimiters, long observations and documents cut."""
    text = render(copy(segment))
    if segment.name != "OBX" or len(text) <= _LONG:
        return text.replace("\n", " ")
    fields = text.split("|")
    for number in range(5, len(fields)):
        if len(fields[number]) > _LONG:
            parts = fields[number].split("^")
            fields[number] = "^".join(part if len(part) <= 100 else "DATA" for part in parts)
    return "|".join(fields).replace("\n", " ")


register_checker(Protocol.HL7, check_fully)
