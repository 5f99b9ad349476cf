"""What a worklist must answer, written from the standard's text: plain, slow, and not ours.

Works on pydicom datasets only: those of all scheduled steps, each with every attribute it has, and
a query. Nothing of the product is used. PS3.4 C.2.2.2 (matching), K.2.2 and K.6.1 (keys of the
model); what the standard leaves to the implementation is said at its place, and in the conformance
statement.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time, timedelta, timezone

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

SPS = "ScheduledProcedureStepSequence"
TEXT, NAME, UID, DATE, TERM = "text", "name", "uid", "date", "term"

# Matching keys: required ones of Table K.6-1 and the optional ones that are declared.
STEP_KEYS = {
    "ScheduledStationAETitle": TEXT,
    "Modality": TEXT,
    "ScheduledPerformingPhysicianName": NAME,
    "ScheduledProcedureStepDescription": TEXT,
    "ScheduledProcedureStepID": TEXT,
    "ScheduledStationName": TEXT,
    "ScheduledProcedureStepLocation": TEXT,
    "ScheduledProcedureStepStatus": TERM,
}
ROOT_KEYS = {
    "RequestedProcedureID": TEXT,
    "RequestedProcedureDescription": TEXT,
    "StudyInstanceUID": UID,
    "RequestedProcedurePriority": TERM,
    "AccessionNumber": TEXT,
    "RequestingPhysician": NAME,
    "RequestingService": TEXT,
    "ReferringPhysicianName": NAME,
    "PlacerOrderNumberImagingServiceRequest": TEXT,
    "FillerOrderNumberImagingServiceRequest": TEXT,
    "InstitutionName": TEXT,
    "AdmissionID": TEXT,
    "CurrentPatientLocation": TEXT,
    "PatientName": NAME,
    "PatientBirthDate": DATE,
    "PatientSex": TERM,
}
CODE_KEYS = ("CodeValue", "CodingSchemeDesignator")
ISSUER_KEYS = ("LocalNamespaceEntityID", "UniversalEntityID")
# Sequence keys, with the attributes that are compared inside of an item.
SEQUENCE_KEYS = {
    "RequestedProcedureCodeSequence": CODE_KEYS,
    "IssuerOfAccessionNumberSequence": ISSUER_KEYS,
    "IssuerOfAdmissionIDSequence": ISSUER_KEYS,
}
PROTOCOL = "ScheduledProtocolCodeSequence"
# Asked for and returned, never matched here.
RETURNED = {
    "AccessionNumber", "AdmissionID", "Allergies", "CurrentPatientLocation", "IssuerOfPatientID",
    "MedicalAlerts", "OtherPatientIDsSequence", "PatientAge", "PatientID", "PatientSize",
    "PatientState", "PatientWeight", "PregnancyStatus", "ReferencedPatientSequence",
    "ReferencedStudySequence", "ReasonForTheRequestedProcedure", "RequestedProcedureComments",
    "RequestedProcedureCodeSequence", "SpecialNeeds", "TimezoneOffsetFromUTC",
    "IssuerOfAccessionNumberSequence", "IssuerOfAdmissionIDSequence",
}  # fmt: skip
STEP_RETURNED = {
    PROTOCOL, "ScheduledProcedureStepEndDate", "ScheduledProcedureStepEndTime",
    "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "PreMedication",
    "RequestedContrastAgent", "CommentsOnTheScheduledProcedureStep",
}  # fmt: skip
# Shown unless the query names a status (dicom.md MWL-34).
SHOWN = ("SCHEDULED", "ARRIVED", "READY")


def answer(stored: list[Dataset], query: Dataset) -> list[Dataset]:
    """The answers to ``query``, of ``stored`` in its order."""
    return [_returned(one, query) for one in stored if _matches(one, query)]


def everything() -> Dataset:
    """A query for every attribute of every step, in whatever state."""
    query = Dataset()
    for keyword in sorted({*ROOT_KEYS, *RETURNED}):
        query.add(_empty(keyword))
    step = Dataset()
    for keyword in sorted({*STEP_KEYS, *STEP_RETURNED}):
        step.add(_empty(keyword))
    step.ScheduledProcedureStepStatus = ["SCHEDULED", "ARRIVED", "READY", "STARTED", "DEPARTED"]
    query.ScheduledProcedureStepSequence = [step]
    return query


def _empty(keyword: str) -> DataElement:
    from pydicom.datadict import dictionary_VR

    tag = tag_for_keyword(keyword)
    assert tag is not None
    vr = dictionary_VR(tag)
    return DataElement(tag, vr, [] if vr == "SQ" else None)


# --- what comes back (K.2.2.1.2, K.4.1.1.3.2)


def _returned(stored: Dataset, query: Dataset) -> Dataset:
    """Only what was requested; type 3 without a value is not even there, nor is a sequence whose
    items have nothing of what was requested of them."""
    found = Dataset()
    for element in query:
        if element.tag not in stored:
            continue
        kept = stored[element.tag]
        if element.VR != "SQ":
            found.add(kept)
            continue
        items = list(kept.value)
        asked = element.value[0] if element.value else None
        if asked is not None and len(asked):
            if element.keyword == PROTOCOL:
                # Only matching items come back (C.2.2.2.6).
                items = [item for item in items if _item_matches(item, asked, CODE_KEYS)]
            items = [_returned(item, asked) for item in items]
        told = [item for item in items if len(item) or element.keyword == SPS]
        if told or not items:
            found.add(DataElement(element.tag, "SQ", told))
    return found


# --- matching


def _matches(stored: Dataset, query: Dataset) -> bool:
    items = query.get(SPS) or [Dataset()]
    key, step = items[0], stored[SPS].value[0]
    return (
        all(_key(stored, query, keyword, kind) for keyword, kind in ROOT_KEYS.items())
        and all(
            _key(step, key, keyword, kind)
            for keyword, kind in STEP_KEYS.items()
            if keyword != "ScheduledProcedureStepStatus"
        )
        and _status(step, key)
        and _patient_id(stored, query)
        and all(_sequence(stored, query, keyword, inside)
                for keyword, inside in SEQUENCE_KEYS.items())
        and _sequence(step, key, PROTOCOL, CODE_KEYS)
        and _start(stored, step, query, key)
    )  # fmt: skip


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    if value is None or value == "":
        return ""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return str(value).strip()
    if type(value).__name__ == "PersonName":
        return str(value).strip()
    return "\\".join(str(one).strip() for one in value)


def _key(stored: Dataset, query: Dataset, keyword: str, kind: str) -> bool:
    key = _text(query, keyword)
    alternatives = [one.strip() for one in key.split("\\") if one.strip()]
    if not alternatives:
        return True  # universal matching (C.2.2.2.3)
    values = [one for one in _text(stored, keyword).split("\\") if one]
    if kind == DATE:
        return key.strip("*") == "" or any(_date_matches(one, key) for one in values)
    # More values than the one that may stand in a key are alternatives.
    return any(_value_matches(value, one, kind) for one in alternatives for value in values or [""])


def _value_matches(value: str, key: str, kind: str) -> bool:
    if kind == NAME:
        return not key.strip("*^= ") or (value != "" and _name_matches(value, key))
    if not key.strip("*"):
        return True
    if value == "":
        return False  # an unknown value matches no key (K.2.2.1.1.1)
    if kind == UID:
        return key == value  # no wildcards in UI
    return _wildcard(key).fullmatch(value) is not None


def _wildcard(key: str) -> re.Pattern[str]:
    """``*`` any sequence, ``?`` any one character, everything else itself (C.2.2.2.4)."""
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in key)
    return re.compile("".join(parts), re.DOTALL)


def _status(step: Dataset, key: Dataset) -> bool:
    if _text(key, "ScheduledProcedureStepStatus").strip("*\\"):
        return _key(step, key, "ScheduledProcedureStepStatus", TERM)
    return _text(step, "ScheduledProcedureStepStatus") in SHOWN


def _patient_id(stored: Dataset, query: Dataset) -> bool:
    """Also by the other numbers of the patient, each with its own issuer (dicom.md CHG-02)."""
    key, issuer = _text(query, "PatientID"), _text(query, "IssuerOfPatientID")
    issuers = [one.strip() for one in issuer.split("\\") if one.strip()] or ["*"]
    numbers = [(_text(stored, "PatientID"), _text(stored, "IssuerOfPatientID"))]
    alternatives = [one.strip() for one in key.split("\\") if one.strip()]
    if alternatives and all(one.strip("*") for one in alternatives):
        numbers += [
            (_text(item, "PatientID"), _text(item, "IssuerOfPatientID"))
            for item in stored.get("OtherPatientIDsSequence") or ()
        ]
    else:
        alternatives = ["*"]
    return any(
        _value_matches(number, one, TEXT) and _value_matches(issued, by, TEXT)
        for number, issued in numbers
        for one in alternatives
        for by in issuers
    )


def _sequence(stored: Dataset, query: Dataset, keyword: str, inside: tuple[str, ...]) -> bool:
    """At least one item matches every attribute of the key's one item (C.2.2.2.6)."""
    key = query.get(keyword)
    if not key or not any(_text(key[0], one).strip("*") for one in inside):
        return True
    return any(_item_matches(item, key[0], inside) for item in stored.get(keyword) or ())


def _item_matches(item: Dataset, key: Dataset, inside: tuple[str, ...]) -> bool:
    return all(_value_matches(_text(item, one), _text(key, one), TEXT) for one in inside)


# --- names (C.2.2.2.1.1): case and accents do not count, nor do empty components at the end


def _name_matches(value: str, key: str) -> bool:
    groups = [_folded(group) for group in value.split("=")]
    keys = [_folded(group) for group in key.split("=")[:3]]
    if len(keys) == 1 and not keys[0].isascii():
        # In another script: wherever the sender may have put it.
        return any(_group_matches(group, keys[0]) for group in groups)
    groups += [""] * 3
    return all(
        not one.strip("^ ") or _group_matches(groups[index], one) for index, one in enumerate(keys)
    )


def _group_matches(group: str, key: str) -> bool:
    key = "^".join(part.strip() for part in key.split("^")).rstrip("^")
    # DOE^* asks for nothing in its second component, so DOE meets it as well.
    return any(_wildcard(key).fullmatch(group + "^" * more) for more in range(6))


_HAND = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae"})


def _folded(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.casefold().translate(_HAND))
    kept = "".join(char for char in parts if not "̀" <= char <= "ͯ")
    return unicodedata.normalize("NFC", kept)


# --- dates and times (C.2.2.2.5, K.6.1.2.2)


def _ends(key: str) -> tuple[str, str]:
    first, hyphen, last = (part.strip() for part in key.partition("-"))
    return (first, last) if hyphen else (first, first)


def _date_matches(value: str, key: str) -> bool:
    first, last = (end.replace(".", "") for end in _ends(key))
    return (not first or value >= first) and (not last or value <= last)


def _start(stored: Dataset, step: Dataset, query: Dataset, key: Dataset) -> bool:
    dates = _text(key, "ScheduledProcedureStepStartDate")
    times = _text(key, "ScheduledProcedureStepStartTime")
    dates, times = ("" if one.strip("*") == "" else one for one in (dates, times))
    start = _local_start(stored, step, query)
    day, clock = start.strftime("%Y%m%d"), start.strftime("%H%M%S")
    if not (dates and times and "-" in dates and "-" in times):
        return (not dates or _date_matches(day, dates)) and (
            not times or _time_matches(clock, times)
        )
    # Both are ranges: one interval, not a time slot on each day (K.6.1.2.2).
    (first_day, last_day), (first, last) = _ends(dates), _ends(times)
    moment = day + clock
    return (not first_day or moment >= first_day.replace(".", "") + _filled(first, "000000")) and (
        not last_day or moment <= last_day.replace(".", "") + _filled(last, "235959")
    )


def _time_matches(clock: str, key: str) -> bool:
    """A time of fewer digits: its first instant at the lower end, its last one at the upper."""
    first, last = _ends(key)
    if "-" not in key:
        return clock == _filled(first, "000000")
    return clock >= _filled(first, "000000") and clock <= _filled(last, "235959")


def _filled(text: str, pattern: str) -> str:
    return text + pattern[len(text) :]


def _local_start(stored: Dataset, step: Dataset, query: Dataset) -> datetime:
    """The start in the zone the query is in (K.4.1.1.3.1), else in that of the site."""
    text = step.ScheduledProcedureStepStartTime
    start = datetime.combine(
        date.fromisoformat(step.ScheduledProcedureStepStartDate),
        time(int(text[:2]), int(text[2:4]), int(text[4:6])),
        _zone(stored.TimezoneOffsetFromUTC),
    )
    offset = _text(query, "TimezoneOffsetFromUTC")
    return start.astimezone(_zone(offset)) if offset else start


def _zone(offset: str) -> timezone:
    delta = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    return timezone(-delta if offset[0] == "-" else delta)


def unsupported(query: Dataset) -> bool:
    """Whether a requested key is not supported at all, which is FF01 (Table K.4-1)."""
    root = {*ROOT_KEYS, *RETURNED, SPS, "SpecificCharacterSet"}
    step = {*STEP_KEYS, *STEP_RETURNED}
    return _has_other(query, root) or any(_has_other(item, step) for item in query.get(SPS) or ())


def _has_other(dataset: Dataset, known: set[str]) -> bool:
    return any(element.keyword not in known for element in dataset)
