"""What reading and writing of MRRT files share: words of the profile, faults, section names.

IHE Radiology, Management of Radiology Report Templates (MRRT), RAD TF-3 8.1: a template is an HTML5
file; Dublin Core elements say where it comes from, an XML island in its head what it is for and
what its parts and answers are coded as, its sections hold text and fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ris.domain.report_fields import MergeSource
from ris.domain.report_templates import TemplateContent

LARGEST: Final = 1_000_000  # bytes of a file
TYPE: Final = "IMAGE_REPORT_TEMPLATE"
MUST_SAY: Final = ("title", "identifier", "type", "language", "date")
SHOULD_SAY: Final = ("publisher", "rights", "license", "creator")
FIELD_TYPES: Final = frozenset({"text", "number", "date", "time", "checkbox"})
ACTIONS: Final = frozenset({"", "NONE", "ALERT", "PROHIBIT"})
# Would run, fetch or send something where it is shown; a template needs none of it.
FORBIDDEN: Final = frozenset(
    {
        *("iframe", "frame", "object", "embed", "applet", "form", "button", "base", "portal"),
        *("svg", "math", "audio", "video", "template", "noscript"),
    }
)
# Shown as it looks in other systems; here the text alone counts.
LEFT_OUT: Final = frozenset({"link", "style", "img", "a"})


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What is wrong, and on which line of the file."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file says. ``content`` is None if there are faults; ``notes`` say what was left."""

    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...] = ()
    content: TemplateContent | None = None
    name: str = ""
    language: str = "en"
    modalities: tuple[str, ...] = ()


# By the LOINC code of a section, then by what its name begins with or holds.
SECTION_CODES: Final[Mapping[str, str]] = {
    "18785-6": "indication",
    "55752-0": "indication",
    "11329-0": "indication",
    "55111-9": "technique",
    "18834-2": "comparison",
    "18782-3": "findings",
    "59776-5": "findings",
    "19005-8": "impression",
    "18783-1": "recommendation",
}
CODES_OF_SECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "indication": ("18785-6", "Radiology Reason for study"),
    "technique": ("55111-9", "Current imaging procedure descriptions"),
    "comparison": ("18834-2", "Radiology Comparison study"),
    "findings": ("59776-5", "Findings"),
    "impression": ("19005-8", "Radiology Impression"),
    "recommendation": ("18783-1", "Radiology Study recommendation"),
}
_NAMES: Final[tuple[tuple[str, str], ...]] = (
    ("recommend", "recommendation"),
    ("follow-up", "recommendation"),
    ("impression", "impression"),
    ("conclusion", "impression"),
    ("summary", "impression"),
    ("comparison", "comparison"),
    ("prior", "comparison"),
    ("technique", "technique"),
    ("procedure", "technique"),
    ("protocol", "technique"),
    ("contrast", "technique"),
    ("dose", "technique"),
    ("indication", "indication"),
    ("clinical", "indication"),
    ("history", "indication"),
    ("reason", "indication"),
)


def section_of(name: str, codes: tuple[str, ...] = ()) -> str:
    """The section of the report that a section of a template belongs to."""
    for code in codes:
        if code in SECTION_CODES:
            return SECTION_CODES[code]
    folded = name.casefold()
    return next((key for word, key in _NAMES if word in folded), "findings")


# What a field that is to be filled in by the system may be called.
MERGES: Final[Mapping[str, MergeSource]] = {
    "age": MergeSource.AGE,
    "patient age": MergeSource.AGE,
    "sex": MergeSource.SEX,
    "gender": MergeSource.SEX,
    "patient sex": MergeSource.SEX,
    "indication": MergeSource.INDICATION,
    "reason for exam": MergeSource.INDICATION,
    "clinical information": MergeSource.INDICATION,
    "procedure": MergeSource.PROCEDURE,
    "exam": MergeSource.PROCEDURE,
    "side": MergeSource.LATERALITY,
    "laterality": MergeSource.LATERALITY,
    "accession": MergeSource.ACCESSION,
    "accession number": MergeSource.ACCESSION,
    "referrer": MergeSource.REFERRER,
    "referring physician": MergeSource.REFERRER,
    "exam date": MergeSource.EXAM_DATE,
    "study date": MergeSource.EXAM_DATE,
    "device": MergeSource.DEVICE,
    "scanner": MergeSource.DEVICE,
    "contrast": MergeSource.CONTRAST,
    "contrast agent": MergeSource.CONTRAST,
    "dose": MergeSource.DOSE,
    "radiation dose": MergeSource.DOSE,
    "comparison date": MergeSource.PRIOR_DATE,
    "prior date": MergeSource.PRIOR_DATE,
}

# RadLex terms of modalities and the DICOM letters of them.
MODALITIES: Final[Mapping[str, str]] = {
    "RID10321": "CT",
    "RID10312": "MR",
    "RID10326": "US",
    "RID10345": "DX",
    "RID10357": "MG",
    "RID10330": "NM",
    "RID10337": "PT",
    "RID10361": "RF",
}
