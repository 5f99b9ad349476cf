"""The dose of an exam made anew from its documents, and the alert that may follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from django.utils import timezone

from ris.domain.commands import Event
from ris.domain.dose import (
    PREGNANCY_WORDS,
    Compared,
    DoseInPregnancy,
    DoseKind,
    DoseLevelExceeded,
    DoseMatch,
    DoseSource,
    ReferenceLevel,
    Scope,
    age_on,
    is_worse,
)
from ris.domain.dose_totals import Document, compared, exam_dose
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
    if not records and row is None:
        return
    if not records and row is not None and row.alerted_at is None:
        row.delete()
        return
    # What was told once stays, without a dose: a document that comes back tells nobody again.
    row = row or ExamDose(order=order)
    told = _events_told(records)
    events = _quantities(records)
    elsewhere = _elsewhere(order)
    dose = exam_dose([_document(one, told) for one in records], events, elsewhere)
    row.totals = [total.as_json() for total in dose.totals]
    row.left_out = dict(dose.left_out)
    row.notes = list(dose.notes)
    row.started_at = min((one.started_at for one in records if one.started_at), default=None)
    beside = _compared(order, records, told, events, elsewhere, row.started_at or context.now)
    above = [one for one in beside if one.is_above]
    row.compared = [one.as_json() for one in beside]
    row.exceeded = [one.as_json() for one in above]
    row.pregnancy = _pregnancy(order) if records else ""
    _alert(row, above, order, context)
    row.save()


def _alert(row: ExamDose, above: Sequence[Compared], order: Order, context: Context) -> None:
    """Tell once for an exam, however many documents and corrections it gets (DOSE-06).

    What got worse than it was when somebody looked at it is to be looked at again, without
    another alert.
    """
    if row.acknowledged_at is not None and is_worse(
        above, [Compared.from_json(one) for one in row.acknowledged_exceeded]
    ):
        row.acknowledged_at = None
    warning = PREGNANCY_WORDS.get(row.pregnancy, "")
    if not (above or warning) or row.alerted_at is not None:
        return
    row.alerted_at = context.now
    note = "; ".join([*(one.words for one in above), *([warning] if warning else [])])
    key = str(order.public_id)
    event: Event = DoseInPregnancy(order=key, note=note)
    if above:
        measures = tuple(one.measure.value for one in above)
        event = DoseLevelExceeded(order=key, note=note, exceeded=measures)
    context.emit(event, subject=order, order=order)


def _pregnancy(order: Order) -> str:
    """What is known at the exam: answers for it count before what the hospital says."""
    known = str(order.safety.get("pregnancy") or order.patient.pregnancy_status)
    return known if known in PREGNANCY_WORDS else ""


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


def _compared(
    order: Order,
    records: Sequence[DoseRecord],
    told: Mapping[int, frozenset[str]],
    events: Events,
    elsewhere: frozenset[str],
    at: datetime,
) -> list[Compared]:
    """What stands beside a level, procedure by procedure: a level is for one procedure's dose."""
    levels: dict[int, list[ReferenceLevel]] = {}
    rows = DoseReferenceLevel.objects.filter(definition__procedures__order=order).distinct()
    for row in rows:
        levels.setdefault(row.definition_id, []).append(
            ReferenceLevel(
                measure=Measure(row.measure),
                value=row.value,
                from_age=row.from_age,
                to_age=row.to_age,
                from_kg=row.from_kg,
                to_kg=row.to_kg,
            )
        )
    if not levels:
        return []
    age = age_on(order.patient.birth_date, timezone.localtime(at).date())
    weight = order.safety.get("weight_kg") or order.patient.weight_kg
    found: list[Compared] = []
    for procedure in order.procedures.all():
        own = [record for record in records if record.procedure_id == procedure.pk]
        if procedure.definition_id is None or procedure.definition_id not in levels or not own:
            continue
        dose = exam_dose([_document(one, told) for one in own], events, elsewhere)
        found += compared(dose.totals, levels[procedure.definition_id], age, weight)
    return found
