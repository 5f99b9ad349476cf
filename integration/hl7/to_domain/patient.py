"""PID, PV1, AL1, OBX → who the patient is, what is said of the person, the visit (spec 1.5, 1.8).

Not said stays unsaid (None), ``""`` deletes. Identifiers are told by assigning authority; one
without gets the peer's default if it is of a kind that only this authority gives out.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from integration.hl7 import datatypes
from integration.hl7.er7 import Group, Message
from integration.hl7.er7_segment import Repetition, Segment
from integration.hl7.faults import Faults
from integration.hl7.fields import DEMOGRAPHICS, VISIT, Scope, values
from integration.hl7.profiles import Profile
from ris.domain.errors import MissingValueError, RisError
from ris.domain.patients import Demographics, PatientReference, Sex, VisitDetails
from ris.domain.values import Identifier, PartialDate, PersonName

# Identifier types (table 0203) that a hospital numbers itself; a social security number without
# authority, say, is nobody's.
_LOCAL_TYPES = frozenset({"", "MR", "PI", "PT", "PN", "MRN"})

# OBX-3 of a measure: LOINC, and the words that order systems use instead.
_WEIGHT = frozenset({"29463-7", "3141-9", "BODY WEIGHT", "WEIGHT"})
_HEIGHT = frozenset({"8302-2", "3137-7", "BODY HEIGHT", "HEIGHT"})
_PREGNANCY = frozenset({"82810-3"})
# LOINC's answers and those of the International Patient Summary (SNOMED CT) → (0010,21C0).
_PREGNANCY_ANSWERS = {
    "LA15173-0": "3",
    "LA26683-5": "1",
    "LA4489-6": "4",
    "77386006": "3",
    "60001007": "1",
    "152231000119106": "2",
}
NOT_A_RESULT = frozenset({"D", "W", "X"})  # OBX-11: deleted, wrong, cannot be obtained


def reference(pid: Segment, profile: Profile, demographics: Demographics) -> PatientReference:
    """Who is meant. Raises MissingValueError without any identifier."""
    found = _named(pid, profile)
    if not found:
        raise MissingValueError("a patient identifier is required", path=pid.at("3"))
    return PatientReference(
        identifiers=tuple(found),
        places=tuple(found.values()) if len(found) > 1 or pid.occurrence > 1 else (),
        demographics=demographics,
        authoritative=profile.is_authority,
    )


def said(message: Message, profile: Profile) -> PatientReference | None:
    """Who a message says it is about, to be compared with what is known of the order."""
    pid = message.first("PID")
    if pid is None:
        return None
    numbers = identifiers(pid, profile)
    name = datatypes.person(pid.repeats("5"))
    born = None
    with suppress(datatypes.NotKnownError):
        born = datatypes.birth_date(pid, "7")
    return PatientReference(
        identifiers=numbers, demographics=Demographics(name=name, birth_date=born or None)
    )


def identifiers(pid: Segment, profile: Profile) -> tuple[Identifier, ...]:
    """PID-3, and PID-2 and PID-4 as before 2.3.1; the peer's own authority first, if it has one."""
    return tuple(_named(pid, profile))


def _named(pid: Segment, profile: Profile) -> dict[Identifier, str]:
    """Identifier → where it stands."""
    found = _read(pid.repeats("3"), profile)
    for number in ("2", "4"):
        for each in pid.repeats(number):
            if datatypes.authority(each, 4) or not found:
                for identifier, place in _read([each], profile).items():
                    found.setdefault(identifier, place)
    preferred = profile.settings.default_authority
    if not preferred:
        return found
    return dict(sorted(found.items(), key=lambda each: each[0].issuer != preferred))


def _read(repeats: Sequence[Repetition], profile: Profile) -> dict[Identifier, str]:
    found: dict[Identifier, str] = {}
    for each in repeats:
        identifier = _identifier(each, profile)
        if identifier is not None:
            found.setdefault(identifier, each.at())
    return found


def merged(mrg: Segment, profile: Profile) -> PatientReference:
    """Whose record is given up: MRG-1, else MRG-4 (the same before 2.3)."""
    found = _read(mrg.repeats("1") or mrg.repeats("4"), profile)
    if not found:
        raise MissingValueError(
            "the identifier of the merged patient is required", path=mrg.at("1")
        )
    return PatientReference(identifiers=tuple(found), places=tuple(found.values()))


def _identifier(repetition: Repetition, profile: Profile) -> Identifier | None:
    found = datatypes.patient_identifier(repetition, "")
    if found is None or found.issuer:
        return found
    if found.type.upper() not in _LOCAL_TYPES:
        return None
    return replace(found, issuer=profile.default_authority)


def demographics(group: Group, scope: Scope, profile: Profile, faults: Faults) -> Demographics:
    """All that a message, or the part of it about this person, says."""
    said = values(DEMOGRAPHICS, scope, profile, faults)
    said.update(clinical(group, profile, faults))
    return Demographics(**said)


def clinical(group: Group, profile: Profile, faults: Faults) -> dict[str, Any]:
    """Weight, height and pregnancy of OBX, allergies of AL1: what a scanner needs as of now.

    What was measured once is not taken away by what cannot be read.
    """
    said: dict[str, Any] = {}
    for obx in group.segments("OBX"):
        try:
            told = _measure(obx)
        except RisError as error:
            if profile.leaves_out:
                faults.leave_out(error, "", obx)
            else:
                faults.add(error)
        else:
            if told is not None:
                said[told[0]] = told[1]
    if "AL1" in group:
        told_of = (datatypes.words(each, 3) or "" for each in group.segments("AL1"))
        said["allergies"] = tuple(dict.fromkeys(text.strip() for text in told_of if text.strip()))
    notes = list(_notes(group))
    if notes:
        said["comments"] = "\n".join(text for text in notes if text)
    return said


def _notes(group: Group) -> Iterator[str]:
    """NTE behind PID are about the patient (2.5.1 3.3, 4.4.1); those behind others are not."""
    about = ""
    for segment in group.segments():
        if segment.name == "NTE" and about == "PID":
            yield (segment.text("3") or "").strip()
        elif segment.name not in ("NTE", "PD1"):
            about = segment.name


def is_measure(obx: Segment) -> bool:
    """Whether an OBX tells one of these, so that it is no remark for people to read."""
    names = {(obx.get(f"3.{part}") or "").strip().upper() for part in (1, 2)} - {""}
    stems = {name.rpartition(" ")[0] for name in names}
    return bool((names | stems) & (_WEIGHT | _HEIGHT | _PREGNANCY))


def is_kept(obx: Segment) -> bool:
    """Whether such an OBX is kept with the patient: it could be read."""
    try:
        return _measure(obx) is not None
    except RisError:
        return False


def _measure(obx: Segment) -> tuple[str, float | str] | None:
    names = {(obx.get(f"3.{part}") or "").strip().upper() for part in (1, 2)} - {""}
    value = obx.get("5")
    if obx.get("2") == "SN" and value in (None, "="):
        value = obx.get("5.2")  # a structured number; another comparator makes it no measure
    if not names or not value or (obx.get("11") or "") in NOT_A_RESULT:
        return None
    unit = obx.get("6") or ""
    for name in names:
        # "Body Weight kg": the unit may be part of the name.
        words, _, last = name.rpartition(" ")
        if name in _WEIGHT or (words in _WEIGHT and last in {"KG", "G", "LB"}):
            return "weight_kg", datatypes.weight_kg(value, unit or _unit(last), obx.at("5"))
        if name in _HEIGHT or (words in _HEIGHT and last in {"M", "CM", "IN"}):
            return "height_m", datatypes.height_m(value, unit or _unit(last), obx.at("5"))
    if names & _PREGNANCY and value in _PREGNANCY_ANSWERS:
        return "pregnancy_status", _PREGNANCY_ANSWERS[value]
    return None


def _unit(word: str) -> str:
    return word.lower() if word in {"KG", "G", "LB", "M", "CM", "IN"} else ""


def visit(group: Group, scope: Scope, profile: Profile, faults: Faults) -> VisitDetails | None:
    """PV1 under its number (PV1-19, else PID-18); None without one, for then nobody finds it."""
    pv1, pid = scope.segment("PV1"), scope.segment("PID")
    if pv1 is None:
        return None
    account = number(pid, "18", profile) if pid is not None else None
    named = number(pv1, "19", profile)
    said = values(VISIT, scope, profile, faults)
    if named is None:
        return VisitDetails(number=account, **said) if account is not None else None
    return VisitDetails(number=named, account=account, **said)


def number(segment: Segment, place: str, profile: Profile) -> Identifier | None:
    """The number of a visit or an account (CX), under the authority of visits."""
    repeats = segment.repeats(place)
    return datatypes.patient_identifier(repeats[0], profile.visit_authority) if repeats else None


# What a snapshot leaves out is empty. Never the name, for nobody is without one; nor death, which
# is not undone by saying nothing; nor what is clinical.
_CLEARED = Demographics(
    birth_date=PartialDate(""),
    sex=Sex.UNKNOWN,
    phone="",
    email="",
    address="",
    language="",
    mother_birth_name=PersonName(),
    ethnic_group="",
)


def snapshot(said: Demographics, unread: Container[str] = ()) -> Demographics:
    """What a message says that tells all there is: what it leaves out, it deletes (spec 1.5).

    What it says and we cannot read (``unread``) it does not leave out.
    """
    left_out = {
        each.name: getattr(_CLEARED, each.name)
        for each in fields(said)
        if getattr(said, each.name) is None and each.name not in unread
    }
    return replace(said, **left_out)
