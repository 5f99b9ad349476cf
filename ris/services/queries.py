"""The record of worklist queries: who asked what, and which steps were shown."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from django.db import connection

from ris.domain.actors import Actor, ActorKind
from ris.models import AuditEvent, ScheduledProcedureStep, WorklistQueryLog, WorklistSighting
from ris.selectors.views import WorklistEntry
from ris.services._execute import transactional


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What one answer shows: made once for an answer, and used for each query that gets it."""

    steps: tuple[tuple[int, int], ...]  # primary key and version, in order
    patients: tuple[str, ...]  # public ids
    matches: int
    step_list: str  # as JSON
    patient_list: str  # as JSON
    as_json: str

    @classmethod
    def of(cls, entries: Sequence[WorklistEntry]) -> Shown:
        # The primary key leads the version key of an entry.
        steps = sorted({entry.key[0]: entry.step.version for entry in entries if entry.key}.items())
        patients = sorted({entry.patient.public_id for entry in entries})
        return cls.made(steps, patients, len(entries))

    @classmethod
    def made(cls, steps: Iterable[Sequence[int]], patients: Iterable[str], matches: int) -> Shown:
        pairs = tuple((step, version) for step, version in steps)
        listed = tuple(patients)
        return cls(
            pairs,
            listed,
            matches,
            json.dumps([step for step, _ in pairs]),
            json.dumps(listed),
            json.dumps([pairs, listed, matches]),
        )


NOTHING_SHOWN = Shown.of(())

_TOKEN = secrets.token_hex(6)
_NUMBERS = count(1)


def _correlation() -> str:
    """Tells queries apart, also those of different processes."""
    return f"query {_TOKEN}-{os.getpid()}-{next(_NUMBERS)}"  # processes may be forked


@dataclass(slots=True, kw_only=True, eq=False)
class Said:
    """A query as it came and what was answered: the same each time a scanner asks the same.

    ``identifier`` is what was asked, byte for byte; ``elements`` the offending ones of a refusal.
    """

    called_ae: str = ""
    identifier: bytes = b""
    transfer_syntax: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)
    shown: Shown = NOTHING_SHOWN
    status: int = 0
    comment: str = ""
    elements: Sequence[int] = ()
    truncated: bool = False
    _json: str = ""

    @property
    def as_json(self) -> str:
        """The fields of an object, without its braces."""
        if not self._json:
            text = json.dumps(
                {
                    "called": self.called_ae,
                    "identifier": base64.b64encode(self.identifier).decode("ascii"),
                    "syntax": self.transfer_syntax,
                    "keys": dict(self.keys),
                    "status": self.status,
                    "comment": self.comment,
                    "elements": list(self.elements),
                    "truncated": self.truncated,
                }
            )
            self._json = f'{text[1:-1]}, "shown": {self.shown.as_json}'
        return self._json


@dataclass(slots=True, eq=False)
class AnsweredQuery:
    """One query: who, when, how long, and what was said."""

    at: datetime
    actor: Actor
    said: Said
    duration_ms: float = 0.0
    correlation: str = field(default_factory=_correlation)

    def to_json(self) -> str:
        actor = self.actor
        return (
            f'{{"at": "{self.at.isoformat()}", "ms": {self.duration_ms},'
            f' "correlation": "{self.correlation}", "kind": "{actor.kind.value}",'
            f' "name": {json.dumps(actor.name)}, "address": {json.dumps(actor.address)},'
            f" {self.said.as_json}}}"
        )

    @classmethod
    def from_json(cls, text: str) -> AnsweredQuery:
        read = json.loads(text)
        steps, patients, matches = read["shown"]
        return cls(
            datetime.fromisoformat(read["at"]),
            Actor(kind=ActorKind(read["kind"]), name=read["name"], address=read["address"]),
            Said(
                called_ae=read["called"],
                identifier=base64.b64decode(read["identifier"]),
                transfer_syntax=read["syntax"],
                keys=read["keys"],
                shown=Shown.made(steps, patients, matches),
                status=read["status"],
                comment=read["comment"],
                elements=read["elements"],
                truncated=read["truncated"],
            ),
            read["ms"],
            read["correlation"],
        )


def record_worklist_query(
    actor: Actor,
    *,
    entries: Sequence[WorklistEntry],
    started_at: datetime,
    duration_ms: float = 0.0,
    **said: Any,
) -> None:
    """Keep one query at once; ``said`` are fields of :class:`Said`."""
    told = Said(shown=Shown.of(entries), **said)
    record([AnsweredQuery(started_at, actor, told, duration_ms)])


@transactional
def record(queries: Sequence[AnsweredQuery]) -> None:
    """Keep queries with their audit (PS3.15 A.5.3.10), and that each step was shown.

    Sightings are one row per (step, device, version), counted up, so that a scanner asking every
    minute does not fill the database.
    """
    if not queries:
        return
    _insert(WorklistQueryLog, [_log_row(query) for query in queries])
    _insert(AuditEvent, [_audit_row(query) for query in queries])
    _count_sightings(queries)


def _log_row(query: AnsweredQuery) -> dict[str, Any]:
    said = query.said
    elements = " ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in said.elements)
    return {
        "at": _instant(query.at),
        "calling_ae_title": query.actor.name,
        "called_ae_title": said.called_ae,
        "address": query.actor.address,
        "identifier": said.identifier,
        "transfer_syntax": said.transfer_syntax,
        "keys": json.dumps(said.keys),
        "matches": said.shown.matches,
        "steps": said.shown.step_list,
        "status": said.status,
        "comment": said.comment[:64],
        "elements": elements[:200],
        "truncated": said.truncated,
        "duration_ms": query.duration_ms,
    }


def _audit_row(query: AnsweredQuery) -> dict[str, Any]:
    said = query.said
    return {
        "at": _instant(query.at),
        "actor_kind": query.actor.kind.value,
        "actor_name": query.actor.name,
        "address": query.actor.address,
        "action": "QueryWorklist",
        "subject": "",
        "patients": said.shown.patient_list,
        "outcome": "success" if said.status == 0 else f"{said.status:04X}",
        "detail": json.dumps({"matches": said.shown.matches}),
        "correlation": query.correlation,
    }


def _insert(model: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of the same columns: an object of the ORM for each would cost ten times as much."""
    name = connection.ops.quote_name
    columns = ", ".join(name(column) for column in rows[0])
    marks = ", ".join(["%s"] * len(rows[0]))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {name(model._meta.db_table)} ({columns}) VALUES ({marks})",  # noqa: S608
            [tuple(row.values()) for row in rows],
        )


def _count_sightings(queries: Sequence[AnsweredQuery]) -> None:
    """A new row, or as many more on the row there is.

    In the order of the steps, so that two devices' queries cannot block each other.
    """
    # The same answer is given many times.
    answers: dict[tuple[Shown, str], list[Any]] = {}
    for query in queries:
        _add(answers, (query.said.shown, query.actor.name), query.at, query.at, 1)
    seen: dict[tuple[int, str, int], list[Any]] = {}
    for (shown, ae_title), times in answers.items():
        for step, version in shown.steps:
            _add(seen, (step, ae_title, version), *times)
    rows = [
        (step, ae_title, version, _instant(first), _instant(last), count)
        for (step, ae_title, version), (first, last, count) in sorted(seen.items())
    ]
    if not rows:
        return
    table = connection.ops.quote_name(WorklistSighting._meta.db_table)
    steps = connection.ops.quote_name(ScheduledProcedureStep._meta.db_table)
    columns = "step_id, ae_title, step_version, first_at, last_at, count"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Arrays: psycopg takes longer to place thousands of parameters than PostgreSQL to
            # write the rows.
            cursor.execute(
                f"INSERT INTO {table} ({columns})"  # noqa: S608
                " SELECT n.* FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::timestamptz[],"
                " %s::timestamptz[], %s::int[]) AS n (step, ae, version, first_at, last_at, count)"
                f" JOIN {steps} s ON s.id = n.step ORDER BY n.step, n.ae, n.version"
                " ON CONFLICT (step_id, ae_title, step_version) DO UPDATE SET"
                f" last_at = GREATEST({table}.last_at, excluded.last_at),"
                f" count = {table}.count + excluded.count",
                [list(column) for column in zip(*rows, strict=True)],
            )
        else:
            cursor.executemany(
                f"INSERT INTO {table} ({columns}) SELECT %s, %s, %s, %s, %s, %s"  # noqa: S608
                f" WHERE EXISTS (SELECT 1 FROM {steps} WHERE id = %s)"
                " ON CONFLICT (step_id, ae_title, step_version) DO UPDATE SET"
                f" last_at = MAX({table}.last_at, excluded.last_at),"
                f" count = {table}.count + excluded.count",
                [(*row, row[0]) for row in rows],
            )


def _add(found: dict[Any, list[Any]], key: Any, first: datetime, last: datetime, n: int) -> None:
    times = found.get(key)
    if times is None:
        found[key] = [first, last, n]
    else:
        found[key] = [min(times[0], first), max(times[1], last), times[2] + n]


def _instant(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)
