"""Connects so many times a second from one address, as a broken device does, and keeps none long.

Run as ``python -m benchmarks.clients.flood PORT RATE``; ends with its standard input, and then
prints how many connections it made and how many of them the listener ended or refused.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections import deque

ADDRESS = "127.7.0.1"
_LIVE_SECONDS = 0.5
_HELLO = b"\x01\x00\x00\x00\x00\x10"  # the head of an association request, and nothing more


def flood(port: int, rate: float) -> tuple[int, int]:
    """Connect until standard input ends; the connections made, and those the listener ended."""
    living: deque[tuple[float, socket.socket]] = deque()
    made = ended = 0
    began = time.monotonic()
    while not select.select([0], [], [], 0)[0] or os.read(0, 1):
        now = time.monotonic()
        while living and now - living[0][0] > _LIVE_SECONDS:
            ended += _ended(living.popleft()[1])
        if made < rate * (now - began):
            client = socket.socket()
            client.bind((ADDRESS, 0))
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            living.append((now, client))
            made += 1
        else:
            time.sleep(0.0005)
    ended += sum(_ended(client) for _, client in living)
    return made, ended


def _ended(client: socket.socket) -> bool:
    with client:
        try:
            client.send(_HELLO)
            return not client.recv(4_096)
        except BlockingIOError:
            return False
        except OSError:
            return True


if __name__ == "__main__":
    made, ended = flood(int(sys.argv[1]), float(sys.argv[2]))
    print(made, ended)
