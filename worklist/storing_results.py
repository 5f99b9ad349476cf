"""What an archive's answer to an object means for the outbox, over DIMSE and DICOMweb alike.

PS3.4 Table B.2-1 has the statuses of C-STORE, PS3.18 Table 10.5.3-2 and I.2-2 the same numbers as
reasons in the answer of STOW-RS.

==========================  ====================================================================
0000                        stored
B000 B006 B007, and Bxxx    stored, with a remark that stands at the attempt
0111                        stored before: the UIDs are ours, so this very object
A7xx, 0213                  short of resources: tried again later
anything else               refused
==========================  ====================================================================
"""

from __future__ import annotations

from typing import Final

from ris.domain.protocol import Result

_DUPLICATE: Final = 0x0111
_RESOURCES: Final = 0x0213
PROCESSING_FAILURE: Final = 0x0110
MEANINGS: Final = {
    0x0000: "stored",
    0xB000: "stored, some elements were changed",
    0xB006: "stored, some elements were left out",
    0xB007: "stored, the data set does not match its class",
    0x0110: "processing failure",
    0x0111: "it was stored before",
    0x0112: "the archive does not know the object",
    0x0117: "invalid SOP Instance UID",
    0x0122: "the archive does not store this class of objects",
    0x0124: "not authorized",
    0x0210: "duplicate invocation",
    0x0211: "operation not known",
    0x0212: "mistyped argument",
    0x0213: "the archive is short of resources",
}


def meaning(status: int) -> str:
    if status in MEANINGS:
        return MEANINGS[status]
    family = {
        0xA7: "the archive is out of resources",
        0xA9: "the data set does not match its class",
    }
    if status >> 8 in family:
        return family[status >> 8]
    if status >> 12 == 0xC:
        return "the archive cannot understand the object"
    return "stored, with a remark" if status >> 12 == 0xB else "failure"


def verdict(status: int, comment: str = "") -> tuple[Result, str]:
    """The outcome and what is noted of it; nothing is noted of a plain success."""
    if status == 0:
        return Result.DELIVERED, ""
    text = ": ".join(part for part in (f"{status:04X} {meaning(status)}", comment) if part)
    if status == _DUPLICATE or status >> 12 == 0xB:
        return Result.DELIVERED, text
    if status == _RESOURCES or status >> 8 == 0xA7:
        return Result.TRANSIENT, text
    return Result.REFUSED, text
