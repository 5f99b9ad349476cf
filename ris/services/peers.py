"""What the edges lend to the pages: a test of a connection, and stored messages made readable.

Each edge registers what it can do when its app is loaded; a protocol without a row here cannot be
tested, and its messages are shown as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import structlog

from ris.domain.errors import UnsupportedError
from ris.domain.exchange import Protocol

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom to try: ``name`` is what it is called on the wire (an AE title), ``settings`` the
    protocol's own, as an endpoint has them."""

    host: str
    port: int
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probed:
    """How a test of a connection ended, in words for people."""

    ok: bool
    words: str
    milliseconds: int = 0


# Tries once, within a few seconds, and raises nothing for a peer's fault: what went wrong, or "".
Probe = Callable[[Peer], str]
# A stored message as JSON that a page can show (DICOM datasets as DICOM JSON), or None.
Reader = Callable[[bytes], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the standard does not have like that; ``level`` is error or warning."""

    path: str
    level: str
    text: str


# Everything the standard says against a message; may take seconds, raises RisError for what cannot
# be looked at. The second argument is the character set of the endpoint.
Checker = Callable[[bytes, str], Sequence[Finding]]

_CHECKERS: dict[Protocol, Checker] = {}
_PROBES: dict[Protocol, Probe] = {}
_READERS: dict[Protocol, Reader] = {}


def register_probe(protocol: Protocol, probe: Probe) -> None:
    _PROBES[protocol] = probe


def register_reader(protocol: Protocol, reader: Reader) -> None:
    _READERS[protocol] = reader


def register_checker(protocol: Protocol, checker: Checker) -> None:
    _CHECKERS[protocol] = checker


def can_check(protocol: Protocol) -> bool:
    return protocol in _CHECKERS


def check_message(protocol: Protocol, raw: bytes, character_set: str = "") -> Sequence[Finding]:
    """What a whole validator has to say of a message; for a person who waits.

    Raises UnsupportedError where there is none, InvalidValueError and BusyError if it cannot look.
    """
    checker = _CHECKERS.get(protocol)
    if checker is None:
        raise UnsupportedError(f"there is no validator for {protocol.value} messages")
    return checker(raw, character_set)


def can_test(protocol: Protocol) -> bool:
    return protocol in _PROBES


def test_connection(protocol: Protocol, peer: Peer) -> Probed:
    """Ask a peer whether it answers, with the least a protocol has for that (DICOM: C-ECHO).

    Waits for the network, so never inside a transaction. Raises UnsupportedError where the edge
    offers no test.
    """
    probe = _PROBES.get(protocol)
    if probe is None:
        raise UnsupportedError(f"there is no test of a {protocol.value} connection")
    started = monotonic()
    try:
        fault = probe(peer)
    except Exception as error:
        log.exception("a test of a connection failed", protocol=protocol.value)
        fault = f"internal error ({type(error).__name__})"
    took = round((monotonic() - started) * 1000)
    return Probed(not fault, fault or "answers", took)


def readable(protocol: Protocol, raw: bytes) -> Mapping[str, Any] | None:
    """A stored message as JSON for the eye; None if there is nothing better than its bytes."""
    reader = _READERS.get(protocol)
    if reader is None:
        return None
    try:
        return reader(raw)
    except Exception as error:
        # Old or foreign bytes: the page shows them as they are.
        log.debug("a stored message is not readable", error=type(error).__name__)
        return None
