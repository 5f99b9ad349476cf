"""A signed version of a report → MDM (HL7 v2.5.1 9.6): the document as it is filed in a record.

A document that was available is never edited in silence: by default what follows is a document of
its own that takes the place of the one before (T10) or adds to it (T06), and TXA-13 names that one.
Peers that keep one document per report may have it edited (T08) instead. What is withdrawn is
canceled (T11), with every addendum that still stands.

Numbers are made of the report and of the version that a document began with. So they are the same
whenever a message is written, and no two documents have the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integration.hl7 import bindings, datatypes, versions
from integration.hl7.er7_writer import SegmentRow, Value
from integration.hl7.from_domain import results
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.results import Part
from integration.hl7.from_domain.segments import (
    EVN,
    OBR,
    ORC,
    PID,
    PV1,
    Column,
    ToldOrder,
    row,
    signed_by,
)
from integration.hl7.profiles import Profile
from integration.hl7.settings import Settings
from ris.domain.reporting import VersionKind
from ris.domain.values import Identifier
from ris.selectors.documents import DocumentView
from ris.selectors.views import OrderView, ReportVersionView, ReportView

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message about one document: MDM-2, the version its number is of, and TXA-13."""

    trigger: str
    document: int
    parent: int = 0

    @property
    def shows(self) -> bool:
        """Whether it carries the document; a cancellation only names it."""
        return self.trigger != "T11"


def notices(versions: Sequence[ReportVersionView], number: int, settings: Settings) -> list[Notice]:
    """What a peer is told of the version ``number``, after all that it was told before.

    A preliminary version that is kept from the peer never was a document for it.
    """
    main = 0  # the document that stands
    addenda: list[int] = []  # documents below it that stand
    said: list[Notice] = []
    for version in versions[:number]:
        said = []
        if version.kind is VersionKind.PRELIMINARY and not settings.preliminary_results:
            continue
        if version.kind is VersionKind.RETRACTION:
            said = [Notice("T11", each) for each in (*addenda, main) if each]
            main, addenda = 0, []
            continue
        if not main:
            main = version.number
            said = [Notice("T02", main)]
            continue
        trigger = _trigger(version.kind, settings)
        if trigger == "T06":
            addenda.append(version.number)
            said = [Notice("T06", version.number, main)]
        elif trigger == "T10":
            said = [Notice("T10", version.number, main)]
            main = version.number
        else:
            said = [Notice(trigger, main)]
        if version.kind is VersionKind.CORRECTION:
            # The corrected document says the addenda itself; a wrong one must not stand beside it.
            said += [Notice("T11", each) for each in addenda]
            addenda = []
    return said


def _trigger(kind: VersionKind, settings: Settings) -> str:
    if kind is VersionKind.ADDENDUM:
        return settings.document_addendum
    if kind is VersionKind.CORRECTION:
        return settings.document_correction
    return settings.document_final


def document_number(report: str, version: int) -> str:
    """TXA-12.1: of the report and the version that the document began with, 30 characters at most.

    That is what TXA-12 holds in 2.3.1.
    """
    value = int(report.replace("-", ""), 16)
    digits = ""
    while value:
        value, digit = divmod(value, 36)
        digits = _DIGITS[digit] + digits
    return f"{digits or '0'}.{version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldDocument(ToldOrder):
    """What a TXA is written from."""

    version: ReportVersionView
    number: str
    parent: str
    orders: Sequence[OrderView]
    edited: bool
    presentation: str
    availability: str
    file_name: str

    def own(self, number: str) -> Value:
        return self.entity(Identifier(number), self.profile.settings.application)


def _completion(told: ToldDocument) -> str:
    """PA: signed by one who may not release it; the receiver waits for the other (table 0271)."""
    if told.version.kind is VersionKind.PRELIMINARY:
        return "PA"
    return told.profile.settings.document_signed


def _authenticated(told: ToldDocument) -> Value:
    """PPN: who, and as its 15th component when (2A.58)."""
    signer = signed_by(told.version)
    at = told.time(told.version.signed_at)
    if not isinstance(signer, tuple):
        return (*([None] * 14), at)
    parts = [*signer, *([None] * 15)][:14]
    return (*parts, at)


def _typist(told: ToldDocument) -> Value:
    said = told.version.particulars
    return datatypes.write_xcn(said.transcriptionist) if said is not None else None


def _author(told: ToldDocument) -> Value:
    version = told.version
    return datatypes.write_xcn(version.resident_name or version.author_name or version.signer_name)


TXA: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda told: 1),
    Column(2, "document type", lambda told: told.profile.settings.document_type),
    Column(3, "how it is presented: AP (PDF), FT or TX", lambda told: told.presentation),
    Column(4, "start of the exam", lambda told: told.time(told.observed_at)),
    Column(5, "who signed", lambda told: signed_by(told.version)),
    Column(6, "when it was signed", lambda told: told.time(told.version.signed_at)),
    Column(
        8,
        "of T08 and T10: when it was changed",
        lambda told: told.time(told.version.signed_at) if told.edited else None,
    ),
    Column(9, "who wrote it", _author),
    Column(10, "who signed", lambda told: signed_by(told.version)),
    Column(11, "who typed it", _typist),
    Column(12, "number of the document", lambda told: told.own(told.number)),
    Column(
        13,
        "number of the document it adds to or replaces",
        lambda told: told.own(told.parent) if told.parent else None,
    ),
    Column(
        14,
        "placer order numbers",
        lambda told: [told.entity(each.placer) for each in told.orders if each.placer.value],
    ),
    Column(15, "filler order number", lambda told: told.filler),
    Column(16, "file name", lambda told: told.file_name),
    Column(17, "completion: PA, then AU or LA (table 0271)", _completion),
    Column(18, "confidentiality: U, the usual control (table 0272)", lambda told: "U"),
    Column(19, "availability: AV, CA of a canceled one (table 0273)", lambda t: t.availability),
    Column(20, "storage: AC (table 0275)", lambda told: "AC"),
    Column(21, "why it was changed", lambda told: told.version.reason),
    Column(22, "who signed, and when", _authenticated),
)


def mdm(
    report: ReportView,
    number: int,
    orders: Sequence[OrderView],
    at: datetime,
    profile: Profile,
    printed: DocumentView | None = None,
) -> list[Draft]:
    """The messages that tell of the version ``number``; none without an order it covers."""
    version = report.version(number)
    covers = [
        (order, procedure)
        for order in orders
        for procedure in order.procedures
        if procedure.public_id in report.procedures
    ]
    if not covers:
        return []
    status = results.status_of(version, profile)
    told = [
        results.told_of(order, procedure, version, status, at, profile, set_id)
        for set_id, (order, procedure) in enumerate(covers, start=1)
    ]
    return [
        _draft(each, report, version, told, status.obx_11, printed)
        for each in notices(report.versions, number, profile.settings)
    ]


def _draft(
    notice: Notice,
    report: ReportView,
    version: ReportVersionView,
    told: Sequence[ToldOrder],
    status: str,
    printed: DocumentView | None,
) -> Draft:
    profile = told[0].profile
    structure = "MDM_T02" if notice.shows else "MDM_T01"
    first = replace(told[0], event=notice.trigger)
    rows: list[SegmentRow] = [
        row("EVN", EVN, first),
        row("PID", PID, first),
        row("PV1", PV1, first),
    ]
    if versions.numbers(profile.version) >= (2, 5):
        for each in told:
            rows += [row("ORC", ORC, each), row("OBR", OBR, each)]
            rows.append(("NTE", 1, "L", results.note_of(version)))
    rows.append(row("TXA", TXA, _document(notice, report, version, told, printed)))
    if notice.shows:
        rows += _content(notice, report, version, first, status, printed)
    return Draft("MDM", notice.trigger, structure, rows)


def _document(
    notice: Notice,
    report: ReportView,
    version: ReportVersionView,
    told: Sequence[ToldOrder],
    printed: DocumentView | None,
) -> ToldDocument:
    first = told[0]
    settings = first.profile.settings
    shows_pdf = printed is not None and settings.document_content != "text"
    return ToldDocument(
        profile=first.profile,
        at=first.at,
        patient=first.patient,
        visit=first.visit,
        order=first.order,
        procedure=first.procedure,
        control=first.control,
        progress=first.progress,
        observed_at=first.observed_at,
        version=version,
        number=document_number(report.public_id, notice.document),
        parent=document_number(report.public_id, notice.parent) if notice.parent else "",
        orders=list({each.order.public_id: each.order for each in told}.values()),
        edited=notice.trigger in {"T08", "T10"},
        presentation="AP" if shows_pdf else settings.report_text,
        availability="AV" if notice.shows else "CA",
        file_name=printed.file_name if printed is not None and shows_pdf else "",
    )


def _content(
    notice: Notice,
    report: ReportView,
    version: ReportVersionView,
    told: ToldOrder,
    status: str,
    printed: DocumentView | None,
) -> Iterator[SegmentRow]:
    """The document as it is printed, whole; as text, of an addendum (T06) only what it adds."""
    settings = told.profile.settings
    number = 0
    if printed is not None and settings.document_content != "text":
        number = 1
        part = Part(bindings.WHOLE_REPORT, 1)
        content = results.encapsulated(printed, told)
        yield results.observation(told, version, number, "ED", part, content, status)
    if settings.document_content == "pdf" and number:
        return
    shown = version
    if notice.trigger == "T06":
        shown = replace(version, sections={"addendum": results.added_by(report, version.number)})
    addenda = results.addenda_of(report, version.number) if shown is version else []
    for place, part in enumerate(results.text_parts(told, shown, addenda), start=number + 1):
        text = results.lines_of(part.text, settings.report_text)
        yield results.observation(told, version, place, settings.report_text, part, text, status)
