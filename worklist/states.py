"""The states of an association acceptor, and what a peer may send in each (PS3.8 9.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from worklist.config import Limits
from worklist.pdu import AbortReason, PduError, PduType

_FIXED_REST: Final = 4  # length of A-RELEASE and A-ABORT PDUs after the header


class State(IntEnum):
    """Named as in PS3.8 Tables 9-1 to 9-5, which give the numbers."""

    AWAITING_REQUEST = 2
    NEGOTIATING = 3
    ESTABLISHED = 6
    RELEASING = 7  # we asked for release
    RELEASE_COLLIDED = 10  # and so did the peer
    CLOSING = 13
    CLOSED = 1


_RELEASING = frozenset({State.RELEASING, State.RELEASE_COLLIDED})
_NEVER: frozenset[State] = frozenset()

_EXPECTED: Mapping[int, frozenset[State]] = {
    PduType.ASSOCIATE_RQ: frozenset({State.AWAITING_REQUEST}),
    PduType.ASSOCIATE_AC: _NEVER,  # we never ask
    PduType.ASSOCIATE_RJ: _NEVER,
    PduType.P_DATA_TF: _RELEASING | {State.ESTABLISHED},
    PduType.RELEASE_RQ: frozenset({State.ESTABLISHED, State.RELEASING}),
    PduType.RELEASE_RP: _RELEASING,
    PduType.ABORT: frozenset(State),
}


def check_header(kind: int, length: int, state: State, limits: Limits) -> None:
    """Refuse a PDU by its header alone: unknown, not expected now, or too long."""
    expected = _EXPECTED.get(kind)
    if expected is None:
        raise PduError(AbortReason.UNRECOGNIZED_PDU, f"no PDU has type {kind:02X}")
    if state not in expected:
        raise PduError(
            AbortReason.UNEXPECTED_PDU, f"PDU type {kind:02X} in state {state.name.lower()}"
        )
    if kind == PduType.P_DATA_TF:
        limit = limits.pdu_bytes
    elif kind == PduType.ASSOCIATE_RQ:
        limit = limits.associate_pdu_bytes
    else:
        limit = _FIXED_REST
    if length > limit:
        # Without the number: reasons are counted, and a peer could make up millions.
        raise PduError(AbortReason.INVALID_PARAMETER, f"PDU type {kind:02X} is too long")
