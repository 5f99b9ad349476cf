"""ADT about records: merge, move, link, other identifiers (HL7 v2.5.1 3.3.18, 3.3.24, 3.3.34-50).

PID names what remains, the MRG behind it what is given up. Only these events take an identifier
from a patient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from integration.hl7.er7 import Group, Message
from integration.hl7.er7_segment import Segment
from integration.hl7.faults import Faults
from integration.hl7.profiles import Profile
from integration.hl7.to_domain import patient
from integration.hl7.to_domain.adt import Parts, named, only_patient
from integration.hl7.to_domain.request import Request
from ris.domain.commands import Command
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.patients import (
    ChangeIdentifiers,
    LinkPatients,
    MergeAccounts,
    MergePatients,
    MergeVisits,
    MoveIdentifiers,
    MoveVisits,
    PatientReference,
    UnlinkPatients,
)
from ris.domain.values import Identifier

MAX_MERGES = 100  # of one message, which is one transaction

Read = Callable[[Segment, Segment, Group, Profile, Faults], tuple[Command[Any], ...]]


def from_merge(message: Message, profile: Profile) -> list[Request]:
    """A18, A34, A40: each PID takes over the patient of the MRG behind it (3.3.40)."""
    return _together(_requests(message, profile, _merge))


def from_merge_with_account(message: Message, profile: Profile) -> list[Request]:
    """A36: the patient and the account (3.3.36)."""

    def read(*told: Any) -> tuple[Command[Any], ...]:
        return (*_merge(*told), *_merge_account(*told))

    return _together(_requests(message, profile, read))


def from_account_merge(message: Message, profile: Profile) -> list[Request]:
    """A35, A41: the account of PID-18 takes over that of MRG-3 (3.3.35, 3.3.41)."""
    return _requests(message, profile, _merge_account)


def from_visit_merge(message: Message, profile: Profile) -> list[Request]:
    """A42, A50: the visit of PV1-19 takes over that of MRG-5, or its place (3.3.42, 3.3.50)."""
    rename = message.header.trigger == "A50"

    def read(
        pid: Segment, mrg: Segment, group: Group, profile: Profile, faults: Faults
    ) -> tuple[Command[Any], ...]:
        return (
            MergeVisits(
                patient=named(pid, profile),
                visit=_number(group.first("PV1"), "PV1", "19", profile, "visit number"),
                prior=_number(mrg, "MRG", "5", profile, "prior visit number"),
                rename=rename,
            ),
        )

    return _requests(message, profile, read)


def from_identifier_change(message: Message, profile: Profile) -> list[Request]:
    """A47: the identifiers of PID-3 instead of those of MRG-1; no merge (3.3.47)."""

    def read(
        pid: Segment, mrg: Segment, group: Group, profile: Profile, faults: Faults
    ) -> tuple[Command[Any], ...]:
        prior = patient.merged(mrg, profile)
        return (ChangeIdentifiers(patient=named(pid, profile), prior=prior.identifiers),)

    return _requests(message, profile, read)


def from_identifier_move(message: Message, profile: Profile) -> list[Request]:
    """A43: the identifiers of MRG-1 are the patient's of PID-3 (3.3.43)."""

    def read(
        pid: Segment, mrg: Segment, group: Group, profile: Profile, faults: Faults
    ) -> tuple[Command[Any], ...]:
        previous = patient.merged(mrg, profile)
        reference = _without(named(pid, profile), previous)
        return (MoveIdentifiers(patient=reference, previous=previous),)

    return _requests(message, profile, read)


def from_account_move(message: Message, profile: Profile) -> list[Request]:
    """A44: the account of MRG-3 is no more that of MRG-1's patient but of PID-3's (3.3.44)."""

    def read(
        pid: Segment, mrg: Segment, group: Group, profile: Profile, faults: Faults
    ) -> tuple[Command[Any], ...]:
        return (
            MoveVisits(
                patient=named(pid, profile),
                previous=patient.merged(mrg, profile),
                account=_number(mrg, "MRG", "3", profile, "account number"),
            ),
        )

    return _requests(message, profile, read)


def from_visit_move(message: Message, profile: Profile) -> list[Request]:
    """A45: each visit of MRG-5 is no more that of MRG-1's patient but of PID-3's (3.3.45)."""
    pid = only_patient(message)
    faults = Faults()
    requests = []
    if "MRG" not in message:
        raise MissingValueError("the previous patient is required", path="MRG")
    for group in message.groups("MRG"):
        request = faults.take(
            lambda group=group: _visit_move(pid, group, profile)  # type: ignore[misc]
        )
        if request is not None:
            requests.append(request)
    faults.raise_if_any()
    return requests


def _visit_move(pid: Segment, group: Group, profile: Profile) -> Request:
    mrg, pv1 = group.first("MRG"), group.first("PV1")
    assert mrg is not None  # noqa: S101 - groups begin with it
    return Request(
        commands=(
            MoveVisits(
                patient=named(pid, profile),
                previous=patient.merged(mrg, profile),
                visit=_number(mrg, "MRG", "5", profile, "prior visit number"),
                number=patient.number(pv1, "19", profile) if pv1 is not None else None,
            ),
        ),
        places={"MRG": mrg.occurrence, "PV1": pv1.occurrence if pv1 is not None else 1},
    )


def from_link(message: Message, profile: Profile) -> list[Request]:
    """A24, A37: two records are of one person, or are not after all (3.3.24, 3.3.37)."""
    found = message.segments("PID")
    if len(found) != 2:
        path = f"PID[{len(found) + 1}]" if found else "PID"
        if len(found) > 2:
            raise InvalidValueError("this event is about two patients", path="PID[3]")
        raise MissingValueError("this event is about two patients", path=path)
    faults = Faults()
    one, other = (
        faults.take(lambda pid=pid: named(pid, profile))  # type: ignore[misc]
        for pid in found
    )
    faults.raise_if_any()
    assert one is not None  # noqa: S101 - otherwise a fault was raised
    assert other is not None  # noqa: S101
    link = LinkPatients if message.header.trigger == "A24" else UnlinkPatients
    return [Request(commands=(link(patient=one, other=other),))]


# --- pairs of PID and MRG -------------------------------------------------------------------------


def _requests(message: Message, profile: Profile, read: Read) -> list[Request]:
    faults = Faults()
    requests: list[Request] = []
    for pid, mrg, group in _pairs(message):
        if len(requests) >= MAX_MERGES:
            raise InvalidValueError(f"more than {MAX_MERGES} merges", path="MRG")
        own = faults.of_a_part()
        commands = faults.take(
            lambda pid=pid, mrg=mrg, group=group, own=own: read(  # type: ignore[misc]
                pid, mrg, group, profile, own
            )
        )
        if commands is not None:
            pv1 = group.first("PV1")
            places = {"PID": pid.occurrence, "MRG": mrg.occurrence}
            if pv1 is not None:
                places["PV1"] = pv1.occurrence
            requests.append(Request(commands=commands, places=places, left_out=tuple(own.left_out)))
    faults.raise_if_any()
    return requests


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
    pid: Segment, mrg: Segment, group: Group, profile: Profile, faults: Faults
) -> tuple[Command[Any], ...]:
    # The scope is the group alone: PID and PV1 of another pair are about somebody else.
    said = patient.demographics(group, Parts(group), profile, faults)
    subsumed = patient.merged(mrg, profile)
    # A merge names who remains; what it says of a known survivor changes nothing.
    survivor = replace(patient.reference(pid, profile, said), authoritative=False)
    return (MergePatients(survivor=_without(survivor, subsumed), subsumed=subsumed),)


def _without(reference: PatientReference, other: PatientReference) -> PatientReference:
    """Some senders list the identifiers that are given up among those that remain."""
    gone = {(each.value, each.issuer) for each in other.identifiers}
    kept = [
        (each, reference.place(position))
        for position, each in enumerate(reference.identifiers)
        if (each.value, each.issuer) not in gone
    ]
    if not kept or len(kept) == len(reference.identifiers):
        return reference
    return replace(
        reference,
        identifiers=tuple(each for each, _ in kept),
        places=tuple(place for _, place in kept),
    )


def _merge_account(
    pid: Segment, mrg: Segment, group: Group, profile: Profile, faults: Faults
) -> tuple[Command[Any], ...]:
    return (
        MergeAccounts(
            patient=named(pid, profile),
            account=_number(pid, "PID", "18", profile, "account number"),
            prior=_number(mrg, "MRG", "3", profile, "prior account number"),
        ),
    )


def _number(
    segment: Segment | None, name: str, place: str, profile: Profile, what: str
) -> Identifier:
    found = patient.number(segment, place, profile) if segment is not None else None
    if found is None:
        path = segment.at(place) if segment is not None else name
        raise MissingValueError(f"the {what} is required", path=path)
    return found


def _together(requests: list[Request]) -> list[Request]:
    """Have the first of several merges lock the patients of all."""
    merges = [each for request in requests for each in _merges(request.commands)]
    if len(merges) < 2:
        return requests
    first, *others = merges
    ahead = tuple(one for each in others for one in (each.survivor, each.subsumed))
    commands = tuple(
        replace(each, ahead=ahead) if each is first else each for each in requests[0].commands
    )
    return [replace(requests[0], commands=commands), *requests[1:]]


def _merges(commands: Iterable[Command[Any]]) -> list[MergePatients]:
    return [each for each in commands if isinstance(each, MergePatients)]
