"""The key that signs sessions, made once in the data directory."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

NAME = "secret-key"


def read_or_create(home: Path) -> str:
    """The stored key; several processes may start at once and all must see the same one."""
    path = home / NAME
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="ascii")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = home / f".{NAME}.{os.getpid()}"
    handle = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        # A link appears complete or not at all, and only the first one wins.
        with contextlib.suppress(FileExistsError):
            os.link(own, path)
    finally:
        own.unlink()
    return path.read_text(encoding="ascii")
