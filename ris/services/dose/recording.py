"""Keep dose documents and their irradiation events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_noop as noop

from ris.domain.dose import (
    ENTERED,
    DoseMatch,
    DoseRecorded,
    DoseSource,
    IrradiationEventDetails,
    RecordDose,
)
from ris.domain.errors import MissingValueError, UnknownKeyError
from ris.domain.identifiers import require_sent_uid, require_uid
from ris.domain.places import Place
from ris.domain.values import Identifier
from ris.models import DoseRecord, IrradiationEvent, Order
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services.dose.joining import join, performed_of
from ris.services.dose.totals import recompute, sharing_orders

_FIRST = datetime.min.replace(tzinfo=UTC)
_AGAIN = noop("came again with other values")


def record_dose(command: RecordDose, context: Context) -> str:
    """Keep a document once; what comes again changes nothing, unless it is newer (DOSE-05)."""
    if command.source is DoseSource.MANUAL:
        return _by_hand(command, context)
    uid = require_sent_uid(command.source_uid, Place.DOCUMENT_UID)
    record = DoseRecord.objects.select_for_update().filter(source_uid=uid).first()
    digest = _digest(command)
    is_new = record is None
    before: set[int] = set()
    if record is None:
        record = DoseRecord(source_uid=uid, source=command.source.value)
        _say_whose(record, command)
        _say_what(record, command, digest)
        record.message_id = context.message_id
        record.save()
        keep_events(record, command.events)
    else:
        before = sharing_orders(record)
        if record.match in _OPEN:
            _say_whose(record, command)  # an archive may have corrected the patient meanwhile
        if record.content_digest != digest:
            record.flags = list(dict.fromkeys([*record.flags, _AGAIN]))
            # Which of the two is kept must not depend on which came first.
            if _rank(command.content_at, digest) > _rank(record.content_at, record.content_digest):
                _say_what(record, command, digest)
                record.flags = [*record.flags, _AGAIN]
                record.save()
                keep_events(record, command.events)
        record.save()
    known = record.match
    if record.match in _OPEN:
        join(record)
    if is_new or known != record.match:
        _announce(record, context)
    else:
        context.about(record, record.order)
    recompute(before | sharing_orders(record), context)
    return str(record.public_id)


_OPEN = frozenset({DoseMatch.WAITING.value, DoseMatch.MISMATCH.value})


def _announce(record: DoseRecord, context: Context) -> None:
    context.emit(
        DoseRecorded(
            performed=str(record.performed.public_id) if record.performed else "",
            order=str(record.order.public_id) if record.order else "",
            dose=str(record.public_id),
            source=record.source,
            match=record.match,
        ),
        subject=record,
        order=record.order,
    )


def _by_hand(command: RecordDose, context: Context) -> str:
    """A value typed in for an order; each entry is a record of its own."""
    if not any(one.value is not None for one in command.totals):
        raise MissingValueError("give at least one value", path="totals")
    order = (
        Order.objects.select_for_update(of=("self",))
        .select_related("patient")
        .filter(public_id=public_key(command.order, "order"))
        .first()
    )
    if order is None:
        raise UnknownKeyError("no such order", path="order")
    uid = require_uid(command.source_uid, "source_uid")
    known = DoseRecord.objects.filter(source_uid=uid).first()
    if known is not None:
        context.about(known, order)
        return str(known.public_id)  # a double click
    record = DoseRecord(source_uid=uid, source=command.source.value)
    _say_what(record, command, _digest(command))
    record.order = order
    procedures = list(order.procedures.all()[:2])
    record.procedure = procedures[0] if len(procedures) == 1 else None
    record.match = DoseMatch.MATCHED.value
    record.joined_by = ENTERED
    record.entered_by = (context.actor.display or context.actor.name)[:150]
    record.save()
    _announce(record, context)
    recompute({order.pk}, context)
    return str(record.public_id)


def _say_whose(record: DoseRecord, command: RecordDose) -> None:
    """What the document says of the exam and the patient it belongs to."""
    identifier = command.patient_identifier or Identifier("")
    record.study_instance_uid = command.study_instance_uid
    record.accession_number = command.accession_number[:64]
    record.accession_issuer = command.accession_issuer[:200]
    record.patient_identifier = identifier.value[:64]
    record.patient_issuer = identifier.issuer[:200]
    record.patient_name = command.patient_name[:324]
    record.patient_birth_date = command.patient_birth_date[:10]
    record.performed_uids = list(command.performed_uids)
    record.performed = performed_of(record)


def _say_what(record: DoseRecord, command: RecordDose, digest: str) -> None:
    """What the document says of the dose."""
    record.kind = command.kind.value
    record.ae_title = command.ae_title[:16]
    record.station_name = command.station_name[:16]
    record.device = command.device[:200]
    record.device_uid = command.device_uid[:64]
    record.title = command.title[:200]
    record.scope = command.scope.value
    record.scope_uid = command.scope_uid[:64]
    record.content_at = command.content_at
    record.started_at = command.started_at
    record.ended_at = command.ended_at
    record.totals = [quantity.as_json() for quantity in command.totals]
    record.identified = all(event.uid for event in command.events)
    record.predecessors = list(command.predecessors)
    record.flags = list(dict.fromkeys(command.flags))
    record.note = command.note[:500]
    record.content_digest = digest


def _digest(command: RecordDose) -> str:
    """What the dose part of a document says, as one number; not whose it is."""
    said: Mapping[str, Any] = {
        "kind": command.kind.value,
        "scope": [command.scope.value, command.scope_uid],
        "at": str(command.content_at),
        "totals": [quantity.as_json() for quantity in command.totals],
        "events": [[event.uid, str(event.started_at), event.as_json()] for event in command.events],
        "predecessors": command.predecessors,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _rank(at: datetime | None, name: str) -> tuple[datetime, str]:
    return (at or _FIRST, name)


def keep_events(record: DoseRecord, events: Sequence[IrradiationEventDetails]) -> None:
    """Tie the record to its events; an event that is known takes the latest document's values."""
    # In one order for everybody, so that two documents never wait for each other.
    told = {event.uid: event for event in sorted(events, key=lambda one: one.uid) if event.uid}
    IrradiationEvent.objects.bulk_create(
        [
            IrradiationEvent(
                event_uid=uid,
                record=record,
                started_at=event.started_at,
                details=event.as_json(),
            )
            for uid, event in told.items()
        ],
        ignore_conflicts=True,  # another document tells of it already
        batch_size=500,
    )
    rows: list[IrradiationEvent] = []
    uids = list(told)
    for start in range(0, len(uids), 500):
        rows += (
            IrradiationEvent.objects.select_for_update(of=("self",))
            .select_related("record")
            .filter(event_uid__in=uids[start : start + 500])
            .order_by("pk")
        )
    own = _rank(record.content_at, record.source_uid)
    newer = [row for row in rows if _rank(row.record.content_at, row.record.source_uid) <= own]
    for row in newer:
        event = told[row.event_uid]
        row.record, row.started_at, row.details = record, event.started_at, event.as_json()
    IrradiationEvent.objects.bulk_update(newer, ["record", "started_at", "details"], batch_size=200)
    record.events.set(rows)
