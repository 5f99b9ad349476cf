"""Dose reports as commands (PS3.16 TID 10001 to 10013, 10021, 10030; PS3.4 B.5).

Pure: bytes and circumstances in, command out. What a template asks for and the report does not hold
is left out; what it holds and cannot be understood is kept with its reason. Only what is no dose
report at all is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from ris.domain.dose import (
    MEASURES,
    DoseKind,
    DoseSource,
    IrradiationEventDetails,
    Measure,
    Part,
    Quantity,
    RecordDose,
    Scope,
    quantity,
)
from ris.domain.errors import InvalidValueError, RisError
from ris.domain.identifiers import require_uid
from ris.domain.values import Identifier
from worklist import charset, moments
from worklist.charset import CharacterSet
from worklist.dose_tree import Item, moment, require_container, tree
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
        content = _radiopharmaceutical(root, zone)
    elif sop_class_uid == PATIENT_RADIATION_DOSE_SR:
        content = _Content(DoseKind.PATIENT, _absorbed(root), ())
    else:
        content = _x_ray(root, zone)
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
        started_at=_time_of(root, "113809", zone),
        ended_at=_time_of(root, "113810", zone),
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
        return number, _issuer(texts)
    requests = {
        item.text("AccessionNumber")[:64]: _issuer(item)
        for item in texts.items("ReferencedRequestSequence")
        if item.text("AccessionNumber")
    }
    return next(iter(requests.items())) if len(requests) == 1 else ("", "")


def _issuer(texts: Texts) -> str:
    for item in texts.items("IssuerOfAccessionNumberSequence"):
        return item.text("LocalNamespaceEntityID") or item.text("UniversalEntityID")
    return ""


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


def _time_of(item: Item, code: str, zone: tzinfo) -> datetime | None:
    found = item.some(code)
    return moment(found.moment, zone) if found else None


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


# --- what


@dataclass(frozen=True, slots=True)
class _Content:
    kind: DoseKind
    totals: tuple[Quantity, ...]
    events: tuple[IrradiationEventDetails, ...]


def _complete(command: RecordDose, content: _Content, flags: list[str]) -> RecordDose:
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


def _quantity(item: Item, measure: Measure, part: Part = Part.WHOLE) -> Quantity:
    return quantity(measure, item.number, item.unit.value, part, scheme=item.unit.scheme)


_PHANTOMS: Mapping[str, Part] = {"113690": Part.HEAD_PHANTOM, "113691": Part.BODY_PHANTOM}
_PLANES: Mapping[str, Part] = {
    "113620": Part.PLANE_A,
    "113621": Part.PLANE_B,
    "113622": Part.WHOLE,
    "113890": Part.ALL_PLANES,
}
# SNOMED CT, and the older codes of the same concepts.
_SIDES: Mapping[str, Part] = {
    "7771000": Part.LEFT, "80248007": Part.LEFT, "T-04030": Part.LEFT, "G-A101": Part.LEFT,
    "24028007": Part.RIGHT, "73056007": Part.RIGHT, "T-04020": Part.RIGHT, "G-A100": Part.RIGHT,
    "51440002": Part.BOTH, "63762007": Part.BOTH, "T-04080": Part.BOTH, "G-A102": Part.BOTH,
}  # fmt: skip
_LATERALITY = frozenset({"272741003", "G-C171", "111027"})
_MAMMOGRAPHY = frozenset({"71651007", "P5-40010", "R-0036D"})

_ACCUMULATED = ("113811", "113702", "130500")
_EVENT = ("113819", "113706", "130501")

# NUM concepts of the accumulated dose, whatever template it is (TID 10004 to 10007, 10012).
TOTALS: Mapping[str, Measure] = {
    "113812": Measure.EVENTS,
    "113813": Measure.DLP,
    "130745": Measure.DLP,
    "113814": Measure.EFFECTIVE_DOSE,
    "113722": Measure.DAP,
    "113726": Measure.DAP_FLUORO,
    "113727": Measure.DAP_ACQUISITION,
    "113725": Measure.DOSE_RP,
    "113728": Measure.DOSE_RP_FLUORO,
    "113729": Measure.DOSE_RP_ACQUISITION,
    "113730": Measure.FLUORO_TIME,
    "113855": Measure.ACQUISITION_TIME,
    "113731": Measure.FRAMES,
    "111637": Measure.GLANDULAR_DOSE,
}
# NUM concepts of one event (TID 10003, 10013).
OF_EVENT: Mapping[str, Measure] = {
    "113830": Measure.CTDI_VOL,
    "113838": Measure.DLP,
    "113839": Measure.EFFECTIVE_DOSE,
    "122130": Measure.DAP,
    "113738": Measure.DOSE_RP,
    "111631": Measure.GLANDULAR_DOSE,
    "113733": Measure.KVP,
    "113734": Measure.TUBE_CURRENT,
    "113736": Measure.EXPOSURE,
    "113824": Measure.EXPOSURE_TIME,
    "113742": Measure.EXPOSURE_TIME,
    "113825": Measure.SCANNING_LENGTH,
    "113768": Measure.PULSES,
}


def _x_ray(root: Item, zone: tzinfo) -> _Content:
    """CT (TID 10011), projection X-ray and mammography (TID 10001), enhanced (TID 10040)."""
    totals = tuple(
        one for container in root.outermost(*_ACCUMULATED) for one in _accumulated(container)
    )
    events = tuple(_event(container, zone) for container in root.outermost(*_EVENT))
    return _Content(_kind(root, totals), totals, events)


def _kind(root: Item, totals: tuple[Quantity, ...]) -> DoseKind:
    if root.some("113811", "113819") is not None:
        return DoseKind.CT
    procedure = root.first("121058")
    mammography = procedure is not None and (
        procedure.code.value in _MAMMOGRAPHY
        or any(item.code.value in _MAMMOGRAPHY for item in procedure.below())
    )
    if mammography or any(one.measure is Measure.GLANDULAR_DOSE for one in totals):
        return DoseKind.MAMMOGRAPHY
    return DoseKind.PROJECTION


def _accumulated(container: Item) -> list[Quantity]:
    """The totals of one container; a projection system has one for each plane."""
    plane = _plane(container)
    found = []
    for item in container.below():
        measure = TOTALS.get(item.name.value) if item.name.scheme == "DCM" else None
        if measure is None or item.value_type != "NUM":
            continue
        part = _side(item) or plane
        if item.is_named("130745"):
            part = _phantom(item) or part
        found.append(_quantity(item, measure, part))
    return found


def _plane(container: Item) -> Part:
    plane = container.first("113764")
    return _PLANES.get(plane.code.value, Part.WHOLE) if plane else Part.WHOLE


def _phantom(item: Item) -> Part | None:
    phantom = item.some("113835")
    return _PHANTOMS.get(phantom.code.value) if phantom else None


def _side(item: Item) -> Part | None:
    for below in item.children:
        if below.name.value in _LATERALITY:
            return _SIDES.get(below.code.value)
    return None


def _event(container: Item, zone: tzinfo) -> IrradiationEventDetails:
    plane = _plane(container)
    region = container.some("123014")
    side = _side(container) or (_side_of_region(region) if region else None)
    phantom = _phantom(container)
    quantities: dict[tuple[Measure, Part], Quantity] = {}
    for item in container.below():
        measure = OF_EVENT.get(item.name.value) if item.name.scheme == "DCM" else None
        if measure is None or item.value_type != "NUM":
            continue
        part = plane
        if measure is Measure.CTDI_VOL:
            part = phantom or Part.WHOLE
        elif measure is Measure.GLANDULAR_DOSE:
            part = _side(item) or side or Part.WHOLE
        # A value may be repeated for each pulse or source; the first stands for the event.
        quantities.setdefault((measure, part), _quantity(item, measure, part))
    uid = container.some("113769")
    return IrradiationEventDetails(
        uid=_event_uid(uid.uid if uid else ""),
        started_at=_time_of(container, "111526", zone),
        type=_words(container.some("113820", "113721")),
        protocol=_words(container.some("125203")),
        region=_words(region),
        quantities=tuple(quantities.values()),
    )


def _side_of_region(region: Item) -> Part | None:
    return _side(region) or _SIDES.get(region.code.value)


def _event_uid(text: str) -> str:
    try:
        return require_uid(text, "(0040,A124)") if text else ""
    except InvalidValueError:
        return ""


def _words(item: Item | None) -> str:
    return (item.code.words or item.text)[:200] if item is not None else ""


# --- radiopharmaceuticals and patient dose

_AGENT = frozenset({"349358000", "F-61FDB"})
_FINDING_SITE = frozenset({"363698007", "G-C0E3"})


def _radiopharmaceutical(root: Item, zone: tzinfo) -> _Content:
    """TID 10021: each administration is an event with an activity; organ doses are shown only."""
    events = []
    totals: list[Quantity] = []
    for container in root.outermost("113502"):
        activity = container.some("113507")
        own = (_quantity(activity, Measure.ACTIVITY),) if activity is not None else ()
        totals += own
        uid = container.some("113503")
        agent = next((i for i in container.below() if i.name.value in _AGENT), None)
        events.append(
            IrradiationEventDetails(
                uid=_event_uid(uid.uid if uid else ""),
                started_at=_time_of(container, "123003", zone),
                type="Administration",
                protocol=_words(agent),
                quantities=own,
            )
        )
    totals += [
        replace(_quantity(item, Measure.ABSORBED_DOSE), of=_site(item))
        for item in root.within("113518")
        if item.value_type == "NUM"
    ][:100]
    return _Content(DoseKind.NUCLEAR, tuple(totals), tuple(events))


_ABSORBED = ("128513", "128531", "128532", "128533", "128534", "128539")


def _absorbed(root: Item) -> tuple[Quantity, ...]:
    """TID 10030: what a model makes of a dose, for each organ; never added to what was measured."""
    found = (item for item in root.within(*_ABSORBED) if item.value_type == "NUM")
    return tuple(
        replace(_quantity(item, Measure.ABSORBED_DOSE), of=_site(item) or item.name.words)
        for _, item in zip(range(200), found, strict=False)
    )


def _site(item: Item) -> str:
    site = next((i for i in item.below() if i.name.value in _FINDING_SITE), None)
    return _words(site)
