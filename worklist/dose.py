"""Dose reports as commands (PS3.16 TID 10001 to 10013, 10021, 10030; PS3.4 B.5).

Pure: bytes and circumstances in, command out. What a template asks for and the report does not hold
is left out; what it holds and cannot be understood is kept with its reason. Only what is no dose
report at all is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from ris.domain.dose import DoseKind, DoseSource, IrradiationEventDetails, RecordDose, Scope
from ris.domain.errors import InvalidValueError, RisError
from ris.domain.identifiers import require_sent_uid, require_uid
from ris.domain.measures import MEASURES
from ris.domain.values import Identifier
from worklist import charset, macros, moments
from worklist.charset import CharacterSet
from worklist.dose_content import Content, patient_dose, radiopharmaceutical, x_ray
from worklist.dose_tree import Item, moment, require_container, time_of, tree
from worklist.elements import Texts, read, tag_of, tag_path
from worklist.prescan import prescan
from worklist.sop_classes import (
    DOSE_REPORT_DEPTH,
    DOSE_REPORT_ELEMENTS,
    EXPLICIT_VR_BIG_ENDIAN,
    PATIENT_RADIATION_DOSE_SR,
    RADIOPHARMACEUTICAL_RADIATION_DOSE_SR,
    X_RAY_RADIATION_DOSE_SR,
)

# More irradiation events than any exam has; a report with more tells its totals only.
EVENTS_KEPT = 5_000

# Content Sequence (0040,A730), as its tag stands in the bytes.
_CONTENT, _CONTENT_BIG = b"\x40\x00\x30\xa7", b"\x00\x40\xa7\x30"
_HEAD_ELEMENTS = 10_000

_ROOTS: Mapping[str, str] = {
    X_RAY_RADIATION_DOSE_SR: "113701",
    RADIOPHARMACEUTICAL_RADIATION_DOSE_SR: "113500",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known besides the report itself."""

    ae_title: str
    zone: tzinfo
    default: CharacterSet = charset.ASCII


def from_report(
    sop_class_uid: str,
    sop_instance_uid: str,
    data: bytes,
    transfer_syntax: str,
    circumstances: Circumstances,
) -> RecordDose:
    """The command for a stored dose report.

    Raises InvalidValueError if it cannot be read or, with ``mismatch`` in the details, if it is not
    what its SOP Class says.
    """
    prescan(data, transfer_syntax, depth=DOSE_REPORT_DEPTH, elements=DOSE_REPORT_ELEMENTS)
    elements = read(data, transfer_syntax, DOSE_REPORT_DEPTH)
    texts = Texts.of(elements, circumstances.default)
    for keyword, value in (("SOPClassUID", sop_class_uid), ("SOPInstanceUID", sop_instance_uid)):
        if texts.text(keyword) != value:
            raise _mismatch(f"{keyword} is not that of the request", keyword)
    require_container(texts)
    root = tree(texts)
    wanted = _ROOTS.get(sop_class_uid)
    if wanted is not None and not root.is_named(wanted):
        raise _mismatch("the title is not that of a dose report", "ConceptNameCodeSequence")
    flags: list[str] = []
    zone = _zone(texts, circumstances.zone, flags)
    command = _header(sop_class_uid, sop_instance_uid, texts, root, circumstances, zone, flags)
    if sop_class_uid == RADIOPHARMACEUTICAL_RADIATION_DOSE_SR:
        content = radiopharmaceutical(root, zone)
    elif sop_class_uid == PATIENT_RADIATION_DOSE_SR:
        content = patient_dose(root)
    else:
        content = x_ray(root, zone)
    return _complete(command, content, flags)


def _mismatch(message: str, keyword: str) -> InvalidValueError:
    return InvalidValueError(message, path=tag_path(tag_of(keyword)), details={"mismatch": True})


def references_in(data: bytes, transfer_syntax: str) -> tuple[tuple[str, str], ...]:
    """What ties a report to orders even if it is refused; nothing if it cannot be read.

    The content tree, which is nearly all of a report, comes last and is not looked at.
    """
    marker = _CONTENT_BIG if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else _CONTENT
    head = data[: data.find(marker)] if marker in data else data
    try:
        prescan(head, transfer_syntax, depth=DOSE_REPORT_DEPTH, elements=_HEAD_ELEMENTS)
        texts = Texts.of(read(head, transfer_syntax, DOSE_REPORT_DEPTH))
        found = (
            ("study", texts.text("StudyInstanceUID")),
            ("accession", texts.text("AccessionNumber")),
        )
    except RisError:
        return ()
    return tuple(pair for pair in found if pair[1])


# --- whose and from where


def _zone(texts: Texts, default: tzinfo, flags: list[str]) -> tzinfo:
    try:
        return moments.zone_of(texts, default)
    except InvalidValueError as error:
        flags.append(f"{error.path}: {error.message}")
        return default


def _header(
    sop_class_uid: str,
    sop_instance_uid: str,
    texts: Texts,
    root: Item,
    circumstances: Circumstances,
    zone: tzinfo,
    flags: list[str],
) -> RecordDose:
    scope = root.first("113705")
    scope_uid = next((item.uid for item in scope.children if item.uid), "") if scope else ""
    identifier = _text(texts, "PatientID", 64, flags)
    accession, issuer = _accession(texts, flags)
    return RecordDose(
        source=DoseSource.RDSR,
        source_uid=sop_instance_uid,
        kind=DoseKind.PROJECTION,
        study_instance_uid=_uid(texts, "StudyInstanceUID", flags, needed=True),
        accession_number=accession,
        accession_issuer=issuer,
        patient_identifier=(
            Identifier(identifier, _text(texts, "IssuerOfPatientID", 64, flags))
            if identifier
            else None
        ),
        patient_name=_text(texts, "PatientName", 194, flags),
        patient_birth_date=_text(texts, "PatientBirthDate", 10, flags),
        performed_uids=_uids(texts, "ReferencedPerformedProcedureStepSequence"),
        ae_title=circumstances.ae_title,
        station_name=_text(texts, "StationName", 16, flags),
        device=_device(texts, root),
        device_uid=_observer(root, "121012") or _text(texts, "DeviceSerialNumber", 64, flags),
        title=(root.name.words or _text(texts, "SeriesDescription", 64, flags)),
        scope=_SCOPES.get(scope.code.value, Scope.UNKNOWN) if scope else Scope.UNKNOWN,
        scope_uid=scope_uid,
        content_at=_content_at(texts, zone),
        started_at=time_of(root, "113809", zone),
        ended_at=time_of(root, "113810", zone),
        predecessors=_predecessors(texts),
        note=_remarks(root),
    )


_SCOPES: Mapping[str, Scope] = {
    "113014": Scope.STUDY,
    "113016": Scope.PERFORMED_STEP,
    "113015": Scope.SERIES,
    "113970": Scope.STEP_SO_FAR,
    "113852": Scope.EVENT,
}


def _text(texts: Texts, keyword: str, limit: int, flags: list[str]) -> str:
    """A text no longer than may be kept; what cannot be read is noted, not fatal."""
    try:
        value = texts.text(keyword)
    except InvalidValueError as error:
        flags.append(f"{error.path}: {error.message}")
        return ""
    return value[:limit]


def _uid(texts: Texts, keyword: str, flags: list[str], *, needed: bool = False) -> str:
    value = texts.text(keyword)
    path = tag_path(tag_of(keyword))
    if not value:
        if needed:
            flags.append(f"{path}: {keyword} is missing")
        return ""
    try:
        return require_uid(value, path)
    except InvalidValueError as error:
        flags.append(f"{path}: {error.message}")
    try:
        return require_sent_uid(value, path)
    except InvalidValueError:
        return ""


def _uids(texts: Texts, keyword: str) -> tuple[str, ...]:
    found = (item.text("ReferencedSOPInstanceUID") for item in texts.items(keyword))
    return tuple(dict.fromkeys(uid[:64] for uid in found if uid))[:20]


def _predecessors(texts: Texts) -> tuple[str, ...]:
    """Documents whose content this one took over (PS3.3 C.17.2, Predecessor Documents)."""
    found = [
        uid
        for study in texts.items("PredecessorDocumentsSequence")
        for series in study.items("ReferencedSeriesSequence")
        for uid in _uids(series, "ReferencedSOPSequence")
    ]
    return tuple(dict.fromkeys(found))[:20]


def _accession(texts: Texts, flags: list[str]) -> tuple[str, str]:
    """The accession number and its issuer; of the requests answered, if there is only one."""
    number = _text(texts, "AccessionNumber", 64, flags)
    if number:
        return number, macros.issuer(texts, "IssuerOfAccessionNumberSequence")
    requests = {
        item.text("AccessionNumber")[:64]: macros.issuer(item, "IssuerOfAccessionNumberSequence")
        for item in texts.items("ReferencedRequestSequence")
        if item.text("AccessionNumber")
    }
    return next(iter(requests.items())) if len(requests) == 1 else ("", "")


def _device(texts: Texts, root: Item) -> str:
    """What made the report, for people: manufacturer, model, serial number."""
    maker = _observer(root, "121014") or texts.text("Manufacturer")
    model = _observer(root, "121015") or texts.text("ManufacturerModelName")
    serial = _observer(root, "121016") or texts.text("DeviceSerialNumber")
    words = " ".join(part for part in (maker, model) if part)
    return f"{words} ({serial})" if serial and words else words or serial


def _observer(root: Item, code: str) -> str:
    item = root.first(code)
    return (item.text or item.uid) if item else ""


def _content_at(texts: Texts, zone: tzinfo) -> datetime | None:
    on, clock = texts.text("ContentDate"), texts.text("ContentTime")
    return moment(on.replace(".", "") + clock.replace(":", ""), zone) if on else None


def _remarks(root: Item) -> str:
    """Where the numbers come from and where the reference point lies; both change their meaning."""
    parts = []
    origin = root.first("113854")
    if origin is not None:
        parts.append(f"source of dose information: {origin.code.words}")
    point = root.some("113780")
    if point is not None:
        parts.append(f"reference point: {point.code.words or point.text}")
    return "; ".join(parts)[:500]


def _complete(command: RecordDose, content: Content, flags: list[str]) -> RecordDose:
    events = _once_each(content.events, flags)
    if len(events) > EVENTS_KEPT:
        flags.append(f"{len(events)} irradiation events, more than are kept")
        events = (IrradiationEventDetails(uid=""),)  # told apart by totals only
    if any(not event.uid for event in events):
        flags.append("an irradiation event has no UID")
    problems = [
        f"{MEASURES[one.measure].words}: {one.problem}"
        for quantities in (content.totals, *(event.quantities for event in events))
        for one in quantities
        if one.problem
    ]
    flags += list(dict.fromkeys(problems))[:20]
    started = [event.started_at for event in events if event.started_at]
    return replace(
        command,
        kind=content.kind,
        totals=content.totals,
        events=events,
        started_at=command.started_at or min(started, default=None),
        ended_at=command.ended_at or max(started, default=None),
        flags=tuple(dict.fromkeys(flag[:200] for flag in flags)),
    )


def _once_each(
    events: tuple[IrradiationEventDetails, ...], flags: list[str]
) -> tuple[IrradiationEventDetails, ...]:
    """Events by UID: both planes of one event are two items with one UID (TID 10003)."""
    found: dict[str, IrradiationEventDetails] = {}
    nameless: list[IrradiationEventDetails] = []
    for event in events:
        known = found.get(event.uid)
        if not event.uid:
            nameless.append(event)
        elif known is None:
            found[event.uid] = event
        else:
            stated = {(one.measure, one.part) for one in known.quantities}
            added = tuple(q for q in event.quantities if (q.measure, q.part) not in stated)
            if len(added) < len(event.quantities):
                flags.append("an irradiation event is told twice")
            found[event.uid] = replace(known, quantities=known.quantities + added)
    return (*found.values(), *nameless)
