"""Mutated messages the whole way: each is answered or its connection closed, none fails here.

The fuzz targets stop before the database; this goes through the inbox. RIS_TEST_FUZZED sets how
many (150 by default).
"""

from __future__ import annotations

import os
from itertools import islice

import pytest

from integration.hl7.inbound import handle
from integration.hl7.server import Peer, Reply
from ris.models import InboundMessage
from tests import make
from tests.fuzz.hl7 import SEEDS, WORDS
from tests.fuzz.mutation import mutated

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("accepting")]

COUNT = int(os.environ.get("RIS_TEST_FUZZED", "150"))
START = int(os.environ.get("RIS_TEST_FUZZED_START", "1"))
PEER = Peer("127.0.0.1", 50000, 2575, 1)


def test_whatever_comes_is_answered_or_closed_and_kept() -> None:
    make.site()
    make.device()
    closed = answered = 0
    for raw in islice(mutated(SEEDS["hl7_message"](), START, WORDS), COUNT):
        reply = handle(raw, PEER)
        if reply is None:
            closed += 1
            continue
        assert isinstance(reply, Reply)
        assert b"MSA" in reply.payload or raw.lstrip()[:3] in (b"BHS", b"FHS"), raw
        answered += 1

    failed = InboundMessage.objects.filter(state="FAILED")
    assert [(bytes(each.raw), each.error) for each in failed] == []
    assert closed + answered == COUNT
    assert answered > COUNT / 2
