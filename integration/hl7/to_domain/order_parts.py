"""The parts of an order's commands: details, comments, procedures and their steps (spec 1.8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from integration.hl7 import datatypes, times
from integration.hl7.er7 import Group
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.fields import (
    CLINICAL,
    COMMENTS,
    DETAILS,
    DIAGNOSIS,
    HAZARD,
    REASON,
    REQUESTER,
    Scope,
    value_of,
    values,
)
from integration.hl7.profiles import Profile
from integration.hl7.times import Timestamp
from integration.hl7.to_domain import patient
from integration.hl7.to_domain.order_groups import Line, ToldOrder, differing_number
from integration.hl7.to_domain.request import GroupScope
from ris.domain.errors import InvalidValueError, RisError
from ris.domain.orders import OrderDetails, ProcedureRequest, StepRequest
from ris.domain.values import Code, Identifier, is_same_family

_BEGINS = frozenset({"NW", "RO", "CH"})
_MAX_OBSERVATIONS = 50  # told in the comments of one order


def reason(order: ToldOrder, profile: Profile) -> str:
    """ORC-16: why an order is canceled, held or replaced."""
    return value_of(REASON, order.scope, profile) or ""


def accession(order: ToldOrder) -> Identifier | None:
    """The one accession number of all lines; an order has not two."""
    found: Identifier | None = None
    for line in order.lines:
        told: Identifier | None = line.numbers.get("accession")
        if told is None:
            continue
        if found is not None and told != found:
            segment = line.scope.segment("IPC") or line.scope.segment("OBR")
            number = "1" if segment and segment.name == "IPC" else "18"
            raise InvalidValueError(
                "one order has one accession number",
                path=segment.at(number) if segment else "OBR-18",
            )
        found = told
    return found


def details(order: ToldOrder, profile: Profile, faults: Faults) -> OrderDetails:
    """What is said of an order; its comments tell also what ``faults`` has left out so far."""
    said = values(DETAILS, order.scope, profile, faults)
    _settle_requester(said, order.scope, profile)
    diagnoses = _diagnoses(order, profile, faults)
    for code in diagnoses:
        # A diagnosis is why, where OBR-31 does not say it.
        said.setdefault("reason_code", code)
        said.setdefault("reason", code.meaning or code.value)
    lines, noted = _comments(order, profile, said.get("reason"), diagnoses, faults)
    if noted or (lines and order.control in _BEGINS):
        said["comments"] = "\n".join(lines)
    else:
        said["remarks"] = lines  # a change without notes leaves those that were told before
    if order.control in _BEGINS:
        said["remarks"] = tuple(_whereabouts(order.scope, profile))
    return OrderDetails(**said)


def _settle_requester(said: dict[str, Any], scope: Scope, profile: Profile) -> None:
    """The name and the number of one person, though ORC-12 and OBR-16 may each say half of two.

    A report sent to the number must not go to somebody else than the one it names.
    """
    told = []
    for path in ("ORC-12", "OBR-16"):
        rows = (replace(row, paths=(path,)) for row in REQUESTER)
        with suppress(RisError):  # told already, or of what is not used
            told.append([value_of(row, scope, profile) for row in rows])
    if len(told) < 2:
        return
    (name, number), (other, its_number) = told
    if not other or not its_number:
        return
    if number and not name and number.value != its_number.value:
        said.update(requester=other, requester_identifier=its_number)
    elif name and not number and not is_same_family(name, other):
        said.pop("requester_identifier", None)


def _diagnoses(order: ToldOrder, profile: Profile, faults: Faults) -> list[Code]:
    found: list[Code] = []
    for line in order.lines:
        for segment in line.scope.group.segments("DG1"):
            code = values((DIAGNOSIS,), _Only(segment), profile, faults).get("diagnosis")
            if code and code not in found:
                found.append(code)
    return found


def _comments(
    order: ToldOrder,
    profile: Profile,
    reason: str | None,
    diagnoses: Sequence[Code],
    faults: Faults,
) -> tuple[tuple[str, ...], bool]:
    """NTE of the order, and what else has no field of its own but must be read by people.

    With whether there was any NTE, be it one that deletes.
    """
    told = [*_notes_before(order.scope.message)]
    noted = False
    for line in order.lines:
        for note in _notes(line.scope.group):
            text = value_of(COMMENTS, _Only(note), profile)
            noted = noted or text is not None
            told += [text.strip()] if text else []
        clinical = value_of(CLINICAL, line.scope, profile)
        if clinical and clinical != reason:
            told.append(f"Clinical information: {clinical.strip()}")
        hazard = value_of(HAZARD, line.scope, profile)
        if hazard:
            told.append(f"Hazard: {hazard.strip()}")
        own = differing_number(line.scope, profile)
        if own is not None and own != order.numbers.get("placer"):
            told.append(f"Number of this exam, as sent: {own.value} (OBR-2)")
        told += _further_exams(line.scope)
        told += _observations(line.scope.group)
        told += _other_times(line, profile)
    for code in diagnoses:
        words = " ".join(text for text in (code.meaning, f"({code.value})" if code.value else ""))
        if (code.meaning or code.value) != reason:
            told.append(f"Diagnosis: {words.strip()}")
    # An observation is told as such.
    told += [
        f"{each.words}, as sent: {each.text}"
        for each in faults.left_out
        if not each.path.startswith("OBX")
    ]
    return tuple(dict.fromkeys(told)), noted


def _further_exams(scope: Scope) -> Iterator[str]:
    """OBR-4 does not repeat, and one OBR orders one exam: a person has to see the others."""
    obr = scope.segment("OBR")
    for each in obr.repeats("4")[1:] if obr is not None else ():
        code, meaning = ((each.get(part) or "").strip() for part in (1, 2))
        if code or meaning:
            words = f"{meaning} ({code})" if code and meaning else code or meaning
            yield f"Named in OBR-4 as well: {words}"


def _whereabouts(scope: Scope, profile: Profile) -> Iterator[str]:
    """PV1-3 of a visit without a number, which is not kept: whoever fetches the patient asks."""
    pv1, pid = scope.segment("PV1"), scope.segment("PID")
    place = datatypes.location(pv1, 3) if pv1 is not None else None
    if pv1 is None or not place or patient.number(pv1, "19", profile) is not None:
        return
    if pid is None or patient.number(pid, "18", profile) is None:
        yield f"Patient is at {place}"


def _observations(group: Group) -> Iterator[str]:
    """What is known of the patient and has no field: a creatinine, the last meal.

    A note behind it goes along, also to what has a field of its own.
    """
    for obx, notes in _with_notes(group)[:_MAX_OBSERVATIONS]:
        name = (datatypes.words(obx, 3) or "").strip()
        if not name or (obx.get("11") or "") in patient.NOT_A_RESULT:
            continue
        value = "" if patient.is_kept(obx) else _observed(obx)
        noted = f"({notes})" if value and notes else notes
        if value or noted:
            yield f"{name}: {' '.join(text for text in (value, noted) if text)}"


def _observed(obx: Segment) -> str:
    """OBX-5 with its unit; of a document nothing."""
    kind = obx.get("2")
    if kind in ("ED", "RP"):
        return ""
    if kind in ("CE", "CWE", "CF"):
        coded = (each.get(2) or each.get(1) or "" for each in obx.repeats("5"))
        value = "; ".join(text.strip() for text in coded if text.strip())
    else:
        value = (obx.text("5") or "").strip()
    return f"{value} {obx.get('6') or ''}".strip() if value else ""


def _with_notes(group: Group) -> list[tuple[Segment, str]]:
    """Each OBX with the NTE behind it, in one line."""
    found: list[tuple[Segment, list[str]]] = []
    about = ""
    for segment in group.segments():
        if segment.name == "OBX":
            found.append((segment, []))
        if segment.name != "NTE":
            about = segment.name
        elif about == "OBX":
            found[-1][1].extend((segment.text("3") or "").split("\n"))
    return [(obx, "; ".join(filter(None, map(str.strip, notes)))) for obx, notes in found]


def _other_times(line: Line, profile: Profile) -> Iterator[str]:
    """A day without a time of day, and what else is said of when: a further TQ1, ORC-7 twice,
    an OBR-27 that is unlike it."""
    start: Timestamp | None = line.step.get("start")
    if start is not None and datatypes.is_day_only(start):
        yield f"Wanted on {start.text[:8]}, no time given"
    for timing in line.scope.group.segments("TQ1")[1:]:
        text = timing.get("7")
        if text:
            yield f"Wanted also at {text}"
    if "start" in profile.settings.paths:
        return
    if start is None:
        yield from _wanted_before_2_3(line.scope, profile)
        return
    for text in _timings(line.scope):
        with suppress(RisError):  # of a time that is not used
            other = times.read(text, profile.zone)
            if other.utc != start.utc and not datatypes.is_day_only(other):
                yield f"Wanted also at {text}"


def _wanted_before_2_3(scope: GroupScope, profile: Profile) -> Iterator[str]:
    """OBR-6 (Requested Date/Time) of a later day: many have the time of the order there."""
    obr = scope.segment("OBR")
    text = (obr.get("6") or "").strip() if obr is not None else ""
    with suppress(RisError):  # of a time that is not used
        if text and times.read(text, profile.zone).on > _sent_on(scope, profile):
            yield f"Wanted on {text} (OBR-6)"


def _sent_on(scope: GroupScope, profile: Profile) -> date:
    return times.read(scope.message.header.get("7") or "", profile.zone).on


def _timings(scope: Scope) -> Iterator[str]:
    """All starts that an order says: the timings repeat (before 2.5), and stand in two segments."""
    for name, number, component in (("TQ1", "7", 1), ("ORC", "7", 4), ("OBR", "27", 4)):
        segment = scope.segment(name)
        for each in segment.repeats(number) if segment is not None else ():
            if text := each.get(component):
                yield text
    obr = scope.segment("OBR")
    if obr is not None and (text := obr.get("36")):
        yield text


@dataclass(frozen=True, slots=True)
class _Only:
    """A scope of one segment."""

    only: Segment

    def segment(self, name: str) -> Segment | None:
        return self.only if name == self.only.name else None


def _notes(group: Group) -> Iterator[Segment]:
    """The notes to the order; one behind an OBX is about the observation."""
    about = ""
    for segment in group.segments():
        if segment.name != "NTE":
            about = segment.name
        elif about != "OBX":
            yield segment


def _notes_before(message: Group) -> Iterator[str]:
    """Notes in front of the first order: to the header, the visit, an allergy. Those to the
    patient are kept with the patient."""
    if "NTE" not in message:
        return  # as most
    about = ""
    for segment in message.segments():
        if segment.name in ("ORC", "OBR"):
            return
        if segment.name != "NTE":
            about = segment.name if segment.name != "PD1" else about
        elif about != "PID" and (text := (segment.text("3") or "").strip()):
            yield text


def procedures(order: ToldOrder) -> tuple[ProcedureRequest, ...]:
    """Lines with the same UID or procedure id are steps of one procedure."""
    grouped: list[list[Line]] = []
    for line in order.lines:
        if line.scope.segment("OBR") is None:
            continue
        same = next((lines for lines in grouped if _is_same(lines[0], line)), None)
        if same is not None:
            same.append(line)
        else:
            grouped.append([line])
    return tuple(_procedure(lines) for lines in grouped)


def named(order: ToldOrder) -> tuple[ProcedureRequest, ...]:
    """The procedures a cancellation is about; none where an ORC without OBR means them all."""
    if any(line.scope.segment("OBR") is None for line in order.lines):
        return ()
    return procedures(order)


def _is_same(one: Line, other: Line) -> bool:
    return any(
        one.procedure.get(name) and one.procedure.get(name) == other.procedure.get(name)
        for name in ("study_instance_uid", "procedure_id")
    )


def _procedure(lines: Sequence[Line]) -> ProcedureRequest:
    said = dict(lines[0].procedure)
    code: Code = said.pop("code", None) or next(iter(said.get("also", ())), Code(""))
    steps = tuple(step for line in lines if (step := _step(line)) is not None)
    return ProcedureRequest(code=code, steps=steps, **said)


def _step(line: Line) -> StepRequest | None:
    """What is said of a step; None for nothing, so that a revision leaves it alone."""
    said = dict(line.step)
    start: Timestamp | None = said.pop("start", None)
    station = said.pop("station", None)
    if station is not None:
        said["station_ae_title"] = station
    if start is not None and not datatypes.is_day_only(start):
        said["start_at"] = start.utc
    return StepRequest(**said) if said else None
