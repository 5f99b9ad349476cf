"""How a report that was written elsewhere falls into sections: by code, or by its headings."""

from __future__ import annotations

import re
from collections.abc import Mapping

# LOINC codes of sections: ours, and others that are seen in the field.
LOINCS: Mapping[str, str] = {
    "18785-6": "indication",
    "11329-0": "indication",
    "55115-0": "indication",
    "55111-9": "technique",
    "18834-2": "comparison",
    "18782-3": "findings",
    "59776-5": "findings",
    "19005-8": "impression",
    "55110-1": "impression",
    "18783-1": "recommendation",
    "55107-7": "addendum",
    "73568-8": "communication",
}
TITLES: Mapping[str, str] = {
    "ADDENDUM": "addendum",
    "CLINICAL HISTORY": "indication",
    "CLINICAL INFORMATION": "indication",
    "COMPARISON": "comparison",
    "CONCLUSION": "impression",
    "CONCLUSIONS": "impression",
    "FINDINGS": "findings",
    "HISTORY": "indication",
    "IMPRESSION": "impression",
    "INDICATION": "indication",
    "REASON FOR EXAM": "indication",
    "RECOMMENDATION": "recommendation",
    "RECOMMENDATIONS": "recommendation",
    "REPORT": "findings",
    "TECHNIQUE": "technique",
}
_INLINE = re.compile(r"([A-Z][A-Z ]{3,24}):\s*(.*)")


def headings(text: str, start: str = "findings") -> list[tuple[str, str]]:
    """A text in one piece by its headings; what stands before the first one is findings."""
    found: list[tuple[str, list[str]]] = [(start, [])]
    for line in text.split("\n"):
        title = TITLES.get(" ".join(line.upper().rstrip(": ").split()))
        rest = ""
        if title is None and (match := _INLINE.fullmatch(line.strip())) is not None:
            title, rest = TITLES.get(match[1].strip()), match[2]
        if title is None:
            found[-1][1].append(line)
        else:
            found.append((title, [rest] if rest else []))
    pieces = ((key, "\n".join(lines).strip("\n")) for key, lines in found)
    return [(key, piece) for key, piece in pieces if piece.strip()]
