"""Reports as DICOM objects: which kinds there are, and the command that gives them their UIDs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ris.domain.commands import Command, Event


class ObjectKind(StrEnum):
    """What a version of a report becomes; the values are the words of the settings."""

    SR = "sr"  # Basic Text SR (PS3.3 A.35.1)
    ENHANCED_SR = "enhanced-sr"  # Enhanced SR (PS3.3 A.35.2): numbers as numbers
    PDF = "pdf"  # Encapsulated PDF (PS3.3 A.45.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MintReportObjects(Command[None]):
    """Give the objects of a version their UIDs, as far as they have none; one for each study."""

    report: str
    number: int
    kinds: tuple[ObjectKind, ...]
    studies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportObjectsMinted(Event):
    """``objects`` are SOP Instance UIDs."""

    report: str
    order: str
    number: int
    objects: tuple[str, ...]
