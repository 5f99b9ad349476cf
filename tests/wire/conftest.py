"""What several wire tests share."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import pytest

from tests.wire.mllp_sender import Client


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    """Opens senders and closes them at the end."""
    opened: list[Client] = []

    def connect(port: int, context: ssl.SSLContext | None = None) -> Client:
        opened.append(Client(port, context))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()
