"""The checks of a query's keys, one for each field or kind of field of ``WorklistQuery``.

What is compared, and how, is told beside the statement in ``selectors.worklist``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from ris.domain.coding_schemes import designator
from ris.domain.values import Code
from ris.selectors import name_keys
from ris.selectors.explain.candidates import Candidate
from ris.selectors.explain.condition import (
    NEVER,
    Check,
    Condition,
    Source,
    alternatives,
    or_none,
    when,
)
from ris.selectors.issuer_patterns import IssuerPattern
from ris.selectors.name_keys import Pattern
from ris.selectors.views import TextMatch, WorklistQuery
from ris.selectors.worklist import as_stored

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


def text_key(field: str, name: str, read: Callable[[Candidate], str | None]) -> Check:
    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        match: TextMatch | None = getattr(query, field)
        if match is None:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked=alternatives(match.pattern.split("\\")),
            has=or_none(stored or ""),
            meets=_text_meets(match, stored),
        )

    return check


def text_keys(field: str, name: str, read: Callable[[Candidate], str], says: str) -> Check:
    """A key with several values, any of which may match."""

    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        values: Sequence[str] = getattr(query, field)
        if not values:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked=alternatives(values),
            has=stored or f"no {name.split()[0].lower()} yet",
            meets=any(one_text(value, stored, wildcard=True) for value in values),
            says=says,
        )

    return check


def view(field: str, name: str, read: Callable[[Candidate], str], says: str) -> Check:
    """What a device is shown at all: several lists, one value of each of which must match."""

    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        lists: Sequence[Sequence[str]] = getattr(query, field)
        if not lists:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked="; and ".join(alternatives(values) for values in lists),
            has=or_none(stored),
            meets=all(
                any(one_text(value, stored, wildcard=True) for value in values) for values in lists
            ),
            says=says,
            source=Source.DEVICE,
        )

    return check


def name_key(
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
            asked=alternatives(asked.split("\\")),
            has=or_none(read(step)),
            meets=bool(key(step)) and name_keys.matches(asked, key(step)),
            says=says,
        )

    return check


# --- times


def start(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
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


def time_of_day(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
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
        has=f"{at.astimezone(zone):%H:%M:%S}" if at else NEVER,
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


def patient_id(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    """Any number of the patient: after a merge the wristband still shows the old one."""
    match = query.patient_id
    if match is None:
        return None
    stored = [one.value for one, _ in step.identifiers]
    return Condition(
        field="patient_id",
        name="Patient ID",
        asked=alternatives(match.pattern.split("\\")),
        has=alternatives(stored) if stored else "none",
        meets=any(_text_meets(match, one) for one in stored),
        says=_PATIENT,
    )


def patient_id_issuer(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    """The issuer of the number that was asked for; of the primary one if none was."""
    if not query.patient_id_issuer:
        return None
    issuers = query.patient_id_issuer.split("\\")
    match = query.patient_id
    held = [
        one.issuer
        for one, primary in step.identifiers
        if (primary if match is None else _text_meets(match, one.value))
    ]
    return Condition(
        field="patient_id_issuer",
        name="Issuer of patient ID",
        asked=alternatives(issuers),
        has=alternatives(or_none(one) for one in held) if held else "none",
        meets=any(one_text(asked, one, wildcard=True) for asked in issuers for one in held),
        says=_PATIENT,
    )


def birth_date(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if query.patient_birth_date is None:
        return None
    first, last = (as_stored(day) for day in query.patient_birth_date)
    born = step.birth_date
    return Condition(
        field="patient_birth_date",
        name="Birth date",
        asked=first if first == last else f"{first or '…'} to {last or '…'}",
        has=or_none(born),
        says=_PATIENT,
        meets=len(born) == 10 and (not first or born >= first) and (not last or born <= last),
    )


def sex(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if not query.patient_sex:
        return None
    values = query.patient_sex.split("\\")
    return Condition(
        field="patient_sex",
        name="Sex",
        asked=alternatives(values),
        has=or_none(step.sex.value),
        meets=step.sex.value in values,
        says=_PATIENT,
    )


# --- the order


def study_uids(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if not query.study_instance_uids:
        return None
    return Condition(
        field="study_instance_uids",
        name="Study Instance UID",
        asked=alternatives(query.study_instance_uids),
        has=step.study_instance_uid,
        meets=step.study_instance_uid in query.study_instance_uids,
    )


def priorities(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
    if not query.priorities:
        return None
    return Condition(
        field="priorities",
        name="Priority",
        asked=alternatives(priority.value for priority in query.priorities),
        has=step.priority.value,
        meets=step.priority in query.priorities,
    )


def code_key(field: str, name: str, read: Callable[[Candidate], Sequence[Code]]) -> Check:
    """A code key: alternatives, each with a value, a scheme or both."""

    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        wanted: Sequence[Code] = getattr(query, field)
        if not wanted:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked=alternatives(_code(code) for code in wanted),
            has=alternatives(_code(code) for code in stored) if stored else "none",
            meets=any(_is(one, code) for code in wanted for one in stored),
        )

    return check


def _is(stored: Code, wanted: Code) -> bool:
    shown = designator(stored.scheme)
    return (not wanted.value or one_text(wanted.value, stored.value, wildcard=True)) and (
        not wanted.scheme or one_text(wanted.scheme, shown, wildcard=True)
    )


def _code(code: Code) -> str:
    return f"{code.value or 'any'} ({code.scheme or 'any'})"


def issuer_key(field: str, name: str, read: Callable[[Candidate], str | None]) -> Check:
    """One issuer in several spellings."""

    def check(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition | None:
        asked: Sequence[str | IssuerPattern] = getattr(query, field)
        if not asked:
            return None
        stored = read(step)
        return Condition(
            field=field,
            name=name,
            asked=alternatives([str(one) for one in asked]),
            has=or_none(stored or ""),
            meets=stored is not None
            and any(one == stored if isinstance(one, str) else one.meets(stored) for one in asked),
        )

    return check


# --- what an answer shows of more than one column (``selectors.worklist_shown``)


def as_shown(text: str | None) -> str | None:
    return text if text is None else text[:64].strip(" ").replace("\\", "/")


def procedure_description(step: Candidate) -> str:
    return step.procedure_description or step.code_meaning or step.code_value


def step_description(step: Candidate) -> str:
    protocol = next((code.meaning for code in step.protocol_codes if code.meaning), "")
    return step.description or protocol or procedure_description(step)
