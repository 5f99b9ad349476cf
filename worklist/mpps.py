"""N-CREATE and N-SET datasets as commands (PS3.4 F.7.2).

Pure: bytes and circumstances in, command out. In *strict* mode the first fault refuses the request.
In *repair* mode, which is the default, a fault is mended where that is safe and noted as a flag for
people to see: a refused MPPS stops the operator in the middle of an exam, and half the scanners in
use leave out something. A wrong status and unreadable text are refused in both modes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from ris.domain.errors import InvalidValueError, MissingValueError, RisError
from ris.domain.identifiers import require_sent_uid, require_uid
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    PerformedStatus,
    ScheduledReference,
    SeriesDetails,
    StartPerformedStep,
    UpdatePerformedStep,
)
from ris.domain.values import Code, Identifier
from worklist import charset, dicom_json, macros, moments
from worklist.charset import CharacterSet
from worklist.elements import Element, Elements, Texts, read, tag_of, tag_path, vr_of
from worklist.mpps_attributes import FIXED, PERFORMED
from worklist.sop_classes import EXPLICIT_VR_BIG_ENDIAN

_SCHEDULED = "ScheduledStepAttributesSequence"
_SERIES = "PerformedSeriesSequence"
_STATUS = "PerformedProcedureStepStatus"
_START = ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime")
_END = ("PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime")
_REASON = "PerformedProcedureStepDiscontinuationReasonCodeSequence"

# A device's clock may be this far ahead and is believed all the same.
_CLOCKS_DIFFER = timedelta(minutes=30)
# A clock without battery begins again at a day of its maker's choice, mostly 1970 or 2000.
_CLOCKS_WERE_RESET = date(2024, 1, 1)

_FINAL = frozenset({PerformedStatus.COMPLETED, PerformedStatus.DISCONTINUED})

Change = UpdatePerformedStep | CompletePerformedStep | DiscontinuePerformedStep
_COMMANDS: Mapping[PerformedStatus, type[Change]] = {
    PerformedStatus.IN_PROGRESS: UpdatePerformedStep,
    PerformedStatus.COMPLETED: CompletePerformedStep,
    PerformedStatus.DISCONTINUED: DiscontinuePerformedStep,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known besides the message itself."""

    ae_title: str  # of the association
    received_at: datetime
    zone: tzinfo  # of the site
    modality: str = ""  # of the device, as registered
    strict: bool = False
    default: CharacterSet = charset.ASCII  # of text whose dataset names no set


@dataclass(slots=True)
class _Faults:
    """What is wrong with one message: raised at once, or noted and mended."""

    strict: bool
    flags: list[str] = field(default_factory=list)

    def add(self, error: RisError) -> None:
        if self.strict:
            raise error
        self.flags.append(f"{error.path}: {error.message}" if error.path else error.message)

    def missing(self, texts: Texts, keyword: str) -> None:
        if keyword in texts:
            self.add(
                MissingValueError(
                    f"{keyword} has no value", path=_path(keyword), details={"empty": True}
                )
            )
        else:
            self.add(MissingValueError(f"{keyword} is missing", path=_path(keyword)))


def _path(keyword: str) -> str:
    return tag_path(tag_of(keyword))


def from_n_create(
    uid: str, data: bytes, transfer_syntax: str, circumstances: Circumstances
) -> StartPerformedStep:
    """The command for an N-CREATE; raises InvalidValueError or MissingValueError."""
    texts = Texts.of(_elements(data, transfer_syntax), circumstances.default)
    dataset = dicom_json.to_json(texts, order=_order(transfer_syntax))
    faults = _Faults(circumstances.strict)
    _check_name(uid, faults)
    status = texts.text(_STATUS)
    if not status:
        faults.missing(texts, _STATUS)
    elif status != PerformedStatus.IN_PROGRESS:
        raise InvalidValueError("a performed step begins IN PROGRESS", path=_path(_STATUS))
    _check_presence(texts, faults)
    started_at = _moment(texts, _START, circumstances, faults)
    references = tuple(_reference(item, faults) for item in texts.items(_SCHEDULED))
    if not references and _SCHEDULED in texts:
        faults.missing(texts, _SCHEDULED)
    details = _details(texts, faults, ended_at=None)
    return StartPerformedStep(
        sop_instance_uid=uid,
        station_ae_title=_value(texts, "PerformedStationAETitle", faults) or circumstances.ae_title,
        started_at=started_at or circumstances.received_at,
        modality=_value(texts, "Modality", faults) or circumstances.modality,
        station_name=texts.text("PerformedStationName"),
        location=texts.text("PerformedLocation"),
        performed_step_id=_value(texts, "PerformedProcedureStepID", faults),
        study_id=texts.text("StudyID"),
        references=references,
        patient_identifier=_patient_identifier(texts, faults),
        other_identifiers=_other_identifiers(texts),
        patient_name=_short(texts, "PatientName", faults, 194),
        patient_birth_date=_short(texts, "PatientBirthDate", faults, 10),
        patient_sex=_short(texts, "PatientSex", faults, 16),
        details=details,
        dataset=dataset,
        flags=tuple(dict.fromkeys(faults.flags)),
    )


def from_n_set(
    uid: str,
    data: bytes,
    transfer_syntax: str,
    circumstances: Circumstances,
    stored: Mapping[str, Any],
) -> Change:
    """The command for an N-SET, checked together with what is ``stored`` (DICOM JSON) so far.

    Sequences replace the stored ones whole (PS3.4 F.7.2.2.2). What an N-SET must not change is left
    out of the command and flagged.
    """
    texts = Texts.of(_elements(data, transfer_syntax), circumstances.default)
    # After the end nothing is checked any more: what the core says then is the answer.
    ended = dicom_json.text_of(stored, tag_of(_STATUS)) in _FINAL
    faults = _Faults(circumstances.strict and not ended)
    fixed = FIXED & texts.elements.keys()
    for tag in sorted(fixed):
        # 0105, No Such Attribute: an N-SET has none (PS3.7 10.1.3.1.8).
        faults.add(
            InvalidValueError(
                "not allowed in an N-SET", path=tag_path(tag), details={"attribute": True}
            )
        )
    dataset = dicom_json.to_json(texts, order=_order(transfer_syntax), without=FIXED)
    status = _status(texts, faults)
    final = status in _FINAL
    ended_at = None
    if final or any(texts.text(keyword) for keyword in _END):
        ended_at = _moment(_merged_end(texts, stored), _END, circumstances, faults, needed=final)
    if final:
        _check_final({**stored, **dataset}, faults)
        ended_at = ended_at or circumstances.received_at
    details = _details(texts, faults, ended_at=ended_at)
    return _COMMANDS[status](
        sop_instance_uid=uid,
        details=details,
        dataset=dataset,
        flags=tuple(dict.fromkeys(faults.flags)),
    )


def references_in(data: bytes, transfer_syntax: str) -> tuple[tuple[str, str], ...]:
    """What ties a message to orders even if it is refused; nothing if it cannot be read."""
    try:
        texts = Texts.of(_elements(data, transfer_syntax))
        found = [
            reference
            for item in texts.items(_SCHEDULED)
            for reference in (
                ("study", item.text("StudyInstanceUID")),
                ("accession", item.text("AccessionNumber")),
            )
            if reference[1]
        ]
    except RisError:
        return ()
    return tuple(found)


_SMALL = 32_768  # bytes; a usual message has one or two thousand
_read_small = lru_cache(maxsize=32)(read)  # as many as wait for each other


def _elements(data: bytes, transfer_syntax: str) -> Elements:
    """Read once for what a message refers to and for its command, unless it is large."""
    return (_read_small if len(data) <= _SMALL else read)(data, transfer_syntax)


def _order(transfer_syntax: str) -> str:
    return ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"


# --- what must be there


def _check_presence(texts: Texts, faults: _Faults) -> None:
    """Type 1 and 2 attributes that are absent (PS3.4 Table F.7.2-1).

    Only strict mode minds an absent type 2: it means what an empty one means.
    """
    for row in PERFORMED:
        if row.within or row.keyword in texts or row.keyword in _CHECKED_ELSEWHERE:
            continue
        if row.create == "1" or (row.create == "2" and faults.strict):
            faults.missing(texts, row.keyword)
    _check_items(texts, _SCHEDULED, faults)


def _check_items(texts: Texts, sequence: str, faults: _Faults) -> None:
    """Type 2 attributes absent from the items of a sequence, which again only strict mode minds.

    Those of type 1 are asked for where they are read.
    """
    if not faults.strict:
        return
    wanted = [row.keyword for row in PERFORMED if row.within == sequence and row.create == "2"]
    for item in texts.items(sequence):
        for keyword in wanted:
            if keyword not in item:
                faults.missing(item, keyword)


_CHECKED_ELSEWHERE = frozenset(
    {_STATUS, *_START, "PerformedStationAETitle", "Modality", "PerformedProcedureStepID"}
)


def _value(texts: Texts, keyword: str, faults: _Faults) -> str:
    """A type 1 value; empty and noted if it is not there. Of several the first counts."""
    value, more, _ = texts.text(keyword).partition("\\")
    if more:
        faults.add(InvalidValueError("more than one value", path=_path(keyword)))
    if not value:
        faults.missing(texts, keyword)
    return value.strip()


def _check_final(merged: Mapping[str, Any], faults: _Faults) -> None:
    """PS3.4 Table F.7.2-1, final state, over everything said so far (F.7.2.2.2)."""
    series = dicom_json.items_of(merged, tag_of(_SERIES))
    if not series:
        faults.add(
            MissingValueError(
                "a performed step ends with at least one series",
                path=_path(_SERIES),
                details={"empty": f"{tag_of(_SERIES):08X}" in merged},
            )
        )
    for item in series:
        for row in PERFORMED:
            if row.within == _SERIES and row.final == "1":
                _check_series_value(item, row.keyword, faults)


def _check_series_value(item: Mapping[str, Any], keyword: str, faults: _Faults) -> None:
    tag = tag_of(keyword)
    if not dicom_json.text_of(item, tag):
        is_there = f"{tag:08X}" in item
        what = "has no value" if is_there else "is missing"
        faults.add(
            MissingValueError(f"{keyword} {what}", path=tag_path(tag), details={"empty": is_there})
        )


def _status(texts: Texts, faults: _Faults) -> PerformedStatus:
    """The status an N-SET asks for; without one the step stays in progress."""
    text = texts.text(_STATUS)
    if not text:
        if _STATUS in texts:
            faults.missing(texts, _STATUS)
        return PerformedStatus.IN_PROGRESS
    try:
        return PerformedStatus(text)
    except ValueError:
        raise InvalidValueError("not a status of a performed step", path=_path(_STATUS)) from None


# --- parts


def _reference(item: Texts, faults: _Faults) -> ScheduledReference:
    return ScheduledReference(
        study_instance_uid=_uid(item, "StudyInstanceUID", faults),
        accession_number=item.text("AccessionNumber"),
        procedure_id=item.text("RequestedProcedureID"),
        step_id=item.text("ScheduledProcedureStepID"),
        accession_issuer=macros.issuer(item, "IssuerOfAccessionNumberSequence"),
        placer_order_number=item.text("PlacerOrderNumberImagingServiceRequest"),
        placer_issuer=macros.issuer(item, "OrderPlacerIdentifierSequence"),
        filler_order_number=item.text("FillerOrderNumberImagingServiceRequest"),
        filler_issuer=macros.issuer(item, "OrderFillerIdentifierSequence"),
        referenced_study_uids=tuple(
            uid
            for study in item.items("ReferencedStudySequence")
            if (uid := study.text("ReferencedSOPInstanceUID"))
        ),
    )


def _uid(texts: Texts, keyword: str, faults: _Faults) -> str:
    """A type 1 UID; noted if it breaks the rules, and empty if it is none at all."""
    value, path = _value(texts, keyword, faults), _path(keyword)
    try:
        return require_uid(value, path) if value else ""
    except InvalidValueError as error:
        faults.add(error)
    try:
        return require_sent_uid(value, path)
    except InvalidValueError:
        return ""


def _check_name(uid: str, faults: _Faults) -> None:
    """The name of the object itself; one that cannot be one was refused before (0117)."""
    try:
        require_uid(uid, "(0000,1000)")
    except InvalidValueError as error:
        error.details["instance"] = True
        faults.add(error)


def _short(texts: Texts, keyword: str, faults: _Faults, limit: int) -> str:
    """Text no longer than its representation allows; cut and noted if it is."""
    if len(value := texts.text(keyword)) > limit:
        faults.add(InvalidValueError(f"longer than {limit} characters", path=_path(keyword)))
    return value[:limit]


def _patient_identifier(texts: Texts, faults: _Faults) -> Identifier | None:
    value = _short(texts, "PatientID", faults, 64)
    return Identifier(value, _short(texts, "IssuerOfPatientID", faults, 64)) if value else None


def _other_identifiers(texts: Texts) -> tuple[Identifier, ...]:
    """Further numbers of the patient; any of them may be the one we know."""
    return tuple(
        Identifier(value[:64], item.text("IssuerOfPatientID")[:64])
        for item in texts.items("OtherPatientIDsSequence")
        if (value := item.text("PatientID"))
    )


def _moment(
    texts: Texts,
    keywords: tuple[str, str],
    circumstances: Circumstances,
    faults: _Faults,
    *,
    needed: bool = True,
) -> datetime | None:
    """Date and time as an instant; None, and noted, if they are missing or make no sense."""
    date_keyword, time_keyword = keywords
    on, clock = texts.text(date_keyword), texts.text(time_keyword)
    if not on or not clock:
        for keyword, value in zip(keywords, (on, clock), strict=True):
            if needed and not value:
                faults.missing(texts, keyword)
        return None
    try:
        day = moments.day(on, tag_of(date_keyword))
        local = moments.instant(clock, tag_of(time_keyword))
        zone = moments.zone_of(texts, circumstances.zone)
        return _as_told(day, local, zone, circumstances, date_keyword, faults) if day else None
    except OverflowError:
        faults.add(InvalidValueError("a date out of range", path=_path(date_keyword)))
    except InvalidValueError as error:
        faults.add(error)
    return None


def _as_told(
    day: date,
    local: str,
    zone: tzinfo,
    circumstances: Circumstances,
    keyword: str,
    faults: _Faults,
) -> datetime | None:
    """The reading that is nearest to the message, and none that the clock has not come to.

    Where a clock goes back an hour is there twice. A clock far ahead would have an exam at the head
    of every list for as long, and one that was reset an exam of years.
    """
    now = circumstances.received_at
    if day < _CLOCKS_WERE_RESET:
        faults.flags.append(f"{_path(keyword)}: a time long gone; the message's is used")
        return None
    found = min(moments.at(day, local, zone), key=lambda reading: abs(reading - now))
    if found > now + _CLOCKS_DIFFER:
        faults.flags.append(f"{_path(keyword)}: a time that had not come; the message's is used")
        return None
    return found


def _merged_end(texts: Texts, stored: Mapping[str, Any]) -> Texts:
    """The N-SET's end, with what an earlier one may have said of it."""
    elements = dict(texts.elements)
    for keyword in _END:
        tag = tag_of(keyword)
        earlier = dicom_json.text_of(stored, tag)
        if earlier and not texts.text(keyword):
            elements[tag] = Element(vr_of(tag), earlier.encode("ascii", "replace"))
    return Texts(elements, texts.characters)


def _details(texts: Texts, faults: _Faults, *, ended_at: datetime | None) -> PerformedDetails:
    return PerformedDetails(
        ended_at=ended_at,
        description=_text(texts, "PerformedProcedureStepDescription"),
        procedure_codes=_codes(texts, "ProcedureCodeSequence"),
        protocol_codes=_codes(texts, "PerformedProtocolCodeSequence"),
        series=_series(texts, faults),
        comments=_text(texts, "CommentsOnThePerformedProcedureStep"),
        discontinuation_reason=_reason(texts),
    )


def _text(texts: Texts, keyword: str) -> str | None:
    return texts.text(keyword) if keyword in texts else None


def _codes(texts: Texts, keyword: str) -> tuple[Code, ...] | None:
    if keyword not in texts:
        return None
    return macros.codes(texts, keyword)


def _reason(texts: Texts) -> Code | None:
    codes = _codes(texts, _REASON)
    return codes[0] if codes else None


def _series(texts: Texts, faults: _Faults) -> tuple[SeriesDetails, ...] | None:
    if _SERIES not in texts:
        return None
    _check_items(texts, _SERIES, faults)
    return tuple(filter(None, (_one_series(item, faults) for item in texts.items(_SERIES))))


def _one_series(item: Texts, faults: _Faults) -> SeriesDetails | None:
    """A series; one without a UID cannot be kept apart from others and stays in the dataset."""
    uid = _uid(item, "SeriesInstanceUID", faults)
    protocol = _value(item, "ProtocolName", faults)
    if not uid:
        return None
    return SeriesDetails(
        series_instance_uid=uid,
        protocol_name=protocol,
        description=item.text("SeriesDescription"),
        modality=item.text("Modality"),
        retrieve_ae_title=item.text("RetrieveAETitle"),
        performing_physician=item.text("PerformingPhysicianName"),
        operators=item.values("OperatorsName"),
        instance_count=_count(item),
    )


_INSTANCES: Sequence[str] = (
    "ReferencedImageSequence",
    "ReferencedNonImageCompositeSOPInstanceSequence",
)


def _count(item: Texts) -> int:
    return sum(len(item.items(keyword)) for keyword in _INSTANCES)
