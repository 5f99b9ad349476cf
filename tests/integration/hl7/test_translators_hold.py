"""Whatever a schedule, report or document message looks like: commands, or a refusal in words."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.hl7.commands import messages_of
from integration.hl7.er7 import Message
from integration.hl7.inbound import handle
from integration.hl7.routes import ROUTES
from integration.hl7.server import Peer
from integration.hl7.to_domain.request import Request
from ris.domain.errors import RisError
from ris.domain.exchange import MessageState
from ris.models import InboundMessage
from tests import make
from tests.integration.hl7.messages import profile

CASES = [
    path
    for kind in ("siu", "oru", "mdm")
    for path in sorted(
        (Path(__file__).resolve().parents[3] / "fixtures/hl7").glob(f"{kind}_*/*/in.hl7")
    )
]
PIECES = (
    "", '""', "^", "^^^", "~~", "&&", "\\.br\\", "\\X0D\\", "20290230", "99999999999999", "-1",
    "0", "é" * 70, "a" * 1100, "1.2.3", "D", "TX", "ED", "RP", "F", "C", "W",
    "^Application^PDF^Base64^=",
)  # fmt: skip
_changes = st.lists(
    st.tuples(st.integers(1, 20), st.integers(1, 40), st.sampled_from(PIECES)),
    min_size=1,
    max_size=6,
)


def changed(text: str, changes: list[tuple[int, int, str]]) -> str:
    """The message with fields overwritten; a large field number takes its segment out."""
    lines = [line.split("|") for line in text.strip().split("\n")]
    for line, field, piece in changes:
        at = line % len(lines)
        if at == 0:
            continue
        if field > 38:
            lines[at] = ["ZZZ"]
            continue
        lines[at] += [""] * (field + 1 - len(lines[at]))
        lines[at][field] = piece
    return "\r".join("|".join(line) for line in lines) + "\r"


@pytest.mark.parametrize("case", CASES, ids=[f"{p.parts[-3]}-{p.parts[-2]}" for p in CASES])
@settings(max_examples=25, deadline=None)
@given(changes=_changes)
def test_any_field_may_hold_anything(case: Path, changes: list[tuple[int, int, str]]) -> None:
    message = Message.from_bytes(changed(case.read_text("utf-8"), changes).encode())
    route = ROUTES[message.header.code, message.header.trigger]

    with suppress(RisError):
        requests = route.translate(message, profile())
        assert all(isinstance(request, Request) for request in requests)


@pytest.mark.django_db
@pytest.mark.usefixtures("accepting")
def test_none_of_it_is_our_own_fault() -> None:
    """Applied for real: done or refused in words, never an internal error."""
    make.site()
    make.device()
    dice = random.Random(7)
    peer = Peer("127.0.0.1", 50000, 2575, 1)
    for number, case in enumerate(CASES * 4):
        earlier = case.parent / "before.hl7"
        for raw in messages_of(earlier.read_bytes()) if earlier.is_file() else ():
            handle(raw, peer)
        changes = [
            (dice.randint(1, 20), dice.randint(1, 40), dice.choice(PIECES))
            for _ in range(dice.randint(0, 3))
        ]
        text = changed(case.read_text("utf-8"), changes)
        handle(text.replace("|P|2.5.1|", f".{number}|P|2.5.1|", 1).encode(), peer)

    failed = InboundMessage.objects.filter(state=MessageState.FAILED.value)

    assert [message.error for message in failed] == []
    assert InboundMessage.objects.filter(state=MessageState.APPLIED.value).count() > len(CASES)
