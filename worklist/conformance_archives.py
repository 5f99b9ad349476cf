"""The part of the conformance statement on archives: reports stored there, questions asked of them.

PS3.4 B (storage), C (query), J (commitment); PS3.18 10.5, 10.6 (DICOMweb); PS3.3 A.35.1, A.35.2,
A.45.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ris.domain.protocol import REFUSALS_BEFORE_PARKING
from ris.markdown import table
from worklist import storing_results
from worklist.asking import MOST, SERIES_KEYS, STUDY_KEYS, STUDY_ROOT_FIND
from worklist.commitment import REASONS
from worklist.committing import PATIENCE
from worklist.confirming import TRIES
from worklist.conformance_form import heading
from worklist.report_content import HEADINGS
from worklist.report_pdf import ENCAPSULATED_PDF
from worklist.report_sr import BASIC_TEXT_SR, COMPLETION, ENHANCED_SR, MOST_EVIDENCE
from worklist.sop_classes import STORAGE_COMMITMENT
from worklist.status import (
    INVALID_ARGUMENT_VALUE,
    NO_SUCH_ARGUMENT,
    NO_SUCH_EVENT_TYPE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
)


def services() -> list[tuple[str, str, str, str]]:
    """Rows of the overview: service, SOP class UID, role, operations."""
    return [
        ("Basic Text SR Storage, reports", BASIC_TEXT_SR, "SCU", "C-STORE"),
        ("Enhanced SR Storage, reports", ENHANCED_SR, "SCU", "C-STORE"),
        ("Encapsulated PDF Storage, reports", ENCAPSULATED_PDF, "SCU", "C-STORE"),
        ("Storage Commitment Push Model", STORAGE_COMMITMENT, "SCU", "N-ACTION"),
        ("Study Root Query/Retrieve - FIND", STUDY_ROOT_FIND, "SCU", "C-FIND"),
    ]


def storage(number: str) -> list[str]:
    """Reports stored there."""
    return [
        *heading(number, "SCU of the Storage SOP classes: reports"),
        "A signed version is stored by C-STORE or STOW-RS as what the setting `objects` names.",
        "",
        "- Every version has a SOP Instance UID of its own, given once: every repetition and every",
        "  archive has the same object. The versions of a report are one series for each kind,",
        "  with the version as Instance Number. A report on exams of several studies is stored in",
        "  each, and each names the others (Identical Documents Sequence).",
        "- Over DIMSE Explicit and Implicit VR Little Endian are offered; the character set is",
        "  that of the endpoint if it holds all text, else ISO_IR 192.",
        "- With `confirm = query` the archive is asked for the object afterwards, by C-FIND at the",
        f"  IMAGE level or QIDO-RS, up to {TRIES} times within minutes; what it does not show then",
        "  waits for a person. An archive that takes no queries is not asked again. With",
        "  `confirm = commitment` it is asked to commit itself.",
        "- A version that is withdrawn is followed by one that says so. What an archive has is not",
        "  rejected or deleted there (no rejection note of IHE IOCM is sent).",
        "",
    ]


def commitment(number: str) -> list[str]:
    """What archives are asked to take responsibility for."""
    return [
        *heading(number, "Storage Commitment service"),
        "SCU of the Push Model, for the reports stored above, where an endpoint says",
        "`confirm = commitment`; what is stored here is not committed to.",
        "",
        "- N-ACTION type 1 for one object, with a Transaction UID of its own. The association",
        "  stays open for `commitment_seconds`, in which the archive may report; else it reports",
        "  on one of its own to our listener, calling the AE title that asked it, whenever it",
        "  likes. SCP role selection is confirmed where it is proposed, and not demanded.",
        "- The archive is let in for that under the AE title of its endpoint, from its address if",
        "  the endpoint names one.",
        f"- Without a report a new request is made after {PATIENCE.total_seconds() / 3600:g}",
        f"  hours, for {REFUSALS_BEFORE_PARKING} times. What is reported as failed is asked for",
        f"  again, up to {TRIES} times; then a person must look. A report on an earlier request",
        "  counts too.",
        "",
        *table(
            ("N-EVENT-REPORT", "meaning"),
            [
                ("event type 1", "all objects are committed to"),
                ("event type 2", "some are not: each with its Failure Reason (0008,1197)"),
                *((f"reason {value:04X}", words) for value, words in sorted(REASONS.items())),
            ],
        ),
    ]


def queries(number: str) -> list[str]:
    """What archives are asked."""
    return [
        *heading(number, "Query/Retrieve service"),
        "SCU of Study Root C-FIND; nothing is retrieved. With `priors = true` an archive is asked",
        "while a report is open: for studies by Patient ID (each number of the patient; with its",
        "issuer unless the setting `issuer` names it), and for the series of the exam's studies.",
        "A page waits 3 seconds; answers are kept for 5 minutes; an archive that did not answer",
        f"rests for one. Of one question {MOST} matches are read.",
        "",
        *table(
            ("level", "attributes asked for"),
            (
                ("STUDY", ", ".join(STUDY_KEYS)),
                ("SERIES", ", ".join(SERIES_KEYS)),
                ("IMAGE", "StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, all with a value"),
            ),
        ),
        "A study is shown if Patient ID and issuer are the patient's, and birth date and family",
        "name agree (without a birth date, the given name too); others are counted and not shown.",
        "",
    ]


def content() -> list[str]:
    """What is in a structured report."""
    return [
        "- The SR follows TID 2000 with title (18748-4, LN), language (TID 1204), person observer",
        "  (TID 1003: who signed) and procedure (TID 1005). Answers of template fields are CODE or",
        "  TEXT items of the findings, in an Enhanced SR also NUM items with UCUM units.",
        "- Current Requested Procedure Evidence names the instances that modalities told by MPPS,",
        f"  {MOST_EVIDENCE:,} at most. Referenced Request and Performed Procedure Code name what",
        "  was ordered. A later version names the one before (Predecessor Documents).",
        "",
        *table(("section", "heading", "equivalent", "concept of the text"), _headings()),
        *table(
            ("version", "Preliminary Flag", "Completion Flag", "Verification Flag", "description"),
            _flags(),
        ),
        "Not verified is what was signed elsewhere by a person unknown here. A withdrawn report",
        "says that it was withdrawn and why, and repeats nothing of its text.",
        "",
    ]


def statuses(number: str) -> list[str]:
    """What a response to C-STORE, STOW-RS and N-ACTION of ours means."""
    return [
        *heading(number, "Storage and Storage Commitment as SCU, C-STORE and N-ACTION"),
        *table(("status or reason", "meaning", "effect"), _statuses()),
        "An N-ACTION that is taken is 0000 and nothing else.",
        "",
    ]


def report_statuses(number: str) -> list[str]:
    """What a report of a commitment is answered with."""
    return [
        *heading(number, "Storage Commitment, N-EVENT-REPORT received"),
        *table(
            ("status", "meaning"),
            [
                ("0000", "kept"),
                (f"{PROCESSING_FAILURE:04X}", "a fault here, or this AE title may not do that"),
                (f"{NO_SUCH_EVENT_TYPE:04X}", "no event of the class"),
                (f"{NO_SUCH_ARGUMENT:04X}", "the Transaction UID is missing"),
                (
                    f"{INVALID_ARGUMENT_VALUE:04X}",
                    "no transaction of ours, or not the object of it",
                ),
                (f"{RESOURCE_LIMITATION:04X}", "busy, try again"),
            ],
        ),
    ]


def _headings() -> Iterable[tuple[str, str, str, str]]:
    for key, each in HEADINGS.items():
        other = each.equivalent
        yield (
            key,
            f"({each.concept.value}, {each.concept.scheme}, {each.concept.meaning})",
            f"({other.value}, {other.scheme})" if other else "",
            f"({each.element.value}, {each.element.scheme}, {each.element.meaning})",
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
