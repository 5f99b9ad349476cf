"""Storage Commitment Push Model: the request as a dataset, the answer as a command (PS3.4 J.3).

Pure: bytes in, command out, and the other way round.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from ris.domain.errors import InvalidValueError, MissingValueError, RisError
from ris.domain.identifiers import require_uid
from ris.domain.report_objects import RecordCommitment
from worklist import charset, retrieval
from worklist.building import elements
from worklist.elements import Texts, read, tag_of, tag_path
from worklist.sop_classes import EXPLICIT_VR_BIG_ENDIAN

REQUEST_STORAGE_COMMITMENT: Final = 1  # Action Type ID (PS3.4 Table J.3-1)
ALL_COMMITTED: Final = 1  # Event Type IDs (PS3.4 Table J.3-2)
FAILURES_EXIST: Final = 2
# Failure Reason (0008,1197), PS3.3 C.14.1.1.
REASONS: Final = {
    0x0110: "processing failure",
    0x0112: "it does not have the object",
    0x0213: "it is short of resources",
    0x0122: "it does not commit itself to this class of objects",
    0x0119: "class and instance do not fit",
    0x0131: "the transaction was used before",
}
_INSTANCES: Final = 10_000


def request(
    transaction_uid: str, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str
) -> bytes:
    """The Action Information of a request for one object (PS3.4 Table J.3-1)."""
    said = elements(
        {
            "TransactionUID": transaction_uid,
            "ReferencedSOPSequence": [
                elements(
                    {
                        "ReferencedSOPClassUID": sop_class_uid,
                        "ReferencedSOPInstanceUID": sop_instance_uid,
                    }
                )
            ],
        }
    )
    return retrieval.encode(dict(sorted(said.items())), transfer_syntax, charset.candidates((), ()))


def from_event_report(data: bytes, transfer_syntax: str) -> RecordCommitment:
    """The command for an N-EVENT-REPORT; raises InvalidValueError or MissingValueError."""
    texts = Texts.of(read(data, transfer_syntax))
    transaction = texts.text("TransactionUID")
    if not transaction:
        raise MissingValueError("TransactionUID is missing", path=_path("TransactionUID"))
    big = transfer_syntax == EXPLICIT_VR_BIG_ENDIAN
    return RecordCommitment(
        transaction_uid=require_uid(transaction, _path("TransactionUID")),
        committed=tuple(uid for uid, _ in _instances(texts, "ReferencedSOPSequence")),
        failed=tuple(
            (uid, _reason(item, big=big)) for uid, item in _instances(texts, "FailedSOPSequence")
        ),
    )


def transaction_of(data: bytes, transfer_syntax: str) -> str:
    """Which request it answers; nothing if it cannot be read."""
    try:
        uid = Texts.of(read(data, transfer_syntax)).text("TransactionUID")
        return require_uid(uid, _path("TransactionUID"))
    except RisError:
        return ""


def _instances(texts: Texts, keyword: str) -> Iterator[tuple[str, Texts]]:
    items = texts.items(keyword)
    if len(items) > _INSTANCES:
        raise InvalidValueError("too many instances", path=_path(keyword))
    path = _path("ReferencedSOPInstanceUID")
    for item in items:
        yield require_uid(item.text("ReferencedSOPInstanceUID"), path), item


def _reason(item: Texts, *, big: bool) -> int:
    """Why it failed; whoever gives no reason failed all the same."""
    element = item.elements.get(tag_of("FailureReason"))
    if element is None or len(element.value) != 2:
        return 0x0110
    number: int = struct.unpack(">H" if big else "<H", element.value)[0]
    return number


def _path(keyword: str) -> str:
    return tag_path(tag_of(keyword))
