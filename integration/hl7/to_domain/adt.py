"""ADT and BAR → patient and visit commands (HL7 v2.5.1 3.3, 6.4, IHE RAD-1, RAD-12, ITI-30).

Only what merges or changes identifiers (:mod:`.adt_records`) takes one from a patient; all here
adds or changes. What a message does not say stays, unless the event is a snapshot by the peer's
settings; ``""`` deletes. No order is ended because its visit was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from integration.hl7.er7 import Group, Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.fields import Scope
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import clearance, patient, reactions
from integration.hl7.to_domain.request import GroupScope, Request
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.patients import (
    Demographics,
    PatientReference,
    RemovePatient,
    UpdatePatient,
    UpdateVisit,
    VisitDetails,
    VisitTrigger,
)
from ris.domain.places import Place
from ris.domain.values import Identifier

# What an event does with its visit.
UPDATES: Mapping[str, VisitTrigger | None] = {
    "A01": VisitTrigger.ADMIT,
    "A02": None,
    "A03": VisitTrigger.DISCHARGE,
    "A04": VisitTrigger.ADMIT,
    "A05": VisitTrigger.PLAN,
    "A06": VisitTrigger.ADMIT,
    "A07": VisitTrigger.ADMIT,
    "A08": None,
    "A28": None,
    "A31": None,
}
UNDOES: Mapping[str, VisitTrigger | None] = {
    "A11": VisitTrigger.CANCEL_ADMIT,
    "A12": None,
    "A13": VisitTrigger.CANCEL_DISCHARGE,
    "A38": VisitTrigger.CANCEL_PLAN,
}
ACCOUNTS: Mapping[str, VisitTrigger | None] = {
    "P01": None,
    "P05": None,
    "P06": VisitTrigger.DISCHARGE,  # nothing more is done under it
}


def from_adt(message: Message, profile: Profile) -> list[Request]:
    """A01 to A08, A28, A31: create or update the patient, and the visit if numbered."""
    pid = only_patient(message)
    event = message.header.trigger
    faults = Faults()
    scope = GroupScope(message, message)
    said = patient.demographics(message, scope, profile, faults)
    if event in profile.settings.snapshots:
        said = patient.snapshot(said, {each.name for each in faults.left_out})
    visit = patient.visit(message, scope, profile, faults)
    prior = faults.take(lambda: _prior_visit(message, visit, profile))
    reference = faults.take(lambda: patient.reference(pid, profile, said))
    faults.raise_if_any()
    assert reference is not None  # noqa: S101 - otherwise a fault was raised
    return [
        Request(
            commands=(
                UpdatePatient(
                    patient=reference,
                    demographics=said,
                    visit=visit,
                    visit_trigger=UPDATES.get(event),
                    prior_visit=prior,
                    create=True,
                    authoritative="ADT" in profile.settings.authoritative,
                ),
                *clearance.commands(message, message, reference, profile),
            ),
            left_out=tuple(faults.left_out),
        )
    ]


def from_reactions(message: Message, profile: Profile) -> list[Request]:
    """A60: allergies are told one by one, with what became of each (3.3.60)."""
    pid = only_patient(message)
    faults = Faults()
    scope = GroupScope(message, message)
    said = replace(patient.demographics(message, scope, profile, faults), allergies=None)
    changes = faults.take(lambda: reactions.changes(message, profile, faults))
    reference = faults.take(lambda: patient.reference(pid, profile, said))
    faults.raise_if_any()
    assert reference is not None  # noqa: S101 - otherwise a fault was raised
    return [
        Request(
            commands=(
                UpdatePatient(
                    patient=reference,
                    demographics=said,
                    allergies=changes,
                    create=True,
                    authoritative="ADT" in profile.settings.authoritative,
                ),
            ),
            words={Place.ALLERGIES: reactions.place(message)},
            left_out=tuple(faults.left_out),
        )
    ]


def _prior_visit(
    message: Message, visit: VisitDetails | None, profile: Profile
) -> Identifier | None:
    """The visit's number before its class changed (A06, A07): MRG-5.

    A visit that goes by its account had MRG-3.
    """
    mrg, pv1 = message.first("MRG"), message.first("PV1")
    if mrg is None or pv1 is None or visit is None or message.header.trigger not in ("A06", "A07"):
        return None
    prior = patient.number(mrg, "5", profile)
    if prior is None and patient.number(pv1, "19", profile) is None:
        prior = patient.number(mrg, "3", profile)
    return prior if prior != visit.number else None


def from_undo(message: Message, profile: Profile) -> list[Request]:
    """A11, A12, A13, A38: what was told of a visit did not happen.

    Its PID and PV1 show how things are now; of the patient nothing is taken from it.
    """
    pid = only_patient(message)
    event = message.header.trigger
    faults = Faults()
    scope = GroupScope(message, message)
    visit = faults.take(lambda: _numbered_visit(message, scope, profile, faults))
    reference = faults.take(lambda: named(pid, profile))
    faults.raise_if_any()
    assert visit is not None  # noqa: S101 - otherwise a fault was raised
    assert reference is not None  # noqa: S101
    return [
        Request(
            commands=(
                UpdateVisit(
                    patient=reference,
                    visit=visit,
                    trigger=UNDOES[event],
                    undo_transfer=event == "A12",
                ),
            ),
            left_out=tuple(faults.left_out),
        )
    ]


def _numbered_visit(group: Group, scope: Scope, profile: Profile, faults: Faults) -> VisitDetails:
    visit = patient.visit(group, scope, profile, faults)
    if visit is None:
        path = "PV1-19" if scope.segment("PV1") is not None else "PV1"
        raise MissingValueError("the visit number is required", path=path)
    return visit


def from_removal(message: Message, profile: Profile) -> list[Request]:
    """A29: the person is marked as deleted (3.3.29)."""
    return [Request(commands=(RemovePatient(patient=named(only_patient(message), profile)),))]


def from_account(message: Message, profile: Profile) -> list[Request]:
    """BAR^P01, P05, P06: an account is opened, changed or closed, for one or more visits (6.4)."""
    if "PID" not in message:
        raise MissingValueError("the patient is required", path="PID")
    trigger = ACCOUNTS[message.header.trigger]
    faults = Faults()
    requests = []
    for group in message.groups("PID"):
        pid = group.first("PID")
        assert pid is not None  # noqa: S101 - groups begin with it
        visits = list(group.groups("PV1")) or [group]
        for part in visits:
            own = faults.of_a_part()
            request = faults.take(
                lambda pid=pid, group=group, part=part, own=own: _account(  # type: ignore[misc]
                    pid, group, part, trigger, profile, own
                )
            )
            if request is not None:
                requests.append(request)
    faults.raise_if_any()
    return requests


def _account(
    pid: Segment,
    group: Group,
    part: Group,
    trigger: VisitTrigger | None,
    profile: Profile,
    faults: Faults,
) -> Request:
    scope = Parts(part, group)
    said = patient.demographics(group, scope, profile, faults)
    visit = patient.visit(part, scope, profile, faults)
    pv1 = part.first("PV1")
    return Request(
        commands=(
            UpdatePatient(
                patient=patient.reference(pid, profile, said),
                demographics=said,
                visit=visit,
                visit_trigger=trigger,
                create=True,
                authoritative="BAR" in profile.settings.authoritative,
            ),
        ),
        places={"PID": pid.occurrence, "PV1": pv1.occurrence if pv1 is not None else 1},
        left_out=tuple(faults.left_out),
    )


# --- what all of ADT shares -----------------------------------------------------------------------


class Parts:
    """A scope of some groups, the nearest first; nothing of the message around them counts."""

    def __init__(self, *groups: Group) -> None:
        self._groups = groups

    def segment(self, name: str) -> Segment | None:
        for group in self._groups:
            found = group.first(name)
            if found is not None:
                return found
        return None


def only_patient(message: Message) -> Segment:
    """The PID of an event about one patient."""
    found = message.segments("PID")
    if not found:
        raise MissingValueError("the patient is required", path="PID")
    if len(found) > 1:
        raise InvalidValueError("this event is about one patient", path="PID[2]")
    return found[0]


def named(pid: Segment, profile: Profile) -> PatientReference:
    """Who is meant, by identifiers alone."""
    return patient.reference(pid, profile, Demographics())
