"""The dose of an exam made anew from its documents, and the alert that may follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

from ris.domain.dose import (
    DoseKind,
    DoseLevelExceeded,
    DoseMatch,
    DoseSource,
    Exceeded,
    ReferenceLevel,
    Scope,
)
from ris.domain.dose_totals import Document, exam_dose, exceeded
from ris.domain.measures import Measure, Quantity
from ris.models import (
    DoseRecord,
    DoseReferenceLevel,
    ExamDose,
    IrradiationEvent,
    Order,
)
from ris.services._context import Context
from ris.services._locks import lock_orders

_FIRST = datetime.min.replace(tzinfo=UTC)
Events = Mapping[str, Sequence[Quantity]]


def sharing_orders(record: DoseRecord) -> set[int]:
    """The orders whose dose depends on this record: its own, and those that share its events."""
    rows = DoseRecord.objects.filter(
        events__records=record, match=DoseMatch.MATCHED.value, order__isnull=False
    )
    found = {row.order_id for row in rows.only("order_id").distinct() if row.order_id is not None}
    if record.order_id is not None:
        found.add(record.order_id)
    return found


def recompute(orders: Iterable[int], context: Context) -> None:
    """Write the dose of each order as the rule makes it of its documents."""
    for order in lock_orders(orders):
        _recompute(order, context)


def _recompute(order: Order, context: Context) -> None:
    records = list(
        DoseRecord.objects.filter(
            order=order, match=DoseMatch.MATCHED.value, withdrawn_at__isnull=True
        ).order_by("pk")
    )
    row = ExamDose.objects.filter(order=order).first()
    if not records:
        if row is not None:
            row.delete()
        return
    row = row or ExamDose(order=order)
    told = _events_told(records)
    events = _quantities(records)
    elsewhere = _elsewhere(order)
    dose = exam_dose([_document(one, told) for one in records], events, elsewhere)
    row.totals = [total.as_json() for total in dose.totals]
    row.left_out = dict(dose.left_out)
    row.notes = list(dose.notes)
    row.started_at = min((one.started_at for one in records if one.started_at), default=None)
    above = _above(order, records, told, events, elsewhere, row.started_at or context.now)
    row.exceeded = [one.as_json() for one in above]
    if above and row.alerted_at is None:
        row.alerted_at = context.now
        context.emit(
            DoseLevelExceeded(
                order=str(order.public_id),
                note="; ".join(one.words for one in above),
                exceeded=tuple(one.measure.value for one in above),
            ),
            subject=order,
            order=order,
        )
    row.save()


def _document(record: DoseRecord, told: Mapping[int, frozenset[str]]) -> Document:
    return Document(
        source_uid=record.source_uid,
        source=DoseSource(record.source),
        kind=DoseKind(record.kind),
        content_at=record.content_at,
        device=record.device_uid or record.station_name or record.ae_title,
        scope=Scope(record.scope),
        scope_uid=record.scope_uid,
        totals=tuple(Quantity.from_json(item) for item in record.totals),
        events=told.get(record.pk, frozenset()),
        identified=record.identified,
        predecessors=frozenset(record.predecessors),
    )


def _events_told(records: Sequence[DoseRecord]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = {}
    pairs = DoseRecord.events.through.objects.filter(doserecord__in=records).values_list(
        "doserecord_id", "irradiationevent__event_uid"
    )
    for record, uid in pairs:
        found.setdefault(record, set()).add(uid)
    return {record: frozenset(uids) for record, uids in found.items()}


def _quantities(records: Sequence[DoseRecord]) -> Events:
    rows = IrradiationEvent.objects.filter(records__in=records).distinct()
    return {
        row.event_uid: [Quantity.from_json(item) for item in row.details.get("quantities", ())]
        for row in rows
    }


def _elsewhere(order: Order) -> frozenset[str]:
    """Events that a document of another exam told of first: they count there."""
    pairs = (
        DoseRecord.events.through.objects.filter(
            irradiationevent__records__order=order,
            doserecord__match=DoseMatch.MATCHED.value,
            doserecord__withdrawn_at__isnull=True,
            doserecord__order__isnull=False,
        )
        .values_list(
            "irradiationevent__event_uid",
            "doserecord__content_at",
            "doserecord__source_uid",
            "doserecord__order_id",
        )
        .distinct()
    )
    first: dict[str, tuple[datetime, str, int]] = {}
    for uid, at, source_uid, order_id in pairs:
        claim = (at or _FIRST, source_uid, order_id)
        if uid not in first or claim < first[uid]:
            first[uid] = claim
    return frozenset(uid for uid, claim in first.items() if claim[2] != order.pk)


# --- reference levels


def _above(
    order: Order,
    records: Sequence[DoseRecord],
    told: Mapping[int, frozenset[str]],
    events: Events,
    elsewhere: frozenset[str],
    at: datetime,
) -> list[Exceeded]:
    """What is above a level, procedure by procedure: a level is for one procedure's dose."""
    levels: dict[int, list[ReferenceLevel]] = {}
    rows = DoseReferenceLevel.objects.filter(definition__procedures__order=order).distinct()
    for row in rows:
        levels.setdefault(row.definition_id, []).append(
            ReferenceLevel(
                measure=Measure(row.measure),
                value=row.value,
                from_age=row.from_age,
                to_age=row.to_age,
            )
        )
    if not levels:
        return []
    age = _age(order.patient.birth_date, at.date())
    found: list[Exceeded] = []
    for procedure in order.procedures.all():
        own = [record for record in records if record.procedure_id == procedure.pk]
        if procedure.definition_id is None or procedure.definition_id not in levels or not own:
            continue
        dose = exam_dose([_document(one, told) for one in own], events, elsewhere)
        found += exceeded(dose.totals, levels[procedure.definition_id], age)
    return found


def _age(birth_date: str, on: date) -> int | None:
    """Whole years; None unless the day of birth is known."""
    parts = birth_date.split("-")
    if len(parts) != 3:
        return None
    year, month, day = (int(part) for part in parts)
    return max(on.year - year - ((on.month, on.day) < (month, day)), 0)
