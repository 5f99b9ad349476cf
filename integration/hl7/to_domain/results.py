"""ORU^R01 → a report, as far as its sender is trusted (HL7 v2.5.1 7.3.1, IHE RAD-28; spec 1.7).

Each OBR names an exam. Those that share their text, or have none of their own, are one report; a
text of its own makes another. Sections are told apart by the LOINC code or the name in OBX-3, by
the suffix to a service code (7.1.2), or by the headings of a text in one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integration.hl7 import bindings, datatypes
from integration.hl7.er7 import Group, Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.fields import NUMBERS, PROCEDURE, value_of, values
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import contents, patient
from integration.hl7.to_domain.request import GroupScope, Request
from ris.domain.documents import Content
from ris.domain.errors import InvalidValueError, MissingValueError, UnsupportedError
from ris.domain.identifiers import require_uid
from ris.domain.orders import OrderReference
from ris.domain.patients import PatientReference
from ris.domain.result_texts import LOINCS, TITLES, headings
from ris.domain.results import (
    AddendumDialect,
    FileResult,
    Observation,
    ResultLevel,
    ResultReference,
    WithdrawResult,
)
from ris.domain.values import Code, Identifier, NameGroup, PersonName

MAX_REPORTS = 20

# OBR-25 (table 0123) that brings a text; D is none of the table, and means what it says.
LEVELS: Mapping[str, ResultLevel] = {
    "R": ResultLevel.DRAFT,  # stored, not yet verified
    "A": ResultLevel.DRAFT,  # some of it
    "P": ResultLevel.PRELIMINARY,
    "F": ResultLevel.FINAL,
    "C": ResultLevel.FINAL,
}
_WITHDRAWN = frozenset({"D", "W"})  # OBX-11 (table 0085): deleted; wrong, for example the patient
_NO_RESULT = frozenset({"D", "W", "X"})
TRUST: Mapping[str, ResultLevel] = {
    "draft": ResultLevel.DRAFT,
    "preliminary": ResultLevel.PRELIMINARY,
    "final": ResultLevel.FINAL,
}

_TEXTS = frozenset({"FT", "ST", "TX"})
_UIDS = frozenset({"113014"})
_OTHER_UIDS = frozenset({"SERIES INSTANCE UID", "SR INSTANCE UID", "112002", "110190"})

# OBX-3 → section: the suffixes of 7.1.2, LOINC, and the names that are seen in the field.
SUFFIXES: Mapping[str, str] = {
    "ADT": "addendum",
    "ANT": "technique",
    "CMC": "comparison",
    "CMR": "comparison",
    "CMS": "comparison",
    "CMT": "comparison",
    "CNP": "recommendation",
    "GDT": "findings",
    "IMP": "impression",
    "MDT": "findings",
    "MED": "technique",
    "OTH": "findings",
    "REC": "recommendation",
    "TCM": "technique",
}

FIELDS: Sequence[tuple[str, str]] = (
    ("accession number", "`OBR-18`"),
    ("filler and placer order number", "`OBR-3`, `OBR-2`, else `ORC-3`, `ORC-2`"),
    ("Study Instance UID", "`OBX-5` with `OBX-3` 113014 (HD, ST or RP), else `ZDS-1`, `IPC-3`"),
    ("procedure, where the order has several", "`OBR-4`"),
    ("status", "`OBR-25`, else `OBX-11`; `OBX-11` C corrects, D and W withdraw"),
    ("reported at", "`OBR-22`, else `OBX-14`"),
    ("interpreter with number", "`OBR-32`, else `OBX-16`"),
    ("assistant, transcriptionist", "`OBR-33`; `OBR-35`"),
    ("section", "`OBX-3`: suffix, LOINC or name; else the headings of the text"),
    ("text", "`OBX-5` of FT, TX, ST; `~` and `\\.br\\` are new lines"),
    ("coded result", "`OBX-5` of any other type, `OBX-6`, `OBX-8`, `OBX-13`"),
    ("comments", "`NTE-3`"),
    ("document", "`OBX-5` of ED, or of RP as a link"),
)


@dataclass(slots=True)
class _Part:
    """One OBR with what follows it."""

    scope: GroupScope
    obr: Segment
    reference: ResultReference | None = None
    status: str = ""
    correction: bool = False
    withdrawn: bool = False
    level: ResultLevel | None = None
    sections: dict[str, str] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)  # lines of a report in one piece
    observations: list[Observation] = field(default_factory=list)
    attachments: list[Content] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    said_at: datetime | None = None
    observer: PersonName = field(default_factory=PersonName)
    observer_number: Identifier | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """What it says, to see whether another one says the same."""
        documents = tuple((each.data, each.link) for each in self.attachments)
        return (tuple(sorted(self.sections.items())), tuple(self.observations), documents)

    @property
    def says_anything(self) -> bool:
        return bool(self.sections or self.observations or self.attachments or self.withdrawn)


def from_oru(message: Message, profile: Profile) -> list[Request]:
    """The reports of a message. Raises every fault that reading finds, together."""
    if profile.settings.results == "no":
        raise UnsupportedError("reports are not taken from this sender", path="MSH-9.2")
    if len(message.segments("PID")) > 1:
        raise InvalidValueError("the reports of one message are one patient's", path="PID[2]")
    if "OBR" not in message:
        raise MissingValueError("a report needs the exam it is about", path="OBR")
    faults = Faults()
    who = faults.take(lambda: patient.said(message, profile))
    parts = [
        part for scope in _scopes(message) if (part := _part(scope, profile, faults)) is not None
    ]
    reports = _together(parts)
    if len(reports) > MAX_REPORTS:
        raise InvalidValueError(f"more than {MAX_REPORTS} reports", path="OBR")
    requests = [
        request
        for report in reports
        if (
            request := faults.take(
                lambda report=report: _request(report, who, profile)  # type: ignore[misc]
            )
        )
        is not None
    ]
    faults.raise_if_any()
    return requests


# --- one OBR ------------------------------------------------------------------------------------


def _scopes(message: Message) -> Iterator[GroupScope]:
    for group in message.groups("ORC", "OBR"):
        if "OBR" in group:
            yield GroupScope(message, group)


def _part(scope: GroupScope, profile: Profile, faults: Faults) -> _Part | None:
    obr = scope.segment("OBR")
    assert obr is not None  # noqa: S101 - only such groups are read
    part = _Part(scope, obr)
    part.status = (obr.get("25") or "").strip().upper()
    if part.status and part.status not in LEVELS:
        faults.add(
            InvalidValueError(
                "this status brings no report", path=obr.at("25"), details={"table": "0123"}
            )
        )
    part.said_at = faults.take(lambda: _instant(obr, "22", profile))
    part.comments += _notes(scope.group)
    states: list[str] = []
    uids: list[str] = []
    for obx in scope.group.segments("OBX"):
        faults.take(lambda obx=obx: _read(obx, part, uids, states, profile))  # type: ignore[misc]
    for section, piece in headings("\n".join(part.whole)):
        _add_text(part, section, piece)
    part.correction = part.status == "C" or "C" in states
    part.withdrawn = bool(states) and set(states) <= _WITHDRAWN
    part.level = _level(part.status, states)
    part.reference = faults.take(lambda: _reference(scope, part, uids, profile, faults))
    return part


def _read(obx: Segment, part: _Part, uids: list[str], states: list[str], profile: Profile) -> None:
    """One OBX: a reference to the study, a section, a document, or a coded result."""
    names = {(obx.get(f"3.{at}") or "").strip().upper() for at in (1, 2)}
    if names & _UIDS:
        uids.append(_uid(obx))
        return
    if names & _OTHER_UIDS:
        return
    state = (obx.get("11") or "").strip().upper()
    if state and state != "O":
        states.append(state)
    if state in _NO_RESULT:
        return
    part.said_at = part.said_at or _instant(obx, "14", profile)
    observers = obx.repeats("16")
    if observers and not part.observer:
        part.observer = datatypes.clinician(observers) or PersonName()
        part.observer_number = datatypes.clinician_identifier(observers[0])
    kind = _type(obx)
    if kind in contents.TYPES:
        part.attachments.append(contents.read(obx, profile))
        return
    section = _section(obx, part)
    if kind in _TEXTS and section is not None:
        _add_text(part, section, obx.text("5") or "")
        return
    observation = _observation(obx, kind)
    if observation is not None:
        part.observations.append(observation)


def _type(obx: Segment) -> str:
    """OBX-2; what does not say it is read as a short text."""
    return (obx.get("2") or "").strip().upper() or "ST"


def _section(obx: Segment, part: _Part) -> str | None:
    """The section that OBX-3 names, ``""`` for the whole report, None for something else."""
    suffix = (obx.get("3.1.2") or "").strip().upper()
    code = (obx.get("3.1") or "").strip().upper()
    name = " ".join((obx.get("3.2") or "").upper().replace(":", "").split())
    for found in (
        SUFFIXES.get(suffix),
        LOINCS.get(code),
        SUFFIXES.get(code),
        TITLES.get(code),
        TITLES.get(name),
    ):
        if found:
            return found
    if _type(obx) != "ST":
        return ""
    # A short text under a name of its own is a result, not the report.
    whole = {bindings.WHOLE_REPORT[0], "11528-7", "68604-8", (part.obr.get("4") or "").upper(), ""}
    return "" if code in whole else None


def _add_text(part: _Part, section: str, text: str) -> None:
    """Lines under the same name go on where the last one ended.

    Several sections share a suffix (7.1.2): a heading in the first line says which is meant.
    """
    if section:
        first, _, rest = text.partition("\n")
        title = TITLES.get(first.upper().rstrip(": "))
        if title is not None and rest:
            section, text = title, rest
        before = part.sections.get(section)
        part.sections[section] = text if before is None else f"{before}\n{text}"
    else:
        part.whole.append(text)


def _observation(obx: Segment, kind: str) -> Observation | None:
    code = datatypes.code(obx, 3)
    value = _value(obx, kind)
    if code is None or not value:
        return None
    flags = tuple(text for each in obx.repeats("8") if (text := (each.get(1) or "").strip()))
    return Observation(
        code=code,
        value=datatypes.within(value, 1000, obx.at("5")),
        unit=(obx.get("6.1") or "").strip()[:60],
        flags=flags,
        category=(datatypes.words(obx, 13) or "").strip()[:60],
    )


def _value(obx: Segment, kind: str) -> str:
    """OBX-5 in words."""
    if kind in {"CE", "CF", "CNE", "CWE"}:
        words = (each.get(2) or each.get(9) or each.get(1) or "" for each in obx.repeats("5"))
        return ", ".join(text.strip() for text in words if text.strip())
    if kind == "SN":
        return "".join((obx.get(f"5.{at}") or "") for at in range(1, 5)).strip()
    return (obx.text("5") or "").strip()


def _uid(obx: Segment) -> str:
    """The study of an HD, ST or RP: the first part that is a UID (spec 1.7)."""
    texts = ((obx.get(place) or "").strip() for place in ("5.1", "5.2"))
    found = next((text for text in texts if _DIGITS.fullmatch(text)), "")
    return require_uid(found, obx.at("5"))


_DIGITS = re.compile(r"[0-9]+(\.[0-9]+)+")


def _instant(segment: Segment, place: str, profile: Profile) -> datetime | None:
    stamp = datatypes.time(segment, place, profile.zone)
    return stamp.utc if stamp else None


def _notes(group: Group) -> list[str]:
    texts = (note.text("3") for note in group.segments("NTE"))
    return [text.strip() for text in texts if text and text.strip()]


def _level(status: str, states: Sequence[str]) -> ResultLevel | None:
    """The lower of what OBR-25 and the texts say."""
    said = [LEVELS[each] for each in (status, *states) if each in LEVELS]
    return min(said, default=None)


def _reference(
    scope: GroupScope, part: _Part, uids: Sequence[str], profile: Profile, faults: Faults
) -> ResultReference:
    """The numbers of the order; the placer's counts only where there is no other."""
    numbers = values(_NUMBERS, scope, profile, faults)
    uid = value_of(_STUDY, scope, profile)
    named = tuple(dict.fromkeys([*uids, *([uid] if uid else [])]))
    accession, filler = numbers.get("accession"), numbers.get("filler")
    placer = numbers.get("placer") if not (accession or filler or named) else None
    if not (accession or filler or placer or named):
        raise MissingValueError("the accession number is required", path=part.obr.at("18"))
    return ResultReference(
        order=OrderReference(
            placer=placer,
            filler=filler,
            accession=accession,
            study_instance_uid=named[0] if named else "",
        ),
        study_instance_uids=named,
        code=datatypes.code(part.obr, 4) or Code(""),
    )


_STUDY = next(row for row in PROCEDURE if row.name == "study_instance_uid")
_NUMBERS = tuple(row for row in NUMBERS if row.name in {"placer", "filler", "accession"})


# --- one report ---------------------------------------------------------------------------------


def _together(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Parts with the same content, and those without with the next one that has some."""
    reports: list[list[_Part]] = []
    waiting: list[_Part] = []
    for part in parts:
        if not part.says_anything:
            waiting.append(part)
            continue
        same = next(
            (
                report
                for report in reports
                if report[-1].content == part.content and part.content != ((), (), ())
            ),
            None,
        )
        if same is not None:
            same += [*waiting, part]
        else:
            reports.append([*waiting, part])
        waiting = []
    if waiting:
        if reports:
            reports[-1] = [*waiting, *reports[-1]]
        else:
            reports.append(waiting)
    return reports


def _request(
    report: Sequence[_Part], who: PatientReference | None, profile: Profile
) -> Request | None:
    last = report[-1]
    references = tuple(part.reference for part in report if part.reference is not None)
    for part in report:
        if part.status and last.status and part.status != last.status:
            raise InvalidValueError(
                "the exams of one report have one status", path=part.obr.at("25")
            )
    words = _words(last)
    comments = list(dict.fromkeys(text for part in report for text in part.comments))
    settings = profile.settings
    if last.withdrawn:
        return Request(
            commands=(
                WithdrawResult(
                    references=references,
                    reason="; ".join(comments)[:500] or "withdrawn by its sender",
                    permitted=settings.withdraw_results,
                    patient=who,
                ),
            ),
            words=words,
        )
    if not last.says_anything:
        raise MissingValueError("the report has no text", path=words["text"])
    if last.level is None:
        if last.status:
            return None  # told already
        raise MissingValueError("the status of the report is required", path=last.obr.at("25"))
    return Request(
        commands=(
            FileResult(
                references=references,
                level=last.level,
                trusted=TRUST[settings.results],
                correction=last.correction,
                addendum=AddendumDialect(settings.addendum_in),
                patient=who,
                sections={key: text for key, text in last.sections.items() if text.strip()},
                interpreter=_person(last.obr, "32") or last.observer,
                interpreter_identifier=_number(last.obr, "32") or last.observer_number,
                assistant=_person(last.obr, "33"),
                transcriptionist=_person(last.obr, "35"),
                said_at=last.said_at,
                comments="\n".join(comments),
                observations=tuple(last.observations),
                attachments=tuple(last.attachments),
            ),
        ),
        words=words,
    )


def _person(obr: Segment, number: str) -> PersonName:
    """The first person of an NDL (OBR-32 to 35), or of an XCN that stands there instead."""
    for each in obr.repeats(number):
        family, given, middle = (each.get(1, at) or "" for at in (2, 3, 4))
        suffix, prefix = (each.get(1, at) or "" for at in (5, 6))
        if not family:
            family, given, middle = (each.get(at) or "" for at in (2, 3, 4))
            suffix, prefix = "", ""
        group = NameGroup(
            *(
                re.sub(r"[\^=\\]", " ", text).strip()
                for text in (family, given, middle, prefix, suffix)
            )
        )
        if group:
            return PersonName(group)
    return PersonName()


def _number(obr: Segment, number: str) -> Identifier | None:
    """The number of that person, and whose number it is."""
    for each in obr.repeats(number)[:1]:
        if each.get(1, 2):
            return datatypes.number_of(each)
        if each.get(2):
            return datatypes.clinician_identifier(each)
    return None


def _words(part: _Part) -> dict[str, str]:
    obr, group = part.obr, part.scope.group
    uid = next((obx.at("5") for obx in group.segments("OBX") if (obx.get("3") or "") in _UIDS), "")
    obx = group.first("OBX")
    orc = group.first("ORC")

    def number(field: str, other: str) -> str:
        return obr.at(field) if obr.get(field) or orc is None else orc.at(other)

    order = part.reference.order if part.reference is not None else None
    named = obr.at("18")
    if order is not None and order.accession is None:
        told = {"3": order.filler, "2": order.placer}
        named = next((number(each, each) for each, said in told.items() if said), named)
    return {
        "": named,
        "accession": named,
        "filler": number("3", "3"),
        "placer": number("2", "2"),
        "study_instance_uid": uid or ("ZDS-1" if "ZDS" in group else obr.at("4")),
        "status": obr.at("25"),
        "text": obx.at("5") if obx is not None else "OBX-5",
        "sections.impression": obx.at("5") if obx is not None else "OBX-5",
    }
