"""Upper layer PDUs other than A-ASSOCIATE, as bytes (PS3.8 9.3)."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

from worklist.service import Rejection

HEADER_BYTES: Final = 6
HEADER = Struct(">BxL")  # type, reserved, length of the rest
_PDV = Struct(">LBB")  # length of the rest, context, message control header
_DATA_FRAME = Struct(">BxLLBB")

_IS_COMMAND: Final = 0x01
_IS_LAST: Final = 0x02


class PduType(IntEnum):
    """The first byte of a PDU."""

    ASSOCIATE_RQ = 0x01
    ASSOCIATE_AC = 0x02
    ASSOCIATE_RJ = 0x03
    P_DATA_TF = 0x04
    RELEASE_RQ = 0x05
    RELEASE_RP = 0x06
    ABORT = 0x07


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 Table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class PduError(Exception):
    """The peer broke the protocol; the association is aborted for this reason."""

    def __init__(self, reason: AbortReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


RELEASE_RQ: Final = bytes((PduType.RELEASE_RQ, 0, 0, 0, 0, 4, 0, 0, 0, 0))
RELEASE_RP: Final = bytes((PduType.RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0))
USER_ABORT: Final = bytes((PduType.ABORT, 0, 0, 0, 0, 4, 0, 0, 0, 0))


def provider_abort(reason: AbortReason) -> bytes:
    """A-ABORT by the service provider (source 2)."""
    return bytes((PduType.ABORT, 0, 0, 0, 0, 4, 0, 0, 2, reason))


def rejection(verdict: Rejection) -> bytes:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return bytes(
        (PduType.ASSOCIATE_RJ, 0, 0, 0, 0, 4, 0, verdict.result, verdict.source, verdict.diagnostic)
    )


def fragment_bytes(peer_maximum: int, own_maximum: int) -> int:
    """How much data one P-DATA-TF may carry to a peer that announced ``peer_maximum``.

    0 means that the peer has no limit. Fragments keep an even length (PS3.8 Annex E.2 note).
    """
    maximum = min(peer_maximum, own_maximum) if peer_maximum else own_maximum
    return (maximum - _PDV.size) & ~1


def data_frames(context_id: int, raw: bytes, fragment: int, *, command: bool) -> bytes:
    """``raw`` as P-DATA-TF PDUs with one presentation data value each."""
    kind = _IS_COMMAND if command else 0
    size = len(raw)
    if size <= fragment:
        return (
            _DATA_FRAME.pack(PduType.P_DATA_TF, size + 6, size + 2, context_id, kind | _IS_LAST)
            + raw
        )
    frames: list[bytes] = []
    for start in range(0, size, fragment):
        part = raw[start : start + fragment]
        last = _IS_LAST if start + fragment >= size else 0
        frames += (
            _DATA_FRAME.pack(
                PduType.P_DATA_TF, len(part) + 6, len(part) + 2, context_id, kind | last
            ),
            part,
        )
    return b"".join(frames)


def data_values(
    raw: bytes | bytearray, start: int, end: int
) -> list[tuple[int, bool, bool, bytes]]:
    """The values of one P-DATA-TF as (context, is command, is last fragment, data)."""
    values = []
    pos = start + HEADER_BYTES
    if pos == end:
        raise PduError(AbortReason.INVALID_PARAMETER, "a P-DATA-TF without a value")
    while pos < end:
        if end - pos < _PDV.size:
            raise PduError(AbortReason.INVALID_PARAMETER, "a P-DATA-TF ends inside a value")
        length, context_id, control = _PDV.unpack_from(raw, pos)
        stop = pos + 4 + length
        if length < 2 or stop > end:
            raise PduError(AbortReason.INVALID_PARAMETER, "a value does not fit its P-DATA-TF")
        values.append(
            (
                context_id,
                bool(control & _IS_COMMAND),
                bool(control & _IS_LAST),
                bytes(raw[pos + _PDV.size : stop]),
            )
        )
        pos = stop
    return values
