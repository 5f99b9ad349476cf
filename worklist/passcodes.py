"""Passcodes of devices that identify themselves (PS3.7 D.3.3.7, kind 2), kept as hashes.

A device's settings are seen by many, so they hold what ``ris passcode`` prints. Hashing is slow on
purpose; a passcode that was right once is recognized by a quick digest that only this process
knows, so a scanner that associates every minute costs nothing.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import hmac
import re
import secrets
import sys
from threading import Event, Lock
from time import monotonic

from ris.terminal import complain, say

_FORM = re.compile(r"scrypt:([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
# 8 MiB and some 20 ms for each guess.
_COST, _BLOCK = 2**13, 8
_SHORTEST = 8
# After a wrong passcode others are not even looked at for so long; one known to be right is.
_PAUSE_SECONDS = 1.0
_MOST_PAUSED = 1_000


def hashed(passcode: str) -> str:
    """A passcode as a device's settings hold it."""
    salt = secrets.token_bytes(16)
    digest = _digest(passcode.encode(), salt)
    return f"scrypt:{base64.b64encode(salt).decode()}:{base64.b64encode(digest).decode()}"


def is_hash(text: object) -> bool:
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def _digest(passcode: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(passcode, salt=salt, n=_COST, r=_BLOCK, p=1, dklen=32)


def _fits(stored: str, passcode: bytes) -> bool:
    form = _FORM.fullmatch(stored)
    if form is None:
        return False
    salt, digest = (base64.b64decode(part) for part in form.groups())
    return hmac.compare_digest(_digest(passcode, salt), digest)


class Passcodes:
    """Checks passcodes; safe to use from several threads."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}  # by hash
        self._paused: dict[str, float] = {}
        self._looked_at: dict[str, tuple[bytes, Event]] = {}  # by hash: what, and when that is over
        self._lock = Lock()

    def is_right(self, stored: str, passcode: bytes) -> bool | None:
        """Whether ``passcode`` is the one that was hashed to ``stored``; None: not looked at."""
        quick = hmac.digest(self._secret, passcode, "sha256")
        with self._lock:
            if hmac.compare_digest(self._right.get(stored, b""), quick):
                return True
            asked, over = self._looked_at.get(stored, (b"", None))
            if over is None or not hmac.compare_digest(asked, quick):
                now = monotonic()
                if now < self._paused.get(stored, 0.0):
                    return None
                if len(self._paused) >= _MOST_PAUSED:
                    self._paused.clear()
                # Set before the slow part, so that guesses at the same time do not all get to it.
                self._paused[stored] = now + _PAUSE_SECONDS
                mine = self._looked_at[stored] = quick, Event()
                over = None
        if over is None:
            return self._look(stored, passcode, mine)
        # A scanner opens several associations at once: the others have the first one's answer.
        over.wait(_PAUSE_SECONDS)
        with self._lock:
            return hmac.compare_digest(self._right.get(stored, b""), quick)

    def _look(self, stored: str, passcode: bytes, mine: tuple[bytes, Event]) -> bool:
        """The slow part."""
        right = False
        try:
            right = _fits(stored, passcode)
        finally:
            with self._lock:
                if right:
                    self._right[stored] = mine[0]
                    self._paused.pop(stored, None)
                if self._looked_at.get(stored) is mine:  # none began after the pause
                    del self._looked_at[stored]
            mine[1].set()
        return right


def main(argv: list[str]) -> int:
    """Ask for a passcode and print what goes into the device's settings."""
    argparse.ArgumentParser(
        prog="ris passcode",
        description="Hash the passcode of a device that identifies itself (user identity "
        "negotiation). Read from the terminal, or as one line from standard input.",
    ).parse_args(argv)
    if sys.stdin.isatty():
        passcode = getpass.getpass("Passcode: ")
    else:
        passcode = sys.stdin.readline().rstrip("\n")
    if len(passcode) < _SHORTEST:
        complain(f"ris: a passcode has {_SHORTEST} characters or more")
        return 1
    say(f'passcode = "{hashed(passcode)}"')
    return 0
