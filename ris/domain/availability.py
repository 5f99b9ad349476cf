"""Which images of a study an archive has, as Instance Availability Notification tells (PS3.4 R)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from ris.domain.commands import Command, Event


class Availability(StrEnum):
    """(0008,0056); the values are DICOM's own."""

    ONLINE = "ONLINE"
    NEARLINE = "NEARLINE"
    OFFLINE = "OFFLINE"
    UNAVAILABLE = "UNAVAILABLE"


# What a reader can have without somebody fetching a tape.
AT_HAND = frozenset({Availability.ONLINE, Availability.NEARLINE})


class ImagesState(StrEnum):
    """What is known of an exam's images, in one word for lists."""

    UNKNOWN = "UNKNOWN"  # no archive said anything
    AVAILABLE = "AVAILABLE"  # all that was told of, and all that the device made
    PARTIAL = "PARTIAL"  # some are missing, or must be fetched first
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceDetails:
    sop_instance_uid: str
    availability: Availability
    retrieve_ae_titles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesAvailabilityDetails:
    series_instance_uid: str
    instances: tuple[InstanceDetails, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAvailability(Command[str]):
    """Keep what an archive said of a study; returns the public id of the study's record.

    What is not named keeps the availability it had: a notification is about the instances in it
    and never means that the study is complete.
    """

    study_instance_uid: str
    series: tuple[SeriesAvailabilityDetails, ...]
    performed_uids: tuple[str, ...] = ()
    told_by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAvailability(Command[int]):
    """Look again for the orders of studies told of before they were known; returns how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveAvailability(Command[None]):
    """Mark a difference between device and archive as dealt with; new notices open it again."""

    study: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesAvailable(Event):
    """All images of a study that we know of can be had now."""

    order: str
    study_instance_uid: str
    instances: int
    retrieve_ae_titles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesPartlyAvailable(Event):
    """Some images can be had; ``missing`` were made by the device and are not there yet."""

    order: str
    study_instance_uid: str
    instances: int
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesUnavailable(Event):
    """No image of the study can be had; ``expected`` after a wrong worklist entry (110514)."""

    order: str
    study_instance_uid: str
    expected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the device says it made beside what the archive says it has; UIDs are examples."""

    made: int = 0
    present: int = 0
    missing: int = 0
    extra: int = 0
    missing_uids: tuple[str, ...] = ()
    extra_uids: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Comparison:
        return cls(
            made=data.get("made", 0),
            present=data.get("present", 0),
            missing=data.get("missing", 0),
            extra=data.get("extra", 0),
            missing_uids=tuple(data.get("missing_uids", ())),
            extra_uids=tuple(data.get("extra_uids", ())),
        )


EXAMPLES = 10


def compare(
    made: Iterable[str],
    archived: Mapping[str, Availability],
    misplaced: Iterable[str] = (),
) -> Comparison:
    """Missing and extra instances.

    With nothing known of what was made only ``misplaced`` are extra: what was made under the wrong
    worklist entry and is none of this exam's.
    """
    wanted = set(made)
    there = {uid for uid, availability in archived.items() if availability in AT_HAND}
    extra = sorted(there - wanted if wanted else there.intersection(misplaced))
    missing = sorted(wanted - there)
    return Comparison(
        made=len(wanted),
        present=len(there),
        missing=len(missing),
        extra=len(extra),
        missing_uids=tuple(missing[:EXAMPLES]),
        extra_uids=tuple(extra[:EXAMPLES]),
    )


def images_state(counts: Mapping[Availability, int], comparison: Comparison) -> ImagesState:
    """One word over all instances told of."""
    total = sum(counts.values())
    at_hand = sum(counts.get(one, 0) for one in AT_HAND)
    if not total:
        return ImagesState.UNKNOWN
    if not at_hand:
        offline = counts.get(Availability.OFFLINE, 0)
        return ImagesState.PARTIAL if offline else ImagesState.UNAVAILABLE
    complete = at_hand == total and not comparison.missing
    return ImagesState.AVAILABLE if complete else ImagesState.PARTIAL
