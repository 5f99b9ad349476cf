"""The record of worklist queries: who asked what, and which steps were shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from ris.domain.actors import Actor
from ris.models import AuditEvent, ScheduledProcedureStep, WorklistQueryLog, WorklistSighting
from ris.selectors.views import WorklistEntry
from ris.services._execute import transactional


@transactional
def record_worklist_query(
    actor: Actor,
    *,
    keys: Mapping[str, Any],
    entries: Sequence[WorklistEntry],
    status: int,
    started_at: datetime,
    duration_ms: float,
    called_ae: str = "",
    truncated: bool = False,
    identifier: bytes = b"",
    transfer_syntax: str = "",
    comment: str = "",
    elements: Sequence[int] = (),
) -> None:
    """Keep one query with its audit (PS3.15 A.5.3.10), and that each step was shown.

    ``identifier`` is what was asked, byte for byte; ``elements`` the offending ones of a refusal.

    Sightings are one row per (step, device, version), counted up, so that a scanner asking every
    minute does not fill the database.
    """
    shown = {entry.step.public_id: entry.step.version for entry in entries}
    ids = _row_ids(list(shown))
    pairs = sorted((ids[one], version) for one, version in shown.items() if one in ids)
    WorklistQueryLog.objects.create(
        at=started_at,
        calling_ae_title=actor.name,
        called_ae_title=called_ae,
        address=actor.address,
        identifier=identifier,
        transfer_syntax=transfer_syntax,
        keys=dict(keys),
        matches=len(entries),
        steps=[row_id for row_id, _ in pairs],
        status=status,
        comment=comment[:64],
        elements=" ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in elements)[:200],
        truncated=truncated,
        duration_ms=duration_ms,
    )
    AuditEvent.objects.create(
        at=started_at,
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        address=actor.address,
        action="QueryWorklist",
        patients=sorted({entry.patient.public_id for entry in entries}),
        outcome="success" if status == 0 else f"{status:04X}",
        detail={"matches": len(entries)},
    )
    if pairs:
        _count_sightings(pairs, actor.name, started_at)


# A step's primary key never changes, and the same steps are shown again and again.
_KNOWN_IDS: dict[str, int] = {}
_KNOWN_IDS_LIMIT = 50_000


def _row_ids(public_ids: Sequence[str]) -> dict[str, int]:
    found = {one: row_id for one in public_ids if (row_id := _KNOWN_IDS.get(one))}
    missing = [one for one in public_ids if one not in found]
    if missing:
        rows = ScheduledProcedureStep.objects.filter(public_id__in=missing)
        fresh = {str(public_id): pk for public_id, pk in rows.values_list("public_id", "id")}
        if len(_KNOWN_IDS) > _KNOWN_IDS_LIMIT:
            _KNOWN_IDS.clear()
        _KNOWN_IDS.update(fresh)
        found |= fresh
    return found


def _count_sightings(pairs: Sequence[tuple[int, int]], ae_title: str, at: datetime) -> None:
    """One statement for all: a new row, or one more on the row there is.

    In the order of the steps, so that two queries of one device cannot block each other.
    """
    moment = connection.ops.adapt_datetimefield_value(at)
    table = connection.ops.quote_name(WorklistSighting._meta.db_table)
    rows, parameters = _rows(pairs, ae_title, moment)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table}"
            " (step_id, ae_title, step_version, first_at, last_at, count)"
            f" {rows} ON CONFLICT (step_id, ae_title, step_version)"
            f" DO UPDATE SET last_at = excluded.last_at, count = {table}.count + 1",
            parameters,
        )


def _rows(
    pairs: Sequence[tuple[int, int]], ae_title: str, moment: Any
) -> tuple[str, Sequence[Any]]:
    if connection.vendor == "postgresql":
        # Two arrays: psycopg takes longer to place thousands of parameters than PostgreSQL to write
        # the rows.
        text = "SELECT shown.step, %s, shown.version, %s, %s, 1"
        text += " FROM unnest(%s::bigint[], %s::int[]) AS shown (step, version) ORDER BY 1"
        steps, versions = zip(*pairs, strict=True)
        return text, (ae_title, moment, moment, list(steps), list(versions))
    return f"VALUES {', '.join(['(%s, %s, %s, %s, %s, 1)'] * len(pairs))}", [
        value
        for step_id, version in pairs
        for value in (step_id, ae_title, version, moment, moment)
    ]
