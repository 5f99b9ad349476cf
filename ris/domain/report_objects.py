"""Reports as DICOM objects: which kinds there are."""

from __future__ import annotations

from enum import StrEnum


class ObjectKind(StrEnum):
    """What a version of a report becomes; the values are the words of the settings."""

    SR = "sr"  # Basic Text SR (PS3.3 A.35.1)
    ENHANCED_SR = "enhanced-sr"  # Enhanced SR (PS3.3 A.35.2): numbers as numbers
    PDF = "pdf"  # Encapsulated PDF (PS3.3 A.45.1)
