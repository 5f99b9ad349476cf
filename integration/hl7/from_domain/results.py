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
from integration.hl7.from_domain.segments import OBR, ORC, PID, PV1, Column, ToldOrder, row
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


OBX: tuple[Column[Any], ...] = (
    Column(1, "set id", lambda told: told.set_id),
    Column(2, "value type", lambda told: told.value_type),
    Column(3, "what it is", lambda told: told.name),
    Column(4, "number of the part", lambda told: told.sub_id),
    Column(5, "value", lambda told: told.value),
    Column(8, "very abnormal", lambda told: _flag(told)),
    Column(11, "result status", lambda told: told.status),
    Column(14, "signed at", lambda told: told.time(told.version.signed_at)),
    Column(16, "signed by", lambda told: datatypes.write_xcn(told.version.signer_name)),
)


def _flag(told: ToldObservation) -> str:
    """``AA`` (table 0078) on the text of a report with a critical finding."""
    is_text = told.value_type == told.profile.settings.report_text
    return "AA" if is_text and told.version.sections.get("communication") else ""


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
    status = _status(version, profile)
    rows: list[SegmentRow] = []
    set_id = 0
    for order in orders:
        for procedure in order.procedures:
            if procedure.public_id not in report.procedures:
                continue
            set_id += 1
            told = _told(order, procedure, version, status, at, profile, set_id)
            if not rows:
                rows += [row("PID", PID, told), row("PV1", PV1, told)]
            rows += [row("ORC", ORC, told), row("OBR", OBR, told)]
            rows.append(("NTE", 1, "L", _note(version)))
            rows += _observations(told, version, status, documents)
    return Draft("ORU", "R01", "ORU_R01", rows) if rows else None


def _as_wanted(report: ReportView, number: int, profile: Profile) -> ReportVersionView:
    """The version, or of an addendum only what it added if the peer wants that (spec 1.7)."""
    version = report.version(number)
    if version.kind is not VersionKind.ADDENDUM or profile.settings.addendum == "whole":
        return version
    whole = version.sections.get("addendum", "")
    before = report.version(number - 1).sections.get("addendum", "") if number > 1 else ""
    added = whole.removeprefix(before).strip() if before else whole
    return replace(version, sections={"addendum": added or whole})


def _status(version: ReportVersionView, profile: Profile) -> ResultStatus:
    status = bindings.RESULT_STATUS[version.kind]
    if version.kind is VersionKind.ADDENDUM:
        amended = profile.settings.amended_status
        return replace(status, obr_25=amended, obx_11=amended)
    return status


def _told(
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
        interpreter=datatypes.write_ndl(version.signer_name),
    )


def _performed_step(procedure: ProcedureView) -> StepView | None:
    done = [step for step in procedure.steps if step.status in PERFORMED]
    steps = done or list(procedure.steps)
    return steps[0] if steps else None


def _note(version: ReportVersionView) -> str:
    text = f"Report version {version.number}, {_KINDS[version.kind]}"
    return f"{text}: {version.reason}" if version.reason else text


def _observations(
    told: ToldOrder,
    version: ReportVersionView,
    status: ResultStatus,
    documents: Sequence[DocumentView],
) -> Iterator[SegmentRow]:
    """The Study Instance UID, then the text in the peer's layout, then what came with it."""
    settings = told.profile.settings
    uid = told.procedure.study_instance_uid
    value: Value = uid
    if settings.study_uid_type == "RP":
        value = (uid, settings.application, "Application", "DICOM")
    parts: list[tuple[str, Value, int | None, Value, str]] = [
        (settings.study_uid_type, bindings.STUDY_UID, None, value, "O")
    ]
    parts += [
        (settings.report_text, name, sub_id, _text(text, settings.report_text), status.obx_11)
        for name, sub_id, text in _parts(told, version)
    ]
    parts += [
        ("ED", _document_name(document), number, _encapsulated(document, told), status.obx_11)
        for number, document in enumerate(documents, start=1)
    ]
    for number, (value_type, name, sub_id, content, result) in enumerate(parts, start=1):
        observation = ToldObservation(
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
            name=name,
            sub_id=sub_id,
            value=content,
            status=result,
        )
        yield row("OBX", OBX, observation)


def _parts(told: ToldOrder, version: ReportVersionView) -> Iterator[tuple[Value, int, str]]:
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
            for number, (key, text) in enumerate(_sections(version), start=1):
                section = bindings.SECTION[key]
                yield (section.loinc, section.meaning, "LN"), number, text
        case "suffix":
            for number, (key, text) in enumerate(_sections(version), start=1):
                suffix = bindings.SECTION[key].suffix
                # Three sections share a suffix, so each says its name.
                titled = report_text({key: text})
                yield ((code.value, suffix), meaning, code.scheme), number, titled


def _sections(version: ReportVersionView) -> Iterator[tuple[str, str]]:
    for key, _ in SECTIONS:
        text = version.sections.get(key, "").strip()
        if text:
            yield key, text


def _text(text: str, value_type: str) -> Value:
    """Lines as ``\\.br\\`` (FT), or as repetitions, which is how TX parts them (2A.79)."""
    return text if value_type == "FT" else list(text.splitlines())


def _document_name(document: DocumentView) -> Value:
    """OBX-3 of a document: its kind by type, and the title it came with."""
    subtype = document.media_type.partition("/")[2].upper()
    return (subtype or "DOC", document.title or "Document", acks.OWN_CODES)


def _encapsulated(document: DocumentView, told: ToldOrder) -> Value:
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
