"""What is kept of what peers send stays small, whatever they send (R22)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import make
from tests.worklist import requests
from worklist.handlers import Handlers
from worklist.service import Association, Request
from worklist.sop_classes import IMPLICIT_VR_LITTLE_ENDIAN, MODALITY_WORKLIST_FIND, Operation

pytestmark = pytest.mark.django_db(transaction=True)

MOST_MEMORY = 20.0  # MiB


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.fixture
def server() -> Iterator[Handlers]:
    make.site()
    make.device("CT1", "CT")
    handlers = requests.handlers()
    yield handlers
    handlers.close()


def long_query(number: int, size: int = 900_000) -> Request:
    """A query for an accession number, and a long private element nobody asked for."""
    noise = struct.pack("<HHL", 0x0009, 0x1001, size) + struct.pack("<L", number) * (size // 4)
    key = b"\x08\x00\x50\x00\x04\x00\x00\x00A1  "
    return Request(
        Association(1, requests.caller()),
        Operation.C_FIND,
        1,
        1,
        MODALITY_WORKLIST_FIND,
        IMPLICIT_VR_LITTLE_ENDIAN,
        key + noise,
    )


def test_long_queries_are_not_kept_in_memory(server: Handlers) -> None:
    for number in range(3):
        server.c_find(long_query(number))
    before = resident()

    for number in range(3, 63):
        answer = server.c_find(long_query(number))
        assert answer.final.status == 0x0000

    assert resident() - before <= MOST_MEMORY
