"""Why an exam ended early: DICOM's own list (PS3.16 CID 9300), in plain words."""

from __future__ import annotations

from ris.domain.errors import MissingValueError
from ris.domain.performing import INCORRECT_WORKLIST_ENTRY
from ris.domain.values import Code

REASONS: tuple[tuple[str, str], ...] = (
    ("110513", "Discontinued for unspecified reason"),
    ("110500", "Doctor canceled procedure"),
    ("110501", "Equipment failure"),
    ("110502", "Incorrect procedure ordered"),
    ("110503", "Patient allergic to media/contrast"),
    ("110505", "Patient refused to continue procedure"),
    ("110506", "Patient taken for treatment or surgery"),
    ("110508", "Patient pregnant"),
    ("110510", "Duplicate order"),
    ("110512", "Incorrect side ordered"),
    (INCORRECT_WORKLIST_ENTRY, "Incorrect worklist entry selected"),
    ("110515", "Patient condition prevented continuing"),
    ("110504", "Patient died"),
)


def reason_in(value: str) -> Code:
    """The reason as DICOM codes it; raises MissingValueError for none."""
    meaning = dict(REASONS).get(value)
    if meaning is None:
        raise MissingValueError("choose why the exam ended early", path="reason")
    return Code(value, "DCM", meaning)
