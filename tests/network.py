"""No test talks to anything but this machine.

Said at the sockets: an audit hook would see as much, but Python calls it with each ``id()``, some
ten thousand times in a test of a page.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import wraps
from typing import Any


def refuse_outside() -> None:
    """From now on no socket of this process connects to another machine."""
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _loopback_only(getattr(socket.socket, name)))


def _loopback_only(connect: Any) -> Any:
    @wraps(connect)
    def to(own: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            raise AssertionError(f"a test tried to reach {address[0]}; only loopback is allowed")
        return connect(own, address)

    return to


def _is_loopback(host: str) -> bool:
    if host in {"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
