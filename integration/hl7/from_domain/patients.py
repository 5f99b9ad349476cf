"""Events + patient → ADT (HL7 v2.5.1 3.3, IHE RAD-12).

==================  ============================================================================
event               told as
==================  ============================================================================
registered          A01, A04 or A28, where the peer wants it (3.3.1, 3.3.4, 3.3.28)
updated             A08 (3.3.8)
merged              A40, the former identifiers in MRG-1 (3.3.40)
taken apart again   A08 of each: there is no event for "not one person after all"
identifier changed  A47, the former identifier in MRG-1 (3.3.47); or A40, or A08
identifiers moved   A08 of each
==================  ============================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from integration.hl7.er7_writer import DELETE, SegmentRow, Value
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.segments import EVN, MRG, PID, PV1, Told, row
from integration.hl7.profiles import Profile
from ris.domain.protocol import StoredEvent
from ris.domain.values import Identifier
from ris.selectors.views import PatientView

PATIENT_EVENTS = frozenset(
    {
        "PatientRegistered",
        "PatientUpdated",
        "PatientsMerged",
        "PatientsUnmerged",
        "IdentifiersChanged",
        "IdentifiersMoved",
    }
)
# The structures of what tells of one patient as it is (3.3; the table in 2.17.3).
_STRUCTURES = {"A01": "ADT_A01", "A04": "ADT_A01", "A08": "ADT_A01", "A28": "ADT_A05"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientsTold:
    """Who an event is about, as they are now; ``other`` lost or got back what the patient has."""

    patient: PatientView
    other: PatientView | None = None
    merged: tuple[Identifier, ...] = ()


def patient_told(event: StoredEvent, profile: Profile, about: PatientsTold) -> Iterator[Draft]:
    """The messages that an event of :data:`PATIENT_EVENTS` means."""
    match event.name:
        case "PatientRegistered":
            trigger = profile.settings.registrations
            if trigger != "none":
                yield adt_as_is(trigger, about.patient, event.at, profile)
        case "PatientsMerged":
            yield adt_a40(about.patient, about.merged, event.at, profile)
        case "IdentifiersChanged":
            yield _identifier_changed(event, about.patient, profile)
        case _:
            changed = event.payload.get("changed", ())
            yield adt_as_is("A08", about.patient, event.at, profile, changed)
            if about.other is not None:
                yield adt_as_is("A08", about.other, event.at, profile)


def _identifier_changed(event: StoredEvent, patient: PatientView, profile: Profile) -> Draft:
    previous = tuple(Identifier(*each) for each in event.payload["previous"])
    trigger = profile.settings.identifier_event
    if not previous or trigger == "A08":
        return adt_as_is("A08", _without(patient, previous), event.at, profile)
    if trigger == "A40":
        return adt_a40(patient, previous, event.at, profile)
    return _with_former("A47", "ADT_A30", patient, previous, event.at, profile)


def adt_as_is(
    trigger: str,
    patient: PatientView,
    at: datetime,
    profile: Profile,
    changed: Collection[str] = (),
) -> Draft:
    """What is known of the patient now; of what was ``changed``, also that nothing is."""
    told = Told(profile=profile, at=at, patient=patient, event=trigger)
    pid = _with_deletions(row("PID", PID, told), changed)
    rows = [row("EVN", EVN, told), pid, row("PV1", PV1, told)]
    return Draft("ADT", trigger, _STRUCTURES[trigger], rows)


# Where each value stands in PID, and what says that there is none any more: an empty field would
# leave the receiver's as it is (2.10.1).
_ENDED: Mapping[str, tuple[int, Value]] = {
    "birth_date": (7, DELETE),
    "address": (11, DELETE),
    "phone": (13, DELETE),
    "email": (13, DELETE),
    "language": (15, DELETE),
    "deceased": (30, "N"),
}


def _with_deletions(pid: SegmentRow, changed: Collection[str]) -> SegmentRow:
    fields = list(pid)
    for number, ended in (place for name, place in _ENDED.items() if name in changed):
        fields[number] = fields[number] or ended
    return tuple(fields)


def adt_a40(
    patient: PatientView, merged: Sequence[Identifier], at: datetime, profile: Profile
) -> Draft:
    """The patient takes over another one's identifiers, which are told in MRG and not in PID."""
    return _with_former("A40", "ADT_A39", patient, merged, at, profile)


def _with_former(
    trigger: str,
    structure: str,
    patient: PatientView,
    former: Sequence[Identifier],
    at: datetime,
    profile: Profile,
) -> Draft:
    told = Told(
        profile=profile,
        at=at,
        patient=_without(patient, former),
        event=trigger,
        merged=tuple(former),
    )
    rows = [row("EVN", EVN, told), row("PID", PID, told), row("MRG", MRG, told)]
    return Draft("ADT", trigger, structure, rows)


def _without(patient: PatientView, merged: Sequence[Identifier]) -> PatientView:
    kept = tuple(each for each in patient.identifiers if each not in merged)
    return replace(patient, identifiers=kept or patient.identifiers)
