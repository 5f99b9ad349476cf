"""docs/reference/results.md: how receivers tell the versions of a report apart, on every way out.

Made from the tables that write the messages, so that it cannot say anything else than they do.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from integration.fhir.bindings import REPORT_STATUS
from integration.hl7.bindings import RESULT_STATUS
from integration.hl7.from_domain.documents import notices
from integration.hl7.settings import Settings
from ris.domain.reporting import ReportStatus, VersionKind
from ris.domain.values import PersonName
from ris.markdown import table
from ris.printing.report import MARKS, NOTICES
from ris.selectors.views import ReportVersionView
from worklist.report_sr import COMPLETION

KINDS = tuple(VersionKind)
_STATUS = {
    VersionKind.PRELIMINARY: ReportStatus.PRELIMINARY,
    VersionKind.FINAL: ReportStatus.FINAL,
    VersionKind.ADDENDUM: ReportStatus.AMENDED,
    VersionKind.CORRECTION: ReportStatus.AMENDED,
    VersionKind.RETRACTION: ReportStatus.RETRACTED,
}
# What comes before a version in the table of documents.
_HISTORIES: tuple[tuple[VersionKind, ...], ...] = (
    (VersionKind.PRELIMINARY,),
    (VersionKind.FINAL,),
    (VersionKind.PRELIMINARY, VersionKind.FINAL),
    (VersionKind.FINAL, VersionKind.ADDENDUM),
    (VersionKind.FINAL, VersionKind.CORRECTION),
    (VersionKind.FINAL, VersionKind.ADDENDUM, VersionKind.CORRECTION),
    (VersionKind.FINAL, VersionKind.RETRACTION),
    (VersionKind.FINAL, VersionKind.ADDENDUM, VersionKind.RETRACTION),
)


def document() -> str:
    lines = [
        "# How results are told apart",
        "",
        "<!-- Made from the tables that write the messages by docs/generate.py. -->",
        "",
        "A signed version of a report leaves on every way that a receiver asked for, each saying",
        "what kind of version it is. All ways carry the same text, and wherever a PDF goes it is",
        "the same bytes: the document of a version is made once and kept, with its SHA-256.",
        "",
        "## One row a kind of version",
        "",
        *table(
            (
                "version",
                "ORC-5",
                "OBR-25",
                "OBX-11",
                "DiagnosticReport.status",
                "SR Completion Flag Description",
                "PDF",
            ),
            map(_row, KINDS),
        ),
        "An addendum is told by `addendum` and `amended_status` of the endpoint in one of three",
        "dialects: the whole report with C (or F), the whole report as F with each addendum as an",
        "OBX group of its own (ADT), or the addendum alone. A correction is always C. A critical",
        "finding that somebody was told of is flagged: OBX-8 AA at the conclusion.",
        "Who signed is OBR-32, the resident whose text it began from OBR-33.",
        "",
        "In the archive a preliminary version is PRELIMINARY, UNVERIFIED and PARTIAL, every other",
        "FINAL, VERIFIED with its observer, and COMPLETE; it names the version before it as its",
        "predecessor document.",
        "",
        "A draft that was dictated and not signed leaves on no way but FHIR, as `partial` without",
        "text.",
        "",
        "## Documents (MDM)",
        "",
        "What is told of the last version, after those before it. `v2` stands for the document",
        "that began with version 2; its number (TXA-12) is made of the report and that version.",
        "",
        *table(
            ("versions", "by default", "one document that is edited"),
            map(_history, _HISTORIES),
        ),
        "One document that is edited: `document_final`, `document_addendum` and",
        "`document_correction` are T08. TXA-17 is PA for what is preliminary, then LA (or AU by",
        "`document_signed`); TXA-19 is AV, and CA for what is canceled.",
    ]
    return "\n".join(lines) + "\n"


def _row(kind: VersionKind) -> tuple[str, ...]:
    told = RESULT_STATUS[kind]
    printed = "; ".join(filter(None, (NOTICES[kind], MARKS.get(kind, "") and "marked across")))
    return (
        kind.value.lower(),
        told.orc_5,
        told.obr_25,
        told.obx_11,
        REPORT_STATUS[_STATUS[kind], kind, True],
        COMPLETION[kind],
        printed,
    )


def _history(kinds: tuple[VersionKind, ...]) -> tuple[str, ...]:
    edited = Settings(document_final="T08", document_addendum="T08", document_correction="T08")
    words = ", ".join(kind.value.lower() for kind in kinds)
    return words, _told(kinds, Settings()), _told(kinds, edited)


def _told(kinds: tuple[VersionKind, ...], settings: Settings) -> str:
    versions = [
        replace(_NOTHING, number=number, kind=kind) for number, kind in enumerate(kinds, start=1)
    ]
    return ", ".join(
        f"{each.trigger} of v{each.document}"
        + (
            f" ({'below' if each.trigger == 'T06' else 'for'} v{each.parent})"
            if each.parent
            else ""
        )
        for each in notices(versions, len(versions), settings)
    )


_NOTHING = ReportVersionView(
    number=1,
    kind=VersionKind.FINAL,
    sections={},
    author="",
    author_name=PersonName(),
    signer="",
    signer_name=PersonName(),
    signed_at=datetime(2026, 1, 1, tzinfo=UTC),
    content_hash="",
)
