"""A stored query explained: what was given, what was left out and by which key, and now.

Steps are seen as they are now: what they were when the query came is told by the order's timeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from ris.domain.errors import UnknownKeyError
from ris.models import WorklistQueryLog
from ris.selectors import worklist
from ris.selectors.explain import candidates
from ris.selectors.explain.callers import registered_as
from ris.selectors.explain.candidates import Candidate
from ris.selectors.explain.condition import Condition
from ris.selectors.explain.conditions import conditions
from ris.selectors.explain.reading import Asked, Element, Reader, Reading, reader
from ris.selectors.facility import read_once, site
from ris.selectors.views import WorklistEntry, WorklistQuery

LEFT_OUT = 50  # steps told of, closest first
GIVEN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredQuery:
    """A row of the query log; ``step_keys`` are primary keys of the steps answered."""

    number: int
    at: datetime
    ae_title: str
    called_ae_title: str
    address: str
    keys: Mapping[str, str]
    matches: int
    step_keys: tuple[int, ...]
    status: int
    comment: str
    elements: str
    truncated: bool
    duration_ms: float
    identifier: bytes
    transfer_syntax: str

    @property
    def asked(self) -> Asked:
        return Asked(
            identifier=self.identifier,
            transfer_syntax=self.transfer_syntax,
            ae_title=self.ae_title,
            called_ae_title=self.called_ae_title,
            at=self.at,
        )

    @property
    def status_words(self) -> str:
        return STATUS_WORDS.get(self.status, "unable to process")

    @property
    def status_hex(self) -> str:
        return f"{self.status:04X}"

    @property
    def remark(self) -> str:
        """The comment that went with the status, with the offending elements."""
        if self.elements in self.comment:
            return self.comment
        return f"{self.elements} {self.comment}".strip()

    @property
    def failed(self) -> bool:
        return self.status not in _GOOD


# PS3.4 Table K.4-1.
STATUS_WORDS = {
    0x0000: "all sent",
    0x0124: "not allowed",
    0xA700: "cut short",
    0xA900: "not understood",
    0xFE00: "canceled by the device",
}
_GOOD = {0x0000, 0xFE00}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A step that is not in an answer, with the conditions it does not meet.

    ``elsewhere`` if it is for another kind of device, so that nobody misses it there.
    """

    step: Candidate
    failed: tuple[Condition, ...]
    elsewhere: bool = False

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(condition.words for condition in self.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unservable:
    """A step that meets every condition but lacks a value that every answer must have."""

    step: str  # public id
    step_id: str
    order: str
    patient: str
    patient_name: str
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the same query gives now, and how that differs from what it gave."""

    count: int
    truncated: bool
    more: tuple[Candidate, ...]  # given now only
    fewer: tuple[LeftOut, ...]  # given then only
    unservable: tuple[Unservable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """``reading`` is None for a query of which nothing but its keys was kept."""

    query: StoredQuery
    reading: Reading | None
    elements: tuple[Element, ...]
    given: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    replay: Replay | None

    @property
    def patients(self) -> set[str]:
        """Everybody this shows, for the audit."""
        shown = {step.patient_public_id for step in self.given}
        shown |= {one.step.patient_public_id for one in self.left_out}
        if self.replay is not None:
            shown |= {step.patient_public_id for step in self.replay.more}
            shown |= {one.step.patient_public_id for one in self.replay.fewer}
            shown |= {one.patient for one in self.replay.unservable}
        return shown


def stored(row: WorklistQueryLog) -> StoredQuery:
    return StoredQuery(
        number=row.pk,
        at=row.at,
        ae_title=row.calling_ae_title,
        called_ae_title=row.called_ae_title,
        address=row.address,
        keys=row.keys,
        matches=row.matches,
        step_keys=tuple(row.steps),
        status=row.status,
        comment=row.comment,
        elements=row.elements,
        truncated=row.truncated,
        duration_ms=row.duration_ms,
        identifier=bytes(row.identifier),
        transfer_syntax=row.transfer_syntax,
    )


def stored_query(number: int) -> StoredQuery:
    """Raises UnknownKeyError."""
    row = WorklistQueryLog.objects.filter(pk=number).first()
    if row is None:
        raise UnknownKeyError("no such query", path="query")
    return stored(row)


@read_once()
def explain(number: int, now: datetime) -> Explanation:
    """A stored query by its number; raises UnknownKeyError."""
    query = stored_query(number)
    zone = ZoneInfo(site().time_zone)
    given = candidates.by_keys(query.step_keys[:GIVEN])
    if not query.identifier:
        return Explanation(
            query=query,
            reading=None,
            elements=(),
            given=tuple(given),
            left_out=(),
            replay=None,
        )
    edge = reader()
    then = edge.read(query.asked)
    left_out: tuple[LeftOut, ...] = ()
    if then.offered is not None:
        near = candidates.near(then.offered, query.at)
        device = registered_as(query.ae_title)
        modality = device.modality if device is not None else ""
        left_out = missing(then, near, set(query.step_keys), zone, modality)[:LEFT_OUT]
    return Explanation(
        query=query,
        reading=then,
        elements=edge.elements(query.identifier, query.transfer_syntax),
        given=tuple(given),
        left_out=left_out,
        replay=_replay(query, given, now, zone, edge),
    )


def missing(
    reading: Reading, near: Sequence[Candidate], given: set[int], zone: tzinfo, modality: str
) -> tuple[LeftOut, ...]:
    """The steps that a query does not match, those that come closest to it and its device first."""
    query = reading.offered
    if query is None:
        return ()
    found = []
    for step in near:
        failed = failures(query, step, zone, reading.sent)
        if step.key not in given and failed:
            elsewhere = bool(modality and step.modality) and step.modality != modality
            found.append(LeftOut(step=step, failed=failed, elsewhere=elsewhere))
    found.sort(key=lambda one: (one.elsewhere, _distance(one), one.step.step_id))
    return tuple(found)


def _distance(one: LeftOut) -> int:
    """How many conditions stand between a step and the answer."""
    fields = {condition.field for condition in one.failed}
    if "statuses" in fields:
        fields.discard("order_status")  # says the same
    return len(fields)


def failures(
    query: WorklistQuery, step: Candidate, zone: tzinfo, sent: WorklistQuery | None
) -> tuple[Condition, ...]:
    return tuple(one for one in conditions(query, step, zone, sent) if not one.meets)


def _replay(
    query: StoredQuery, given: Sequence[Candidate], now: datetime, zone: tzinfo, edge: Reader
) -> Replay | None:
    again = edge.read(replace(query.asked, at=now))
    if again.offered is None:
        return None
    answer = worklist.entries(again.offered)
    lacking = {entry.step.public_id: edge.lacking(entry) for entry in answer.entries}
    served = [one for one in answer.entries if not lacking[one.step.public_id]]
    rest = candidates.keys_of(query.step_keys[GIVEN:])
    then = {*rest, *(step.public_id for step in given)}
    shown = {entry.step.public_id for entry in served}
    more = [one for one in shown if one not in then]
    gone = [key for public_id, key in rest.items() if public_id not in shown]
    fewer = [step for step in given if step.public_id not in shown]
    fewer += candidates.by_keys(gone[:GIVEN])
    return Replay(
        count=len(served),
        truncated=answer.truncated,
        more=tuple(candidates.by_public_ids(more[:GIVEN])),
        fewer=tuple(
            LeftOut(step=step, failed=failures(again.offered, step, zone, again.sent))
            for step in fewer
        ),
        unservable=tuple(
            _unservable(entry, lacking[entry.step.public_id])
            for entry in answer.entries
            if lacking[entry.step.public_id]
        ),
    )


def _unservable(entry: WorklistEntry, lacking: tuple[str, ...]) -> Unservable:
    return Unservable(
        step=entry.step.public_id,
        step_id=entry.step.step_id,
        order=entry.order_public_id,
        patient=entry.patient.public_id,
        patient_name=str(entry.patient.name),
        lacking=lacking,
    )
