"""The tests stay on this machine, whichever way a socket is used."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest

OUTSIDE = "192.0.2.1"  # RFC 5737: nobody is there


async def _streamed() -> None:
    await asyncio.open_connection(OUTSIDE, 9)


def _encrypted() -> None:
    with ssl.create_default_context().wrap_socket(
        socket.socket(), server_hostname=OUTSIDE, do_handshake_on_connect=False
    ) as encrypted:
        encrypted.connect((OUTSIDE, 9))


def _plain() -> None:
    with socket.socket() as plain:
        plain.connect((OUTSIDE, 9))


def _with_a_code() -> None:
    with socket.socket() as plain:
        plain.connect_ex((OUTSIDE, 9))


@pytest.mark.parametrize(
    "reach", [_plain, _with_a_code, _encrypted, lambda: asyncio.run(_streamed())]
)
def test_no_test_reaches_another_machine(reach: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match=f"a test tried to reach {OUTSIDE}"):
        reach()


def test_tests_reach_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
