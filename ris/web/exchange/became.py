"""Lines of messages that were not applied, with what became of them since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ris.selectors.messages import STUCK_MESSAGE, InboundLine
from ris.services.became import became


def with_what_became(lines: Sequence[InboundLine]) -> list[InboundLine]:
    stuck = [line.public_id for line in lines if line.state in STUCK_MESSAGE]
    found = became(stuck) if stuck else {}
    return [
        replace(line, became=later.message, became_at=later.at)
        if (later := found.get(line.public_id))
        else line
        for line in lines
    ]
