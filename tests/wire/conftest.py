"""What several wire tests share."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import pytest

from tests.wire.mllp_sender import Client


@pytest.fixture(autouse=True)
def _nobody_is_avoided() -> Iterator[None]:
    """A peer that failed in one test is called at once in the next."""
    from ris.services import outbox  # this file is read before Django is set up

    outbox.reset_breaker()
    yield
    outbox.reset_breaker()


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
