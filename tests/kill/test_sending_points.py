"""kill -9 of the sender at each point of sending one message (reliability 3.6, outbox).

A proxy between sender and receiver kills at the moment it sees, so each point is hit for certain:
when all of a message was sent and the receiver has none of it, when the answer is on its way, when
half of it was read, when it was received and may be noted or not.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from integration.hl7 import acks, server
from integration.hl7.er7 import Header
from integration.hl7.server import ListenerConfig, Peer
from tests.running import ROOT, clean_environment
from tests.wire.fault_proxy import Case, Fault, FaultProxy, well

# What is killed works on a file.
pytestmark = [pytest.mark.wire, pytest.mark.timeout(180), pytest.mark.only("sqlite")]

MESSAGES, LANES = 12, 2


class Receiver:
    """Takes everything; ``got`` are (control id, lane, number) in order."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, int]] = []

    def __call__(self, frame: bytes, peer: Peer) -> bytes:
        header = Header.read(frame)
        assert header is not None
        lane, number, _ = frame.rpartition(b"\rNTE|1||")[2].decode().split()
        self.got.append((header.control_id, lane, int(number)))
        return acks.acknowledge(header)


class Killer:
    """Kills whoever sends at the moment; its process id is in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.kills = 0

    def __call__(self) -> None:
        self.kills += 1
        os.kill(int(self.file.read_text()), signal.SIGKILL)


def points(kill: Killer) -> dict[str, Fault]:
    def with_all_sent(case: Case) -> bool:
        kill()
        return False

    def with_the_answer_on_its_way(case: Case) -> bool:
        case.exchange()
        kill()
        return False

    def with_half_of_the_answer(case: Case) -> bool:
        reply = case.exchange()
        case.client.sendall(reply[:20])
        kill()
        return False

    def with_the_answer_received(case: Case) -> bool:
        well(case)
        kill()
        return False

    return {
        "all sent": with_all_sent,
        "answer on its way": with_the_answer_on_its_way,
        "half of the answer": with_half_of_the_answer,
        "answer received": with_the_answer_received,
    }


@pytest.fixture
def environment(tmp_path: Path, transactional_db: None) -> dict[str, str]:
    """A data folder with the tables of the test's own database."""
    folder = tmp_path / "var"
    folder.mkdir()
    connection.ensure_connection()
    with closing(sqlite3.connect(folder / "ris.sqlite3")) as copy:
        connection.connection.backup(copy)
    return {**clean_environment(folder), "DJANGO_SETTINGS_MODULE": "ris.settings"}


@pytest.fixture
def line() -> Iterator[Callable[..., tuple[Receiver, FaultProxy]]]:
    receiver = Receiver()
    proxies: list[FaultProxy] = []
    with server.running(ListenerConfig(port=0), receiver) as listener:

        def start(*script: Fault) -> tuple[Receiver, FaultProxy]:
            proxies.append(FaultProxy(listener.port, *script))
            return receiver, proxies[-1]

        yield start
        for proxy in proxies:
            proxy.close()


def run(environment: dict[str, str], *arguments: str) -> list[int]:
    """What a program printed, a number to a line."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.splitlines()]


def test_wherever_the_sender_dies_all_arrives_in_order_and_repeats_are_no_more_than_deaths(
    environment: dict[str, str],
    line: Callable[..., tuple[Receiver, FaultProxy]],
    tmp_path: Path,
) -> None:
    kill = Killer(tmp_path / "sender")
    faults = list(points(kill).values())
    receiver, proxy = line(*[each for fault in faults for each in (well, fault)])
    run(environment, "benchmarks.queued", "PEER", f"{proxy.port}", f"{MESSAGES}", f"{LANES}", "0")

    ends = run(environment, "tests.kill.sender", str(kill.file))

    assert ends == [-signal.SIGKILL] * len(faults) + [0]
    control_ids = [control_id for control_id, _, _ in receiver.got]
    assert len(set(control_ids)) == MESSAGES
    assert len(control_ids) - MESSAGES <= kill.kills == len(faults)
    for lane in range(LANES):
        numbers = [number for _, told, number in receiver.got if told == str(lane)]
        assert list(dict.fromkeys(numbers)) == list(range(lane, MESSAGES, LANES))
        assert numbers == sorted(numbers)  # a repeat comes before what follows
