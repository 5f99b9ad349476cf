"""The part of the conformance statement on archives: reports stored there, questions asked of them.

PS3.4 B (storage), C (query); PS3.18 10.5, 10.6 (DICOMweb); PS3.3 A.35.1, A.35.2, A.45.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from worklist import storing_results
from worklist.asking import MOST, SERIES_KEYS, STUDY_KEYS, STUDY_ROOT_FIND
from worklist.confirming import TRIES
from worklist.dicomweb_settings import WebSettings
from worklist.report_content import HEADINGS
from worklist.report_pdf import ENCAPSULATED_PDF
from worklist.report_sr import BASIC_TEXT_SR, COMPLETION, ENHANCED_SR, MOST_EVIDENCE


def services() -> list[tuple[str, str, str, str]]:
    """Rows of the overview: service, SOP class UID, role, operations."""
    return [
        ("Basic Text SR Storage, reports", BASIC_TEXT_SR, "SCU", "C-STORE"),
        ("Enhanced SR Storage, reports", ENHANCED_SR, "SCU", "C-STORE"),
        ("Encapsulated PDF Storage, reports", ENCAPSULATED_PDF, "SCU", "C-STORE"),
        ("Study Root Query/Retrieve - FIND", STUDY_ROOT_FIND, "SCU", "C-FIND"),
    ]


def section(storing: str, asking: str) -> list[str]:
    """Two chapters, with their numbers."""
    return [
        f"### {storing} Reports stored in archives",
        "",
        "A signed version is stored by C-STORE or STOW-RS as what the setting `objects` names.",
        "",
        "- Every version has a SOP Instance UID of its own, given once: every repetition and every",
        "  archive has the same object. The versions of a report are one series for each kind,",
        "  with the version as Instance Number. A report on exams of several studies is stored in",
        "  each, and each names the others (Identical Documents Sequence).",
        "- Over DIMSE Explicit and Implicit VR Little Endian are offered; the character set is",
        "  that of the endpoint if it holds all text, else ISO_IR 192.",
        "- The SR follows TID 2000 with title (18748-4, LN), language (TID 1204), person observer",
        "  (TID 1003: who signed) and procedure (TID 1005). Answers of template fields are CODE or",
        "  TEXT items of the findings, in an Enhanced SR also NUM items with UCUM units.",
        "- Current Requested Procedure Evidence names the instances that modalities told by MPPS,",
        f"  {MOST_EVIDENCE:,} at most. Referenced Request and Performed Procedure Code name what",
        "  was ordered. A later version names the one before (Predecessor Documents).",
        "- The PDF has the very bytes that are printed; where their number is odd, one byte",
        "  follows and Encapsulated Document Length (0042,0015) tells it apart.",
        "",
        *_table(("section", "heading", "equivalent", "concept of the text"), _headings()),
        *_table(
            ("version", "Preliminary Flag", "Completion Flag", "Verification Flag", "description"),
            _flags(),
        ),
        "Not verified is what was signed elsewhere by a person unknown here. A withdrawn report",
        "says that it was withdrawn and why, and repeats nothing of its text.",
        "",
        *_table(("status or reason", "meaning", "effect"), _statuses()),
        "Over DICOMweb 200 and 202 store what the answer does not name as failed; of 409 the",
        "reason of the object counts; 408, 425, 429 and 5xx are repeated; other answers are",
        "refusals.",
        "",
        "With `confirm = query` the archive is asked for the object afterwards, by C-FIND at the",
        f"IMAGE level or QIDO-RS, up to {TRIES} times within minutes; what it does not show then",
        "waits for a person. An archive that takes no queries is not asked again.",
        "",
        f"### {asking} Questions to archives",
        "",
        "With `priors = true` an archive is asked while a report is open: for studies by Patient",
        "ID (each number of the patient; with its issuer unless the setting `issuer` names it),",
        "and for the series of the exam's studies. A page waits 3 seconds; answers are kept for 5",
        f"minutes; an archive that did not answer rests for one. Of one question {MOST} matches",
        "are read.",
        "",
        *_table(
            ("level", "attributes asked for"),
            (("STUDY", ", ".join(STUDY_KEYS)), ("SERIES", ", ".join(SERIES_KEYS))),
        ),
        "A study is shown if Patient ID and issuer are the patient's, and birth date and family",
        "name agree (without a birth date, the given name too); others are counted and not shown.",
        "",
        "Settings of a DICOMweb archive:",
        "",
        *_table(
            ("setting", "default", "meaning"),
            (
                (f"`{name}`", _shown(field.default), field.description or "")
                for name, field in WebSettings.model_fields.items()
            ),
        ),
    ]


def _headings() -> Iterable[tuple[str, str, str, str]]:
    for key, heading in HEADINGS.items():
        other = heading.equivalent
        yield (
            key,
            f"({heading.concept.value}, {heading.concept.scheme}, {heading.concept.meaning})",
            f"({other.value}, {other.scheme})" if other else "",
            f"({heading.element.value}, {heading.element.scheme}, {heading.element.meaning})",
        )


def _flags() -> Iterable[tuple[str, str, str, str, str]]:
    for kind, words in COMPLETION.items():
        first = kind.value == "PRELIMINARY"
        yield (
            kind.value.lower(),
            "PRELIMINARY" if first else "FINAL",
            "PARTIAL" if first else "COMPLETE",
            "UNVERIFIED" if first else "VERIFIED",
            words,
        )


def _statuses() -> Iterable[tuple[str, str, str]]:
    effects = {"DELIVERED": "stored", "TRANSIENT": "repeated", "REFUSED": "refused"}
    shown: Sequence[int] = sorted({*storing_results.MEANINGS, 0xA700, 0xA900, 0xC000})
    for status in shown:
        result, words = storing_results.verdict(status)
        effect = effects[result.value]
        noted = ", noted" if words and effect == "stored" else ""
        yield f"{status:04X}", storing_results.meaning(status), effect + noted


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(cell or '-' for cell in row)} |" for row in rows]
    return [*lines, ""]
