"""Instance Availability Notification as a command (PS3.4 Table R.3.2-1).

Pure: bytes in, command out. Attributes outside of the table are not allowed and ignored: no patient
data comes with a notice, and none is taken from one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ris.domain.availability import (
    Availability,
    InstanceDetails,
    RecordAvailability,
    SeriesAvailabilityDetails,
)
from ris.domain.errors import InvalidValueError, MissingValueError, RisError
from ris.domain.identifiers import require_sent_uid
from worklist.elements import Texts, read, tag_of, tag_path

_INSTANCES = 50_000


@dataclass(frozen=True, slots=True)
class NoticeAttribute:
    """A row of PS3.4 Table R.3.2-1, for the conformance statement and for what is required."""

    keyword: str
    type: str
    depth: int = 0
    use: str = ""


A = NoticeAttribute
NOTICE: tuple[NoticeAttribute, ...] = (
    A("ReferencedPerformedProcedureStepSequence", "2", use="an exam ended by 110514 is expected "
      "to have no images"),
    A("ReferencedSOPClassUID", "1", 1),
    A("ReferencedSOPInstanceUID", "1", 1, "the performed step"),
    A("PerformedWorkitemCodeSequence", "2", 1),
    A("StudyInstanceUID", "1", use="finds the exam"),
    A("ReferencedSeriesSequence", "1"),
    A("SeriesInstanceUID", "1", 1, "kept"),
    A("ReferencedSOPSequence", "1", 1),
    A("ReferencedSOPClassUID", "1", 2),
    A("ReferencedSOPInstanceUID", "1", 2, "compared with what the device says it made"),
    A("InstanceAvailability", "1", 2, "ONLINE, NEARLINE, OFFLINE, UNAVAILABLE"),
    A("RetrieveAETitle", "1", 2, "kept for the series"),
    A("RetrieveLocationUID", "3", 2),
    A("StorageMediaFileSetID", "3", 2),
    A("StorageMediaFileSetUID", "3", 2),
)  # fmt: skip


def from_notification(data: bytes, transfer_syntax: str, ae_title: str) -> RecordAvailability:
    """The command for an N-CREATE; raises InvalidValueError or MissingValueError."""
    texts = Texts.of(read(data, transfer_syntax))
    study = require_sent_uid(_needed(texts, "StudyInstanceUID"), _path("StudyInstanceUID"))
    series = [_series(item) for item in _items(texts, "ReferencedSeriesSequence")]
    if sum(len(one.instances) for one in series) > _INSTANCES:
        raise InvalidValueError("too many instances", path=_path("ReferencedSOPSequence"))
    performed = (
        item.text("ReferencedSOPInstanceUID")
        for item in texts.items("ReferencedPerformedProcedureStepSequence")
    )
    return RecordAvailability(
        study_instance_uid=study,
        series=tuple(series),
        performed_uids=tuple(dict.fromkeys(uid[:64] for uid in performed if uid))[:50],
        told_by=ae_title,
    )


def references_in(data: bytes, transfer_syntax: str) -> tuple[tuple[str, str], ...]:
    """What ties a notice to an order even if it is refused; nothing if it cannot be read."""
    try:
        uid = Texts.of(read(data, transfer_syntax)).text("StudyInstanceUID")
    except RisError:
        return ()
    return (("study", uid),) if uid else ()


def _series(item: Texts) -> SeriesAvailabilityDetails:
    uid = require_sent_uid(_needed(item, "SeriesInstanceUID"), _path("SeriesInstanceUID"))
    instances = {
        one.sop_instance_uid: one
        for one in (_instance(entry) for entry in _items(item, "ReferencedSOPSequence"))
    }
    return SeriesAvailabilityDetails(series_instance_uid=uid, instances=tuple(instances.values()))


def _instance(item: Texts) -> InstanceDetails:
    _needed(item, "ReferencedSOPClassUID")
    uid = _needed(item, "ReferencedSOPInstanceUID")
    retrieve = item.values("RetrieveAETitle")
    if not any(retrieve):
        _needed(item, "RetrieveAETitle")
    try:
        availability = Availability(_needed(item, "InstanceAvailability"))
    except ValueError:
        raise InvalidValueError(
            "not an availability of instances", path=_path("InstanceAvailability")
        ) from None
    return InstanceDetails(
        sop_instance_uid=require_sent_uid(uid, _path("ReferencedSOPInstanceUID")),
        availability=availability,
        retrieve_ae_titles=tuple(title[:16] for title in retrieve if title),
    )


def _path(keyword: str) -> str:
    return tag_path(tag_of(keyword))


def _needed(texts: Texts, keyword: str) -> str:
    """A type 1 value; raises MissingValueError."""
    value = texts.text(keyword)
    if not value:
        raise _missing(texts, keyword)
    return value


def _items(texts: Texts, keyword: str) -> tuple[Texts, ...]:
    """The items of a type 1 sequence; raises MissingValueError."""
    items = texts.items(keyword)
    if not items:
        raise _missing(texts, keyword)
    return items


def _missing(texts: Texts, keyword: str) -> MissingValueError:
    if keyword in texts:
        return MissingValueError(
            f"{keyword} has no value", path=_path(keyword), details={"empty": True}
        )
    return MissingValueError(f"{keyword} is missing", path=_path(keyword))
