"""ADT → patient commands (HL7 v2.5.1 3.3, IHE RAD-1, RAD-12, ITI-30; spec 1.1 and 1.5).

Only A40 takes an identifier from a patient, by merging; everything else adds or changes. What a
message does not say stays; ``""`` deletes.
"""

from __future__ import annotations

from collections.abc import Iterator

from integration.hl7.er7 import Group, Message, Segment
from integration.hl7.fields import Faults
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import patient
from integration.hl7.to_domain.request import GroupScope, Request
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.patients import MergePatients, PatientReference, UpdatePatient

MAX_MERGES = 100  # of one message, which is one transaction


def from_adt(message: Message, profile: Profile) -> list[Request]:
    """A01, A03, A04, A05, A08, A28, A31: create or update the patient, and the visit if numbered.

    A discharge (A03) is no more than its visit's last state here: open orders stay, for a person
    to decide.
    """
    pid = _only_patient(message)
    faults = Faults()
    scope = GroupScope(message, message)
    said = patient.demographics(message, scope, profile, faults)
    visit = patient.visit(message, scope, profile, faults)
    reference = faults.take(lambda: patient.reference(pid, profile, said))
    faults.raise_if_any()
    assert reference is not None  # noqa: S101 - otherwise a fault was raised
    return [
        Request(
            commands=(
                UpdatePatient(patient=reference, demographics=said, visit=visit, create=True),
            )
        )
    ]


def from_merge(message: Message, profile: Profile) -> list[Request]:
    """A40: each PID takes over the patient of the MRG behind it (3.3.40)."""
    faults = Faults()
    requests: list[Request] = []
    for pid, mrg, group in _pairs(message):
        if len(requests) >= MAX_MERGES:
            raise InvalidValueError(f"more than {MAX_MERGES} merges", path="MRG")
        request = faults.take(
            lambda pid=pid, mrg=mrg, group=group: _merge(  # type: ignore[misc]
                pid, mrg, group, profile, faults
            )
        )
        if request is not None:
            requests.append(request)
    faults.raise_if_any()
    return requests


def _only_patient(message: Message) -> Segment:
    found = message.segments("PID")
    if not found:
        raise MissingValueError("the patient is required", path="PID")
    if len(found) > 1:
        raise InvalidValueError("this event is about one patient", path="PID[2]")
    return found[0]


def _pairs(message: Message) -> Iterator[tuple[Segment, Segment, Group]]:
    if "PID" not in message:
        raise MissingValueError("the surviving patient is required", path="PID")
    for group in message.groups("PID"):
        pid, mrg = group.first("PID"), group.first("MRG")
        assert pid is not None  # noqa: S101 - groups begin with it
        if mrg is None:
            place = "MRG" if pid.occurrence == 1 else f"MRG[{pid.occurrence}]"
            raise MissingValueError("the merged patient is required", path=place)
        yield pid, mrg, group


def _merge(
    pid: Segment,
    mrg: Segment,
    group: Group,
    profile: Profile,
    faults: Faults,
) -> Request:
    # The scope is the group alone: PID and PV1 of another pair are about somebody else.
    scope = _Pair(group)
    said = patient.demographics(group, scope, profile, faults)
    return Request(
        commands=(
            MergePatients(
                survivor=patient.reference(pid, profile, said),
                subsumed=PatientReference(identifiers=patient.merged_identifiers(mrg, profile)),
            ),
        ),
        places={"PID": pid.occurrence, "MRG": mrg.occurrence},
    )


class _Pair:
    """A scope of one PID/MRG pair."""

    def __init__(self, group: Group) -> None:
        self._group = group

    def segment(self, name: str) -> Segment | None:
        return self._group.first(name)
