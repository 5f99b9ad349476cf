"""One condition of a query against one step: met or not, and both values in words.

What is compared, and how, is told beside the statement in ``selectors.worklist``; the fields that
are explained are those of ``WorklistQuery``, and a test asserts that none is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

from ris.domain.orders import OFFERED, OrderStatus, StepStatus
from ris.domain.values import Code, PersonName, fold
from ris.selectors import name_keys
from ris.selectors.explain.candidates import NOBODY, Candidate
from ris.selectors.name_keys import Pattern
from ris.selectors.views import TextMatch, WorklistQuery


class Source(StrEnum):
    """Where a condition comes from."""

    QUERY = "query"  # a key of the query
    DEVICE = "device"  # a setting of the device
    RULE = "rule"  # what the worklist offers where nobody says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``field`` is the field of the query; ``asked`` and ``has`` are for people."""

    field: str
    name: str
    asked: str
    has: str
    meets: bool
    says: str = "this step has"
    source: Source = Source.QUERY

    @property
    def words(self) -> str:
        """One sentence: *Station AE title: asked CT1, this step is for CT2*."""
        asked = {
            Source.QUERY: "asked",
            Source.DEVICE: "the device is set to",
            Source.RULE: "offered are",
        }[self.source]
        return f"{self.name}: {asked} {self.asked}, {self.says} {self.has}"


Check = Callable[[WorklistQuery, Candidate, tzinfo], Condition | None]


def conditions(
    query: WorklistQuery, step: Candidate, zone: tzinfo, sent: WorklistQuery | None = None
) -> tuple[Condition, ...]:
    """Every condition of ``query`` for ``step``; ``zone`` is the site's.

    ``sent`` is the query as the device sent it: what differs from it is of the device's settings.
    """
    found = []
    for check in CHECKS.values():
        condition = check(query, step, zone)
        if condition is not None:
            found.append(_with_source(condition, query, sent))
    return tuple(found)


def meets(query: WorklistQuery, step: Candidate, zone: tzinfo) -> bool:
    """Whether the step belongs into the answer, but for the query's limit."""
    return all(condition.meets for condition in conditions(query, step, zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """One condition of a query by itself."""

    name: str
    asked: str
    source: Source


def asked_for(
    query: WorklistQuery, zone: tzinfo, sent: WorklistQuery | None = None
) -> tuple[AskedFor, ...]:
    """What a query asks for, in words; what goes without saying is left out."""
    return tuple(
        AskedFor(name=one.name, asked=one.asked, source=one.source)
        for one in conditions(query, NOBODY, zone, sent)
        if one.source is not Source.RULE
    )


def _with_source(
    condition: Condition, query: WorklistQuery, sent: WorklistQuery | None
) -> Condition:
    if condition.source is Source.RULE or sent is None:
        return condition
    if condition.field == "statuses" and not sent.statuses and query.statuses == OFFERED:
        return replace(condition, source=Source.RULE)
    fields = _START if condition.field in _START else (condition.field,)
    if all(getattr(query, field) == getattr(sent, field) for field in fields):
        return condition
    return replace(condition, source=Source.DEVICE)


_START = ("start_from", "start_before")


# --- words


def _or(values: Iterable[str]) -> str:
    listed = list(values)
    if len(listed) < 2:
        return listed[0] if listed else "nothing"
    return f"{', '.join(listed[:-1])} or {listed[-1]}"


def _shown(value: str) -> str:
    return value or "none"


def _state(status: StepStatus | OrderStatus) -> str:
    return status.value.lower().replace("_", " ")


_NEVER = "no time yet"


def when(at: datetime | None, zone: tzinfo) -> str:
    """A local time as pages of explanations write it."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else _NEVER


# --- texts


def _text_meets(match: TextMatch, stored: str | None) -> bool:
    return stored is not None and any(
        one_text(value, stored, wildcard=match.wildcard) for value in match.pattern.split("\\")
    )


def one_text(value: str, stored: str, *, wildcard: bool) -> bool:
    """Exact and case-sensitive, with ``*`` and ``?`` where the key may hold them (C.2.2.2.4)."""
    if not (wildcard and ("*" in value or "?" in value)):
        return value == stored
    pattern = Pattern(tuple(name_keys.split(value)))
    return re.fullmatch(pattern.regex(), stored, re.DOTALL) is not None


def _text(field: str, name: str, read: Callable[[Candidate], str | None]) -> Check:
    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        match: TextMatch | None = getattr(query, field)
        if match is None:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked=_or(match.pattern.split("\\")),
            has=_shown(stored or ""),
            meets=_text_meets(match, stored),
        )

    return check


def _texts(field: str, name: str, read: Callable[[Candidate], str], says: str) -> Check:
    """A key with several values, any of which may match."""

    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        values: Sequence[str] = getattr(query, field)
        if not values:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked=_or(values),
            has=stored or f"no {name.split()[0].lower()} yet",
            meets=any(one_text(value, stored, wildcard=True) for value in values),
            says=says,
        )

    return check


def _view(field: str, name: str, read: Callable[[Candidate], str], says: str) -> Check:
    """What a device is shown at all: several lists, one value of each of which must match."""

    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        lists: Sequence[Sequence[str]] = getattr(query, field)
        if not lists:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked="; and ".join(_or(values) for values in lists),
            has=_shown(stored),
            meets=all(
                any(one_text(value, stored, wildcard=True) for value in values) for values in lists
            ),
            says=says,
            source=Source.DEVICE,
        )

    return check


def _name(
    field: str,
    name: str,
    read: Callable[[Candidate], str],
    key: Callable[[Candidate], str],
    says: str = "this step has",
) -> Check:
    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        asked: str = getattr(query, field)
        if not name_keys.name_keys(asked):
            return None
        return Condition(
            field=field,
            name=name,
            asked=_or(asked.split("\\")),
            has=_shown(read(step)),
            meets=bool(key(step)) and name_keys.matches(asked, key(step)),
            says=says,
        )

    return check


# --- times


def _start(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    first, before = query.start_from, query.start_before
    if first is None and before is None:
        return None
    at = step.start_at
    return Condition(
        field="start_from" if first is not None else "start_before",
        name="Start",
        asked=_interval(first, before, zone),
        has=when(at, zone),
        meets=at is not None and (first is None or at >= first) and (before is None or at < before),
    )


def _interval(first: datetime | None, before: datetime | None, zone: tzinfo) -> str:
    """Whole days as days; the end is the last instant inside, as people say it."""
    if before is None:
        return f"from {when(first, zone)}"
    last = before.astimezone(zone) - timedelta(microseconds=1)
    whole_days = (last.hour, last.minute, last.second) == (23, 59, 59)
    until = f"{last:%Y-%m-%d}" if whole_days else f"{last:%Y-%m-%d %H:%M}"
    if first is None:
        return f"until {until}"
    begins = first.astimezone(zone)
    if whole_days and (begins.hour, begins.minute, begins.second) == (0, 0, 0):
        day = f"{begins:%Y-%m-%d}"
        return day if day == until else f"{day} to {until}"
    return f"{when(first, zone)} to {until}"


def _time(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if not (query.time_from or query.time_to):
        return None
    at = step.start_at
    if query.time_zone:
        zone = _zone(query.time_zone)
    local = f"{at.astimezone(zone):%H%M%S.%f}" if at else ""
    return Condition(
        field="time_from" if query.time_from else "time_to",
        name="Time of day",
        asked=" ".join(
            part
            for part in (
                f"from {_clock(query.time_from)}" if query.time_from else "",
                f"to {_clock(query.time_to)}" if query.time_to else "",
            )
            if part
        ),
        has=f"{at.astimezone(zone):%H:%M:%S}" if at else _NEVER,
        meets=bool(local)
        and (not query.time_from or local >= query.time_from)
        and (not query.time_to or local <= query.time_to),
    )


def _zone(name: str) -> tzinfo:
    """The zone that a query names (dicom.md MWL-29): of the world's, or UTC+01:00."""
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        return ZoneInfo(name)
    sign, hours, minutes = offset.groups()
    delta = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-delta if sign == "-" else delta)


_OFFSET = re.compile(r"UTC([+-])(\d\d):(\d\d)")


def _clock(text: str) -> str:
    return f"{text[:2]}:{text[2:4]}:{text[4:6]}"


# --- the patient


_PATIENT = "the patient has"


def _patient_id(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    """Any number of the patient: after a merge the wristband still shows the old one."""
    match = query.patient_id
    if match is None:
        return None
    stored = [one.value for one, _ in step.identifiers]
    return Condition(
        field="patient_id",
        name="Patient ID",
        asked=_or(match.pattern.split("\\")),
        has=_or(stored) if stored else "none",
        meets=any(_text_meets(match, one) for one in stored),
        says=_PATIENT,
    )


def _issuer(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    """The issuer of the number that was asked for; of the primary one if none was."""
    issuer = query.patient_id_issuer
    if not issuer:
        return None
    match = query.patient_id
    held = [
        one.issuer
        for one, primary in step.identifiers
        if (primary if match is None else _text_meets(match, one.value))
    ]
    return Condition(
        field="patient_id_issuer",
        name="Issuer of patient ID",
        asked=issuer,
        has=_or(_shown(one) for one in held) if held else "none",
        meets=issuer in held,
        says=_PATIENT,
    )


def _birth_date(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if query.patient_birth_date is None:
        return None
    first, last = (_iso(day) for day in query.patient_birth_date)
    born = step.birth_date
    return Condition(
        field="patient_birth_date",
        name="Birth date",
        asked=first if first == last else f"{first or '…'} to {last or '…'}",
        has=_shown(born),
        says=_PATIENT,
        meets=len(born) == 10 and (not first or born >= first) and (not last or born <= last),
    )


def _iso(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _sex(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if not query.patient_sex:
        return None
    values = query.patient_sex.split("\\")
    return Condition(
        field="patient_sex",
        name="Sex",
        asked=_or(values),
        has=_shown(step.sex.value),
        meets=step.sex.value in values,
        says=_PATIENT,
    )


# --- the order


def _uids(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if not query.study_instance_uids:
        return None
    return Condition(
        field="study_instance_uids",
        name="Study Instance UID",
        asked=_or(query.study_instance_uids),
        has=step.study_instance_uid,
        meets=step.study_instance_uid in query.study_instance_uids,
    )


def _priorities(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if not query.priorities:
        return None
    return Condition(
        field="priorities",
        name="Priority",
        asked=_or(priority.value for priority in query.priorities),
        has=step.priority.value,
        meets=step.priority in query.priorities,
    )


def _codes(field: str, name: str, read: Callable[[Candidate], Sequence[Code]]) -> Check:
    """A code key: alternatives, each with a value, a scheme or both."""

    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        wanted: Sequence[Code] = getattr(query, field)
        if not wanted:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked=_or(_code(code) for code in wanted),
            has=_or(_code(code) for code in stored) if stored else "none",
            meets=any(
                (not code.value or code.value == one.value)
                and (not code.scheme or code.scheme == one.scheme)
                for code in wanted
                for one in stored
            ),
        )

    return check


def _code(code: Code) -> str:
    return f"{code.value or 'any'} ({code.scheme or 'any'})"


def _issuers(field: str, name: str, read: Callable[[Candidate], str | None]) -> Check:
    """One issuer in several spellings."""

    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        asked: Sequence[str] = getattr(query, field)
        if not asked:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked=_or(asked),
            has=_shown(stored or ""),
            meets=stored in asked,
        )

    return check


# --- what an answer shows of more than one column (``selectors.worklist_shown``)


def _as_shown(text: str | None) -> str | None:
    return text if text is None else text[:64].strip(" ").replace("\\", "/")


def _procedure_description(step: Candidate) -> str:
    return step.procedure_description or step.code_meaning or step.code_value


def _step_description(step: Candidate) -> str:
    protocol = next((code.meaning for code in step.protocol_codes if code.meaning), "")
    return step.description or protocol or _procedure_description(step)


# --- states


def _status(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition:
    wanted = query.statuses or OFFERED
    return Condition(
        field="statuses",
        name="State of the step",
        asked=_or(_state(status) for status in StepStatus if status in wanted),
        has=_state(step.status),
        meets=step.status in wanted,
        says="this step is",
        source=Source.QUERY if query.statuses else Source.RULE,
    )


_LIVE = (OrderStatus.ACTIVE,)
# Asking for what is over also finds it in orders that are over.
_OVER = (OrderStatus.ACTIVE, OrderStatus.COMPLETED, OrderStatus.DISCONTINUED)


def _order_status(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition:
    over = query.statuses & {StepStatus.COMPLETED, StepStatus.DISCONTINUED}
    wanted = _OVER if over else _LIVE
    return Condition(
        field="order_status",
        name="State of the order",
        asked=_or(_state(status) for status in wanted),
        has=_state(step.order_status),
        meets=step.order_status in wanted,
        says="this order is",
        source=Source.RULE,
    )


_FOR = "this step is for"

# In the order in which a person would look: what and when first, then the numbers.
CHECKS: Mapping[str, Check] = {
    "statuses": _status,
    "order_status": _order_status,
    "station_ae_titles": _texts(
        "station_ae_titles", "Station AE title", lambda step: step.station_ae_title, _FOR
    ),
    "modalities": _texts("modalities", "Modality", lambda step: step.modality, _FOR),
    "view_stations": _view(
        "view_stations", "Stations of its view", lambda step: step.station_ae_title, _FOR
    ),
    "view_modalities": _view(
        "view_modalities", "Modalities of its view", lambda step: step.modality, _FOR
    ),
    "start_from": _start,
    "time_from": _time,
    "patient_name": _name(
        "patient_name",
        "Patient name",
        lambda step: str(PersonName.parse(step.patient_name)),
        lambda step: step.name_key,
        "the patient is",
    ),
    "patient_id": _patient_id,
    "patient_id_issuer": _issuer,
    "accession_number": _text(
        "accession_number", "Accession number", lambda step: step.accession_number
    ),
    "procedure_id": _text("procedure_id", "Requested procedure ID", lambda step: step.procedure_id),
    "step_id": _text("step_id", "Scheduled step ID", lambda step: step.step_id),
    "study_instance_uids": _uids,
    "performing_physician": _name(
        "performing_physician",
        "Performing physician",
        lambda step: step.performing_physician,
        lambda step: fold(step.performing_physician),
    ),
    "patient_birth_date": _birth_date,
    "patient_sex": _sex,
    "admission_id": _text("admission_id", "Admission ID", lambda step: step.admission_id),
    "referring_physician": _name(
        "referring_physician",
        "Referring physician",
        lambda step: step.referring,
        lambda step: fold(step.referring),
    ),
    "requesting_physician": _name(
        "requesting_physician",
        "Requesting physician",
        lambda step: step.requester,
        lambda step: fold(step.requester),
    ),
    "station_name": _text("station_name", "Station name", lambda step: step.station_name),
    "location": _text("location", "Location", lambda step: step.location),
    "priorities": _priorities,
    "placer_number": _text("placer_number", "Placer order number", lambda step: step.placer_number),
    "filler_number": _text("filler_number", "Filler order number", lambda step: step.filler_number),
    "procedure_codes": _codes(
        "procedure_codes",
        "Procedure code",
        lambda step: (Code(step.code_value, step.code_scheme, step.code_meaning),),
    ),
    "protocol_codes": _codes("protocol_codes", "Protocol code", lambda step: step.protocol_codes),
    "procedure_description": _text(
        "procedure_description",
        "Procedure description",
        lambda step: _as_shown(_procedure_description(step)),
    ),
    "step_description": _text(
        "step_description", "Step description", lambda step: _as_shown(_step_description(step))
    ),
    "current_location": _text(
        "current_location", "Patient location", lambda step: _as_shown(step.current_location)
    ),
    "requesting_service": _text(
        "requesting_service", "Requesting service", lambda step: _as_shown(step.requesting_service)
    ),
    "institution": _text("institution", "Institution", lambda step: step.institution),
    "accession_issuers": _issuers(
        "accession_issuers", "Issuer of accession number", lambda step: step.accession_issuer
    ),
    "admission_issuers": _issuers(
        "admission_issuers", "Issuer of admission ID", lambda step: step.admission_issuer
    ),
}
# Told together with another field, or no condition at all.
TOLD_WITH: Mapping[str, str] = {
    "start_before": "start_from",
    "time_to": "time_from",
    "time_zone": "time_from",
}
