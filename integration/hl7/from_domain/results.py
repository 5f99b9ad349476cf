"""A signed version of a report → ORU^R01 (HL7 v2.5.1 7.3.1, IHE RAD-28 and RAD-128; spec 1.7).

Every version is told whole, with its number, so a receiver that missed one is not left with a
fragment; only who wants addenda alone gets them alone. A report on several procedures has an OBR
for each, each with the full text: whoever files by order finds all of it in every chart entry.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integration.hl7 import acks, bindings, datatypes
from integration.hl7.bindings import Progress, ResultStatus
from integration.hl7.er7_writer import Raw, SegmentRow, Value
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.segments import (
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
from ris.domain.orders import PERFORMED
from ris.domain.reporting import SECTIONS, VersionKind, report_text
from ris.selectors.documents import DocumentView
from ris.selectors.views import (
    OrderView,
    ProcedureView,
    ReportVersionView,
    ReportView,
    StepView,
)

SIGNED = frozenset({"PreliminarySigned", "ReportFinalized", "ReportAmended", "ReportRetracted"})

_KINDS = {
    VersionKind.PRELIMINARY: "preliminary",
    VersionKind.FINAL: "final",
    VersionKind.ADDENDUM: "addendum",
    VersionKind.CORRECTION: "correction",
    VersionKind.RETRACTION: "withdrawn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldObservation(ToldOrder):
    """What an OBX is written from."""

    version: ReportVersionView
    value_type: str
    name: Value
    sub_id: int | None
    value: Value
    status: str
    flag: str = ""


OBX: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda told: told.set_id),
    Column(2, "value type", lambda told: told.value_type),
    Column(3, "what it is", lambda told: told.name),
    Column(4, "number of the part", lambda told: told.sub_id),
    Column(5, "value", lambda told: told.value),
    Column(8, "AA where a critical finding was told (table 0078)", lambda told: told.flag),
    Column(11, "result status", lambda told: told.status),
    Column(14, "signed at", lambda told: told.time(told.version.signed_at)),
    Column(16, "signed by", lambda told: signed_by(told.version)),
)


def oru_r01(
    report: ReportView,
    number: int,
    orders: Sequence[OrderView],
    at: datetime,
    profile: Profile,
    documents: Sequence[DocumentView] = (),
) -> Draft | None:
    """The version ``number`` of a report, for the orders it covers; None without any."""
    version = _as_wanted(report, number, profile)
    status = status_of(version, profile)
    rows: list[SegmentRow] = []
    set_id = 0
    for order in orders:
        for procedure in order.procedures:
            if procedure.public_id not in report.procedures:
                continue
            set_id += 1
            told = told_of(order, procedure, version, status, at, profile, set_id)
            if not rows:
                rows += [row("PID", PID, told), row("PV1", PV1, told)]
            rows += [row("ORC", ORC, told), row("OBR", OBR, told)]
            rows.append(("NTE", 1, "L", note_of(version)))
            parts = text_parts(told, version, addenda_of(report, number))
            rows += _observations(told, version, status, parts, documents)
    return Draft("ORU", "R01", "ORU_R01", rows) if rows else None


def _as_wanted(report: ReportView, number: int, profile: Profile) -> ReportVersionView:
    """The version, or of an addendum only what it added if the peer wants that (spec 1.7)."""
    version = report.version(number)
    if version.kind is not VersionKind.ADDENDUM or profile.settings.addendum != "only":
        return version
    return replace(version, sections={"addendum": added_by(report, number)})


def added_by(report: ReportView, number: int) -> str:
    """What an addendum added to the addenda before it."""
    whole = report.version(number).sections.get("addendum", "")
    before = report.version(number - 1).sections.get("addendum", "") if number > 1 else ""
    added = whole.removeprefix(before).strip() if before else whole
    return added or whole


def addenda_of(report: ReportView, number: int) -> list[str]:
    """The addenda of a version, each by itself, the oldest first."""
    found: list[str] = []
    for version in report.versions[:number]:
        if version.kind is VersionKind.ADDENDUM:
            found.append(added_by(report, version.number))
        elif version.kind is VersionKind.CORRECTION:
            # What was corrected says the earlier addenda in its own words.
            found = [text] if (text := version.sections.get("addendum", "").strip()) else []
    return found


def status_of(version: ReportVersionView, profile: Profile) -> ResultStatus:
    status = bindings.RESULT_STATUS[version.kind]
    if version.kind is VersionKind.ADDENDUM:
        grouped = profile.settings.addendum == "group"
        amended = "F" if grouped else profile.settings.amended_status
        return replace(status, obr_25=amended, obx_11=amended)
    return status


def told_of(
    order: OrderView,
    procedure: ProcedureView,
    version: ReportVersionView,
    status: ResultStatus,
    at: datetime,
    profile: Profile,
    set_id: int,
) -> ToldOrder:
    started = [performed.started_at for performed in procedure.performed]
    ended = [performed.ended_at for performed in procedure.performed if performed.ended_at]
    return ToldOrder(
        profile=profile,
        at=at,
        patient=order.patient,
        visit=order.visit,
        order=order,
        procedure=procedure,
        step=_performed_step(procedure),
        control="RE",
        progress=Progress(status.orc_5, status.obr_25),
        set_id=set_id,
        timing_in_orc=False,
        observed_at=min(started, default=None),
        observed_until=max(ended, default=None),
        interpreter=datatypes.write_ndl(version.signer_name, version.signer_identifier),
        assistant=datatypes.write_ndl(version.resident_name),
        transcriptionist=_transcriptionist(version),
    )


def _transcriptionist(version: ReportVersionView) -> Value:
    said = version.particulars
    return datatypes.write_ndl(said.transcriptionist) if said is not None else None


def _performed_step(procedure: ProcedureView) -> StepView | None:
    done = [step for step in procedure.steps if step.status in PERFORMED]
    steps = done or list(procedure.steps)
    return steps[0] if steps else None


def note_of(version: ReportVersionView) -> str:
    text = f"Report version {version.number}, {_KINDS[version.kind]}"
    return f"{text}: {version.reason}" if version.reason else text


def _observations(
    told: ToldOrder,
    version: ReportVersionView,
    status: ResultStatus,
    texts: Sequence[Part],
    documents: Sequence[DocumentView],
) -> Iterator[SegmentRow]:
    """The Study Instance UID, then the text in the peer's layout, then what came with it."""
    settings = told.profile.settings
    uid = told.procedure.study_instance_uid
    value: Value = uid
    if settings.study_uid_type == "RP":
        value = (uid, settings.application, "Application", "DICOM")
    yield observation(
        told, version, 1, settings.study_uid_type, Part(bindings.STUDY_UID, None), value, "O"
    )
    number = 1
    for number, part in enumerate(texts, start=2):
        text = lines_of(part.text, settings.report_text)
        yield observation(told, version, number, settings.report_text, part, text, status.obx_11)
    for place, document in enumerate(documents, start=1):
        part = Part(_document_name(document), place)
        content = encapsulated(document, told)
        yield observation(told, version, number + place, "ED", part, content, status.obx_11)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a report: OBX-3, OBX-4, its text, and OBX-8."""

    name: Value
    sub_id: int | None
    text: str = ""
    flag: str = ""


def observation(
    told: ToldOrder,
    version: ReportVersionView,
    number: int,
    value_type: str,
    part: Part,
    value: Value,
    status: str,
) -> SegmentRow:
    return row(
        "OBX",
        OBX,
        ToldObservation(
            profile=told.profile,
            at=told.at,
            patient=told.patient,
            order=told.order,
            procedure=told.procedure,
            control=told.control,
            progress=told.progress,
            set_id=number,
            version=version,
            value_type=value_type,
            name=part.name,
            sub_id=part.sub_id,
            value=value,
            status=status,
            flag=part.flag,
        ),
    )


# Table 0078: very abnormal, where there are no numbers to compare.
_CRITICAL = "AA"


def text_parts(told: ToldOrder, version: ReportVersionView, addenda: Sequence[str]) -> list[Part]:
    """The report in the peer's layout; its conclusion flagged if a critical finding was told."""
    parts = [Part(*each) for each in _parts(told, version, addenda)]
    if parts and version.sections.get("communication", "").strip():
        place = 0
        if told.profile.settings.report_layout in {"sections", "suffix"}:
            keys = [key for key, _ in _sections(version)]
            place = next((keys.index(key) for key in _CONCLUSIONS if key in keys), 0)
        parts[place] = replace(parts[place], flag=_CRITICAL)
    return parts


_CONCLUSIONS = ("impression", "findings", "addendum")


def _parts(
    told: ToldOrder, version: ReportVersionView, addenda: Sequence[str]
) -> Iterator[tuple[Value, int, str]]:
    """OBX-3, OBX-4 and text of each part of the report."""
    code = told.procedure.code
    meaning = code.meaning or told.procedure.description
    match told.profile.settings.report_layout:
        case "whole":
            yield bindings.WHOLE_REPORT, 1, version.text
        case "lines":
            for number, line in enumerate(version.text.splitlines(), start=1):
                yield (code.value, meaning, code.scheme), number, line
        case "sections":
            for number, (key, text) in enumerate(_split(told, version, addenda), start=1):
                section = bindings.SECTION[key]
                yield (section.loinc, section.meaning, "LN"), number, text
        case "suffix":
            for number, (key, text) in enumerate(_split(told, version, addenda), start=1):
                suffix = bindings.SECTION[key].suffix
                # Three sections share a suffix, so each says its name.
                titled = report_text({key: text})
                yield ((code.value, suffix), meaning, code.scheme), number, titled


def _split(
    told: ToldOrder, version: ReportVersionView, addenda: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The sections; for a peer that reads addenda as groups each of them by itself."""
    for key, text in _sections(version):
        if key == "addendum" and told.profile.settings.addendum == "group" and addenda:
            yield from ((key, each) for each in addenda)
        else:
            yield key, text


def _sections(version: ReportVersionView) -> Iterator[tuple[str, str]]:
    for key, _ in SECTIONS:
        text = version.sections.get(key, "").strip()
        if text:
            yield key, text


def lines_of(text: str, value_type: str) -> Value:
    """Lines as ``\\.br\\`` (FT), or as repetitions, which is how TX parts them (2A.79)."""
    return text if value_type == "FT" else list(text.splitlines())


def _document_name(document: DocumentView) -> Value:
    """OBX-3 of a document: its kind by type, and the title it came with."""
    subtype = document.media_type.partition("/")[2].upper()
    return (subtype or "DOC", document.title or "Document", acks.OWN_CODES)


def encapsulated(document: DocumentView, told: ToldOrder) -> Value:
    """ED (2A.24): application, type, subtype, Base64 without line breaks."""
    kind, _, subtype = document.media_type.partition("/")
    return (
        told.profile.settings.application,
        _ED_TYPES.get(kind, "Application"),
        subtype.upper() if subtype in {"pdf", "rtf"} else subtype,
        "Base64",
        Raw(base64.b64encode(document.content).decode("ascii")),
    )


# Table 0191; what is none of its types is an application's.
_ED_TYPES = {"application": "Application", "image": "Image", "text": "TEXT", "audio": "Audio"}
