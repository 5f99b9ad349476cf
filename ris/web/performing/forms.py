"""Why an exam ended early: DICOM's own list for modalities (PS3.16 CID 9301)."""

from __future__ import annotations

from ris.domain.discontinuation import MODALITY_REASONS
from ris.domain.errors import MissingValueError
from ris.domain.values import Code

REASONS: tuple[tuple[str, str], ...] = tuple((row.value, row.meaning) for row in MODALITY_REASONS)
_BY_VALUE = {row.value: row for row in MODALITY_REASONS}


def reason_in(value: str) -> Code:
    """The reason as DICOM codes it; raises MissingValueError for none."""
    reason = _BY_VALUE.get(value)
    if reason is None:
        raise MissingValueError("choose why the exam ended early", path="reason")
    return reason.code
