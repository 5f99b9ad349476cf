"""``ris replay``: apply messages again that were rejected or failed."""

from __future__ import annotations

import argparse

from ris.domain.actors import OPERATOR
from ris.domain.errors import RisError
from ris.domain.exchange import MessageState, ReplayMessage
from ris.models import InboundMessage
from ris.services import execute
from ris.terminal import complain, say, table

SHOWN = 50


def main(argv: list[str]) -> int:
    """Replay the named messages, or all that failed; 1 if one was refused again."""
    parser = argparse.ArgumentParser(
        prog="ris replay",
        description="Apply stored messages again that were rejected or failed, oldest first. "
        "Without arguments, list them.",
    )
    parser.add_argument("id", nargs="*", help="id or control id of a message")
    parser.add_argument(
        "--failed", action="store_true", help="every message that failed by our fault"
    )
    parser.add_argument("--rejected", action="store_true", help="every message that was rejected")
    parser.add_argument("--reason", default="", help="written to the audit")
    arguments = parser.parse_args(argv)
    states = [
        state.value
        for state, asked in (
            (MessageState.FAILED, arguments.failed),
            (MessageState.REJECTED, arguments.rejected),
        )
        if asked
    ]
    if not states and not arguments.id:
        return _list()
    ids = [*_named(arguments.id), *_in_states(states)]
    if not ids:
        say("nothing to replay")
        return 0
    applied = [_replay(one, arguments.reason) for one in ids]
    return 0 if all(applied) else 1


def _list() -> int:
    unfinished = [MessageState.FAILED.value, MessageState.REJECTED.value]
    rows: list[tuple[str, ...]] = [("id", "received", "type", "from", "state", "why")]
    found = InboundMessage.objects.filter(state__in=unfinished, resolved_at=None)
    rows += [
        (
            str(one.public_id),
            f"{one.received_at:%Y-%m-%d %H:%M}",
            one.message_type,
            one.sender,
            one.state.lower(),
            one.error_path or one.error_id,
        )
        for one in found.order_by("-received_at")[:SHOWN]
    ]
    table(rows)
    return 0


def _named(names: list[str]) -> list[str]:
    """Public ids of the named messages; a control id may name several."""
    found = []
    for name in names:
        keys = [str(one.public_id) for one in InboundMessage.objects.filter(key=name)]
        found += keys or [name]
    return found


def _in_states(states: list[str]) -> list[str]:
    rows = InboundMessage.objects.filter(state__in=states, resolved_at=None).order_by("received_at")
    return [str(one) for one in rows.values_list("public_id", flat=True)]


def _replay(public_id: str, reason: str) -> bool:
    try:
        execute(ReplayMessage(message=public_id, reason=reason), actor=OPERATOR)
    except RisError as error:
        complain(f"{public_id}: {error.message}")
        return False
    row = InboundMessage.objects.get(public_id=public_id)
    say(f"{public_id}: {row.state.lower()}")
    return row.state == MessageState.APPLIED.value
