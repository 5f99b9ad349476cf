"""The content tree of a report: TID 2000 with its context and headings (PS3.16 A).

Pure: a version in, content items out. Headings and elements are those of CID 7001 and CID 7002.
They are said by their DCM codes, which every reader of structured reports knows, with the LOINC
code that newer editions prefer as their equivalent meaning (TID 1210).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ris.domain.reporting import SECTIONS, VersionKind
from ris.domain.values import Code
from ris.selectors.views import ReportVersionView
from worklist.building import code, elements, fitting
from worklist.dicom_json import Json

FINDING_SITE: Final = Code("363698007", "SCT", "Finding Site")
DIAGNOSTIC_IMAGING_REPORT: Final = Code("18748-4", "LN", "Diagnostic Imaging Report")

CONTAINS = "CONTAINS"
_CONTEXT = "HAS OBS CONTEXT"
_MODIFIER = "HAS CONCEPT MOD"


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


def _loinc(value: str, meaning: str) -> Code:
    return Code(value, "LN", meaning)


@dataclass(frozen=True, slots=True)
class Heading:
    """A section: its heading, the same in LOINC, and the concept of the text in it."""

    concept: Code
    equivalent: Code | None
    element: Code


_COMMENT = _dcm("121106", "Comment")
SUMMARY = Heading(
    _dcm("121111", "Summary"), _loinc("55112-7", "Summary"), _dcm("121111", "Summary")
)
HEADINGS: Final[Mapping[str, Heading]] = {
    "indication": Heading(
        _dcm("121060", "History"), _loinc("11329-0", "History"), _dcm("121060", "History")
    ),
    "technique": Heading(
        _dcm("121064", "Current Procedure Descriptions"),
        _loinc("55111-9", "Current Procedure Descriptions"),
        _dcm("121065", "Procedure Description"),
    ),
    "comparison": Heading(
        _dcm("121068", "Previous Findings"),
        _loinc("18834-2", "Previous Findings"),
        _dcm("121069", "Previous Finding"),
    ),
    "findings": Heading(
        _dcm("121070", "Findings"), _loinc("59776-5", "Findings"), _dcm("121071", "Finding")
    ),
    "impression": Heading(
        _dcm("121072", "Impressions"),
        _loinc("19005-8", "Impressions"),
        _dcm("121073", "Impression"),
    ),
    "recommendation": Heading(
        _dcm("121074", "Recommendations"),
        _loinc("18783-1", "Recommendations"),
        _dcm("121075", "Recommendation"),
    ),
    "addendum": Heading(_loinc("55107-7", "Addendum"), None, _COMMENT),
    "communication": Heading(
        _loinc("73568-8", "Communication of Critical Results"), None, _COMMENT
    ),
}
_OTHER = Heading(_dcm("121076", "Conclusions"), _loinc("55110-1", "Conclusions"), _COMMENT)
_WITHDRAWN = "This report was withdrawn. Do not use it."
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_STRING = 16  # characters of VR DS


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the tree says besides the text."""

    language: Code
    observer: str  # a person's name as DICOM writes it; empty if nobody is known
    organization: str
    study_instance_uid: str
    accession: str
    procedures: Sequence[Code]


def root(version: ReportVersionView, said: Circumstances, *, numbers: bool) -> dict[str, Any]:
    """The SR Document Content module (PS3.3 C.17.3); ``numbers`` if NUM items are allowed."""
    return {
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": [code(DIAGNOSTIC_IMAGING_REPORT)],
        "ContinuityOfContent": "SEPARATE",
        "ContentTemplateSequence": [
            elements({"MappingResource": "DCMR", "TemplateIdentifier": "2000"})
        ],
        "ContentSequence": [
            _coded(_MODIFIER, _dcm("121049", "Language of Content Item and Descendants"),
                   said.language),
            *_context(said),
            *_sections(version, numbers=numbers),
        ],
    }  # fmt: skip


def _context(said: Circumstances) -> Iterator[Json]:
    """Who observed and what was done (TID 1001: 1002 with 1003, 1005)."""
    if said.observer:
        yield _coded(_CONTEXT, _dcm("121005", "Observer Type"), _dcm("121006", "Person"))
        yield _item(_CONTEXT, "PNAME", _dcm("121008", "Person Observer Name"),
                    PersonName=said.observer)  # fmt: skip
        if said.organization:
            concept = _dcm("121009", "Person Observer's Organization Name")
            yield _text(_CONTEXT, concept, said.organization)
    yield _item(_CONTEXT, "UIDREF", _dcm("121018", "Procedure Study Instance UID"),
                UID=said.study_instance_uid)  # fmt: skip
    if said.accession:
        yield _text(_CONTEXT, _dcm("121022", "Accession Number"), said.accession)
    for each in said.procedures:
        yield _coded(_CONTEXT, _dcm("121023", "Procedure Code"), each)


def _sections(version: ReportVersionView, *, numbers: bool) -> Iterator[Json]:
    if version.kind is VersionKind.RETRACTION:
        # Nothing of what it said is repeated: nobody shall read it from here.
        words = f"{_WITHDRAWN}\n{version.reason}".strip()
        yield _section(SUMMARY, [_text(CONTAINS, SUMMARY.element, words)])
        return
    results = list(_results(version, numbers=numbers))
    for key in _order(version.sections):
        text = version.sections.get(key, "").strip()
        items = [_text(CONTAINS, HEADINGS.get(key, _OTHER).element, text)] if text else []
        if key == "findings":
            items += results
        if items:
            yield _section(HEADINGS.get(key, _OTHER), items)


def _order(sections: Iterable[str]) -> list[str]:
    """The sections in reading order; those of a later edition of ours come last."""
    known = [key for key, _ in SECTIONS]
    if "findings" not in known:
        known.append("findings")
    return [*known, *(key for key in sections if key not in known)]


def _section(heading: Heading, items: Sequence[Json]) -> Json:
    equivalent = (
        [_coded(_MODIFIER, _dcm("121050", "Equivalent Meaning of Concept Name"),
                heading.equivalent)]
        if heading.equivalent else []
    )  # fmt: skip
    return elements(
        {
            "RelationshipType": CONTAINS,
            "ValueType": "CONTAINER",
            "ConceptNameCodeSequence": [code(heading.concept)],
            "ContinuityOfContent": "SEPARATE",
            "ContentSequence": [*equivalent, *items],
        }
    )


def _results(version: ReportVersionView, *, numbers: bool) -> Iterator[Json]:
    """What was answered in fields, each under its own concept."""
    for each in version.coded:
        value, unit = each.get("value", "").strip(), each.get("unit", "").strip()
        concept = Code(each.get("code", ""), each.get("scheme", ""), each.get("meaning", ""))
        if not value or not concept.value:
            continue
        if each.get("value_code"):
            meaning = each.get("value_meaning") or value
            chosen = Code(each["value_code"], each.get("value_scheme", ""), meaning)
            item = _coded(CONTAINS, concept, chosen)
            if each.get("site_code"):
                site = Code(each["site_code"], each["site_scheme"], each["site_meaning"])
                item |= elements({"ContentSequence": [_coded(_MODIFIER, FINDING_SITE, site)]})
            yield item
        elif numbers and _NUMBER.fullmatch(value) and len(value) <= _DECIMAL_STRING:
            yield _number(concept, value, unit)
        else:
            yield _text(CONTAINS, concept, f"{value} {unit}".strip())


# --- content items (PS3.3 C.17.3.2)


def _item(relationship: str, value_type: str, concept: Code, **values: Any) -> Json:
    return elements(
        {
            "RelationshipType": relationship,
            "ValueType": value_type,
            "ConceptNameCodeSequence": [code(concept)],
            **values,
        }
    )


def _text(relationship: str, concept: Code, text: str) -> Json:
    return _item(relationship, "TEXT", concept, TextValue=fitting(text, "UT"))


def _coded(relationship: str, concept: Code, value: Code) -> Json:
    return _item(relationship, "CODE", concept, ConceptCodeSequence=[code(value)])


def _number(concept: Code, value: str, unit: str) -> Json:
    units = Code(unit or "1", "UCUM", unit or "no units")
    measured = elements({"NumericValue": value, "MeasurementUnitsCodeSequence": [code(units)]})
    return _item(CONTAINS, "NUM", concept, MeasuredValueSequence=[measured])
