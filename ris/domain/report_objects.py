"""Reports as DICOM objects: which kinds there are, and what archives say of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ris.domain.commands import Command


class ObjectKind(StrEnum):
    """What a version of a report becomes; the values are the words of the settings."""

    SR = "sr"  # Basic Text SR (PS3.3 A.35.1)
    ENHANCED_SR = "enhanced-sr"  # Enhanced SR (PS3.3 A.35.2): numbers as numbers
    PDF = "pdf"  # Encapsulated PDF (PS3.3 A.45.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCommitment(Command[None]):
    """Keep what an archive answered to a request for storage commitment (PS3.4 J.3.3).

    ``failed`` names with each object the reason why not (PS3.3 C.14.1.1).
    """

    transaction_uid: str
    committed: tuple[str, ...] = ()
    failed: tuple[tuple[str, int], ...] = ()


def confirmation_id(public_id: str) -> str:
    """The control id of the delivery that looks whether an object is in an archive."""
    return f"confirm:{public_id}"[:60]
