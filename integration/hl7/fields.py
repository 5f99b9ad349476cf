"""Where each value of an order and of a patient stands in a message (spec/hl7v2.md 1.8).

A row drives reading, the places a peer may move it to (``paths`` of its settings) and the
conformance statement. Of several paths the first that says anything counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, TypeVar

from integration.hl7 import bindings, datatypes
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.paths import parse_path
from integration.hl7.profiles import Profile
from ris.domain.errors import RisError
from ris.domain.identifiers import SH_LIMIT, require_accession_number, require_uid
from ris.domain.limits import OF_ORDER, OF_PATIENT, OF_VISIT
from ris.domain.values import Code, Identifier, NameGroup, PartialDate, PersonName

T = TypeVar("T")

Read = Callable[[Segment, str, Profile], Any]
_LONGEST_LO = 64  # PS3.5 6.2


@dataclass(frozen=True, slots=True)
class Field:
    """One value: the name it has in a command, where it stands, how it is read.

    Nothing hangs on an ``extra``: where it cannot be read, or is longer than ``limit``, the message
    is taken without it, unless its sender is held to the tables.
    """

    name: str
    paths: tuple[str, ...]
    read: Read
    title: str
    extra: bool = False
    limit: int = 0


class Scope(Protocol):
    """What a table is read from: a group of segments, with those of the message around it."""

    def segment(self, name: str) -> Segment | None: ...


def values(
    table: tuple[Field, ...], scope: Scope, profile: Profile, faults: Faults
) -> dict[str, Any]:
    """What is said, by the names of a command; what is not said is left out."""
    found: dict[str, Any] = {}
    for row in table:
        try:
            value = value_of(row, scope, profile)
        except RisError as error:
            segment = scope.segment(error.path[:3])
            may_lack = row.extra or isinstance(error, datatypes.NotKnownError)
            if may_lack and segment is not None and profile.leaves_out:
                faults.leave_out(error, row.name, segment)
            else:
                faults.add(error)
        else:
            if value is not None:
                found[row.name] = value
    return found


def value_of(row: Field, scope: Scope, profile: Profile) -> Any:
    """The value of one row; None if nobody says it. Raises InvalidValueError with its place.

    NotKnownError, if a place says that it does not know it, and no other one says it.
    """
    not_known: RisError | None = None
    for path in profile.settings.paths.get(row.name, row.paths):
        name, place, number = _apart(path)
        segment = scope.segment(name)
        if segment is None:
            continue
        fields = segment.fields
        if number >= len(fields) or not fields[number]:
            continue  # most fields of most messages are empty
        try:
            value = row.read(segment, place, profile)
        except datatypes.NotKnownError as error:
            not_known = not_known or error
            continue
        if value is not None:
            if row.limit:
                datatypes.within(str(value), row.limit, segment.at(place))
            return value
    if not_known is not None:
        raise not_known
    return None


@cache
def _apart(path: str) -> tuple[str, str, int]:
    """``TQ1-7.1`` as segment, place and number of the field."""
    name, _, place = path.partition("-")
    return name, place, parse_path(place).field


# --- readers: (segment, place, profile) → value, None if not said ------------------------------


def _text(segment: Segment, place: str, profile: Profile) -> str | None:
    text = segment.get(place)
    return text.strip() if text is not None else None


def _language(segment: Segment, place: str, profile: Profile) -> str | None:
    """Its code, else what it is called."""
    said = _text(segment, place, profile)
    return said or _text(segment, f"{place}.2", profile) or said


def _free_text(segment: Segment, place: str, profile: Profile) -> str | None:
    return segment.text(place)


def _filled(segment: Segment, place: str, profile: Profile) -> str | None:
    """As text; what is to be deleted was never there (identifiers stay, 1.2)."""
    text = (segment.get(place) or "").strip()
    return datatypes.within(text, 64, segment.at(place)) or None


def _short(segment: Segment, place: str, profile: Profile) -> str | None:
    """What a worklist holds as SH: longer is refused, never cut (0040,1001 and 0040,0009)."""
    text = _filled(segment, place, profile)
    return None if text is None else datatypes.within(text, SH_LIMIT, segment.at(place))


def _uid(segment: Segment, place: str, profile: Profile) -> str | None:
    text = _filled(segment, place, profile)
    return None if text is None else require_uid(text, segment.at(place))


def _reasons(segment: Segment, place: str, profile: Profile) -> str | None:
    """All repetitions of OBR-31 (CE), or the text of OBR-13 (ST)."""
    repeats = segment.repeats(place)
    if not repeats:
        return None
    if place == "13":
        return segment.text(place)
    words = (each.get(2) or each.get(9) or each.get(1) or "" for each in repeats)
    return "; ".join(dict.fromkeys(text.strip() for text in words if text.strip()))


def _words(segment: Segment, place: str, profile: Profile) -> str | None:
    return datatypes.words(segment, int(place))


def _short_words(segment: Segment, place: str, profile: Profile) -> str | None:
    """As far as a scanner's field holds it whole (LO); the comments have it in any case."""
    text = datatypes.words(segment, int(place))
    return text if text is None or len(text.strip()) <= _LONGEST_LO else None


def _code(segment: Segment, place: str, profile: Profile) -> Code | None:
    return datatypes.code(segment, int(place))


def _other_codes(segment: Segment, place: str, profile: Profile) -> tuple[Code, ...] | None:
    """What else a procedure is called: the alternate code, and OBR-44 with its own."""
    told = [datatypes.code(segment, 4, 4), *(datatypes.code(segment, 44, at) for at in (1, 4))]
    return tuple(dict.fromkeys(code for code in told if code and code.value)) or None


def _coded(segment: Segment, place: str, profile: Profile) -> Code | None:
    """As ``_code``, but a text alone is none: it is told as text."""
    told = datatypes.code(segment, int(place))
    return None if told is not None and not told.value and told.meaning else told


def _codes(segment: Segment, place: str, profile: Profile) -> tuple[Code, ...] | None:
    """All repetitions of a CE, or from ``4.4`` the alternate code."""
    number, _, first = place.partition(".")
    if first:
        told = datatypes.code(segment, int(number), int(first))
        return (told,) if told else None
    codes = tuple(
        Code(value, each.get(3) or "", each.get(2) or "", each.get(7) or "")
        for each in segment.repeats(number)
        if (value := (each.get(1) or "").strip())
    )
    return codes or None


def _entity(segment: Segment, place: str, profile: Profile) -> Identifier | None:
    return datatypes.entity(segment, int(place))


def _accession(segment: Segment, place: str, profile: Profile) -> Identifier | None:
    number = _entity(segment, place, profile)
    if number is not None:
        require_accession_number(number.value, segment.at(place))
    return number


def _placer(segment: Segment, place: str, profile: Profile) -> Identifier | None:
    return datatypes.entity(segment, int(place), profile.order_authority)


def _parent(segment: Segment, place: str, profile: Profile) -> Identifier | None:
    """The placer's part of an EIP, whose entity identifiers have subcomponents (2A.28)."""
    value, namespace, universal = (
        (segment.get(f"{place}.1.{number}") or "").strip() for number in (1, 2, 3)
    )
    if not value:
        return None
    issuer = namespace or universal or profile.order_authority
    at = segment.at(place)
    return Identifier(datatypes.within(value, 64, at), datatypes.within(issuer, 200, at))


def _diagnosis(segment: Segment, place: str, profile: Profile) -> Code | None:
    """DG1-3, else the text that DG1-4 had for it before 2.3.1."""
    if place == "4":
        text = (segment.get(place) or "").strip()
        return Code("", "", text) if text else None
    return datatypes.code(segment, int(place)) or None


def _person(segment: Segment, place: str, profile: Profile) -> Any:
    return datatypes.clinician(segment.repeats(place))


def _person_text(segment: Segment, place: str, profile: Profile) -> str | None:
    name = datatypes.clinician(segment.repeats(place))
    return None if name is None else str(name.alphabetic or name)


def _person_identifier(segment: Segment, place: str, profile: Profile) -> Identifier | None:
    """Of the repetition that has a name, so that name and number are of one person."""
    repeats = segment.repeats(place)
    named = next((each for each in repeats if each.get(2) or each.get(3)), None)
    return datatypes.clinician_identifier(named or repeats[0]) if repeats else None


def _ndl(segment: Segment, place: str, profile: Profile) -> Any:
    """The person of an NDL: subcomponents of its first component, or wrongly an XCN."""
    family, given, middle = (segment.get(f"{place}.1.{at}") or "" for at in (2, 3, 4))
    if not family:
        family, given, middle = (segment.get(f"{place}.{at}") or "" for at in (2, 3, 4))
    group = NameGroup(family.strip(), given.strip(), middle.strip())
    return PersonName(group) if group else None


def _patient_name(segment: Segment, place: str, profile: Profile) -> Any:
    return datatypes.person(segment.repeats(place))


def _mother(segment: Segment, place: str, profile: Profile) -> Any:
    """Whatever kind of name it is said to be: a maiden name is what the field is for."""
    return datatypes.person(segment.repeats(place), kind=99)


def _phone(segment: Segment, place: str, profile: Profile) -> str | None:
    return datatypes.phone(segment.repeats(place))


def _email(segment: Segment, place: str, profile: Profile) -> str | None:
    return datatypes.email(segment.repeats(place))


def _address(segment: Segment, place: str, profile: Profile) -> str | None:
    return datatypes.address(segment.repeats(place))


def _birth_date(segment: Segment, place: str, profile: Profile) -> PartialDate | None:
    return datatypes.birth_date(segment, place)


def _time(segment: Segment, place: str, profile: Profile) -> Any:
    return datatypes.time(segment, place, profile.zone)


def _instant(segment: Segment, place: str, profile: Profile) -> Any:
    stamp = datatypes.time(segment, place, profile.zone)
    return stamp.utc if stamp else None


def _duration(segment: Segment, place: str, profile: Profile) -> int | None:
    if segment.name == "TQ1":
        return datatypes.quantity(segment.get(f"{place}.1"), segment.get(f"{place}.2"))
    return datatypes.duration(segment.get(place))


def _sex(segment: Segment, place: str, profile: Profile) -> Any:
    text = segment.get(place)
    if text == "":
        return bindings.SEX["U"]
    path = segment.at(place)
    return bindings.read(bindings.SEX, text, table="0001", path=path) if text else None


def _died(segment: Segment, place: str, profile: Profile) -> bool | None:
    """PID-30, else that PID-29 tells a time of death; what is deleted did not happen."""
    text = segment.get(place)
    if place == "29" or not text:
        return None if text is None else bool(text)
    return bindings.read(bindings.YES_NO, text, table="0136", path=segment.at(place))


def _patient_class(segment: Segment, place: str, profile: Profile) -> Any:
    text = segment.get(place)
    path = segment.at(place)
    return bindings.read(bindings.PATIENT_CLASS, text, table="0004", path=path) if text else None


def _place(segment: Segment, place: str, profile: Profile) -> str | None:
    return datatypes.location(segment, int(place))


def _needs(segment: Segment, place: str, profile: Profile) -> str | None:
    """Ambulatory status as words; codes of the site's own stay as they are (table 0009)."""
    codes = [(each.get() or "").strip().upper() for each in segment.repeats(place)]
    if not codes:
        return None
    words = (bindings.AMBULATORY_STATUS.get(code, code) for code in codes)
    return ", ".join(dict.fromkeys(word for word in words if word))


def _pregnancy(segment: Segment, place: str, profile: Profile) -> str | None:
    codes = {(each.get() or "").strip().upper() for each in segment.repeats(place)}
    return "3" if bindings.PREGNANT in codes else None


def _priority(segment: Segment, place: str, profile: Profile) -> Any:
    text = segment.get(place)
    return bindings.priority(text, segment.at(place)) if text else None


def _transport(segment: Segment, place: str, profile: Profile) -> str | None:
    text = segment.get(place)
    return None if text is None else bindings.TRANSPORT.get(text.strip().upper(), text.strip())


def _laterality(segment: Segment, place: str, profile: Profile) -> str | None:
    return bindings.LATERALITY.get((segment.get(place) or "").strip().upper())


def _modality(segment: Segment, place: str, profile: Profile) -> str | None:
    return bindings.modality(segment.get(place) or "") or None


# --- the tables -----------------------------------------------------------------------------------


def _limited(limits: Mapping[str, int], *rows: Field) -> tuple[Field, ...]:
    """Extras with how much of them can be kept: what the core would refuse is left out before."""
    return tuple(replace(row, limit=limits.get(row.name, 0)) if row.extra else row for row in rows)


DEMOGRAPHICS: tuple[Field, ...] = _limited(
    OF_PATIENT,
    Field("name", ("PID-5",), _patient_name, "patient name, in all its writings"),
    Field("birth_date", ("PID-7",), _birth_date, "date of birth, as precise as known"),
    Field("sex", ("PID-8",), _sex, "administrative sex"),
    Field(
        "deceased",
        ("PID-30", "PID-29"),
        _died,
        "death indicator, else that there is a time of it",
        extra=True,
    ),
    Field("phone", ("PID-13", "PID-14"), _phone, "phone number", extra=True),
    Field("email", ("PID-13", "PID-14"), _email, "mail address (XTN.2 NET)", extra=True),
    Field("address", ("PID-11",), _address, "address, first repetition, as one line"),
    Field("language", ("PID-15",), _language, "primary language", extra=True),
    Field("pregnancy_status", ("PV1-15",), _pregnancy, "B6: definitely pregnant"),
    Field("special_needs", ("PV1-15",), _needs, "ambulatory status"),
    Field("mother_birth_name", ("PID-6",), _mother, "the mother's name at birth", extra=True),
    Field("ethnic_group", ("PID-22", "PID-10"), _words, "ethnic group, else race", extra=True),
)

VISIT: tuple[Field, ...] = _limited(
    OF_VISIT,
    Field("patient_class", ("PV1-2",), _patient_class, "patient class", extra=True),
    Field("location", ("PV1-3",), _place, "where the patient is", extra=True),
    Field("attending", ("PV1-7",), _person, "attending doctor", extra=True),
    Field("referring", ("PV1-8",), _person, "referring doctor", extra=True),
    Field("started_at", ("PV1-44",), _instant, "admission", extra=True),
    Field("ended_at", ("PV1-45",), _instant, "discharge", extra=True),
)

NUMBERS: tuple[Field, ...] = (
    Field("placer", ("ORC-2", "OBR-2"), _placer, "placer order number"),
    Field("filler", ("ORC-3", "OBR-3"), _entity, "filler order number"),
    Field("group_number", ("ORC-4",), _filled, "placer group number"),
    Field("parent", ("ORC-8",), _parent, "the placer's number of the requisition it came under"),
    Field("accession", ("IPC-1", "OBR-18"), _accession, "accession number, at most 16 characters"),
)

_REQUESTER = ("ORC-12", "OBR-16", "PRT-5")

DETAILS: tuple[Field, ...] = _limited(
    OF_ORDER,
    Field("priority", ("TQ1-9", "ORC-7.6", "OBR-27.6", "OBR-5"), _priority, "priority"),
    Field("reason", ("OBR-31", "OBR-13"), _reasons, "reason for the exam"),
    Field("reason_code", ("OBR-31",), _coded, "reason for the exam, coded", extra=True),
    Field("requester", _REQUESTER, _person, "ordering provider (`PRT-4` OP)"),
    Field("requester_identifier", _REQUESTER, _person_identifier, "ordering provider's id"),
    Field("requesting_service", ("ORC-17", "PV1-10"), _words, "requesting service", extra=True),
    Field("referring", ("PV1-8",), _person, "referring doctor", extra=True),
    Field("transport", ("OBR-30",), _transport, "transportation mode", extra=True),
    Field("entered_by", ("ORC-10",), _person_text, "entered by", extra=True),
    Field("entering_location", ("ORC-13",), _place, "where it was entered", extra=True),
    Field("requesting_service_code", ("ORC-17",), _coded, "requesting service, coded", extra=True),
    Field("clinical_information", ("OBR-13",), _free_text, "relevant clinical information"),
    Field("patient_state", ("OBR-12",), _short_words, "danger code, up to 64 characters"),
    Field("confidentiality", ("ORC-28",), _words, "confidentiality of the order"),
    Field("patient_confidentiality", ("PV1-16",), _text, "confidentiality of the patient's data"),
    Field("ordered_at", ("ORC-9", "ORC-15"), _instant, "time of the request", extra=True),
    Field("callback_phone", ("ORC-14", "OBR-17"), _phone, "call back phone number", extra=True),
)

PROCEDURE: tuple[Field, ...] = (
    Field("code", ("OBR-4", "OBR-44"), _code, "procedure"),
    Field("also", ("OBR-4",), _other_codes, "its other codes; the first the catalog knows counts"),
    Field("procedure_id", ("IPC-2", "OBR-19"), _short, "requested procedure id"),
    Field("study_instance_uid", ("IPC-3", "ZDS-1"), _uid, "Study Instance UID"),
    Field("laterality", ("OBR-45", "OBR-15.5", "OBR-15"), _laterality, "side: L, R or B"),
)

STEP: tuple[Field, ...] = (
    Field("step_id", ("IPC-4", "OBR-20"), _short, "scheduled procedure step id"),
    Field("modality", ("IPC-5", "OBR-24"), _modality, "modality"),
    Field("station", ("IPC-9", "OBR-21"), _filled, "station AE title"),
    Field("station_name", ("IPC-7",), _filled, "station name"),
    Field("location", ("IPC-8",), _words, "station's place"),
    Field("start", ("TQ1-7", "ORC-7.4", "OBR-27.4", "OBR-36"), _time, "start date and time"),
    Field("duration_minutes", ("TQ1-6", "ORC-7.3", "OBR-27.3"), _duration, "duration"),
    Field("description", ("IPC-6.2", "OBR-4.5"), _text, "step description"),
    Field("protocol_codes", ("IPC-6", "OBR-4.4"), _codes, "protocol codes"),
    Field("performing_physician", ("OBR-34",), _ndl, "performing physician"),
)

DIAGNOSIS = Field(
    "diagnosis", ("DG1-3", "DG1-4"), _diagnosis, "diagnosis; reason if none is told", extra=True
)
COMMENTS = Field("comments", ("NTE-3",), _free_text, "comments, all NTE of the order")
CLINICAL = Field("clinical", ("OBR-13",), _free_text, "relevant clinical information, as a comment")
REQUESTER = tuple(row for row in DETAILS if row.name in ("requester", "requester_identifier"))
HAZARD = Field("hazard", ("OBR-12",), _words, "danger code, as a comment")
OBSERVATION = Field(
    "observation", ("OBX-5",), _free_text, "what is known of the patient (OBX-3), as a comment"
)
REASON = Field("order_reason", ("ORC-16",), _words, "why an order is canceled or held")
