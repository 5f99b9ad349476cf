"""Dose documents and the dose of exams as pages show them; what waits for its exam."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet

from ris.domain.dose import ANY_AGE, ANY_WEIGHT, PREGNANCY_WORDS, Compared, DoseMatch
from ris.domain.dose_totals import Total
from ris.domain.measures import MEASURES, PART_WORDS, Adding, Measure, Quantity, plain
from ris.domain.sets import version_of
from ris.domain.values import PersonName
from ris.models import (
    DoseRecord,
    DoseReferenceLevel,
    ExamDose,
    IrradiationEvent,
    PatientIdentifier,
    RequestedProcedure,
)

EVENTS_SHOWN = 200
EXAMS_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLine:
    """A value as a page prints it: ``words`` what, ``text`` how much with its unit."""

    measure: str
    words: str
    text: str
    part: str = ""
    source: str = ""
    sent: str = ""  # as it came, if that was another unit
    problem: str = ""
    incomplete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    uid: str
    started_at: datetime | None
    type: str
    protocol: str
    region: str
    values: tuple[ValueLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLine:
    """``left_out`` says why it does not count; ``events`` are the first of ``event_count``."""

    public_id: str
    source: str
    kind: str
    match: str
    joined_by: str
    source_uid: str
    study_instance_uid: str
    title: str
    device: str
    sender: str
    station_name: str
    scope: str
    content_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    received_at: datetime
    values: tuple[ValueLine, ...]
    events: tuple[EventLine, ...]
    event_count: int
    flags: tuple[str, ...]
    note: str
    entered_by: str
    withdrawn_at: datetime | None
    message: str
    left_out: str = ""
    accession_number: str = ""
    patient_name: PersonName = field(default_factory=PersonName)
    patient_identifier: str = ""
    patient_birth_date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDose:
    totals: tuple[ValueLine, ...]
    documents: tuple[DocumentLine, ...]
    exceeded: tuple[str, ...]
    notes: tuple[str, ...]
    compared: tuple[str, ...] = ()
    pregnancy: str = ""
    acknowledged: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamLine:
    """The dose of one exam in a patient's history; without an order it waits for one."""

    order: str
    accession_number: str
    words: str
    modality: str
    at: datetime | None
    values: tuple[ValueLine, ...]
    exceeded: tuple[str, ...]
    document: str = ""
    patient: str = ""
    totals: tuple[Total, ...] = ()
    compared: tuple[str, ...] = ()
    pregnancy: str = ""
    is_open: bool = False  # told, and nobody looked at it yet
    acknowledged: str = ""
    version: str = ""  # of its alert


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLine:
    public_id: str
    code: str
    meaning: str
    measure: str
    value: str
    unit: str
    ages: str
    origin: str
    weights: str = ""


# --- values in words


def value_line(one: Quantity) -> ValueLine:
    """A stated value, with how it came where that differs or could not be understood."""
    info = MEASURES[one.measure]
    unit = info.dimension.value
    as_sent = " ".join(part for part in (one.sent, one.sent_unit) if part)
    text = as_sent if one.value is None else f"{plain(one.value)} {unit}".strip()
    return ValueLine(
        measure=one.measure.value,
        words=info.words,
        text=text or "no value",
        part=PART_WORDS[one.part] or one.of,
        sent=as_sent if one.value is not None and plain(one.value) != one.sent else "",
        problem=one.problem,
    )


def total_line(total: Total) -> ValueLine:
    info = MEASURES[total.measure]
    highest = info.adding is Adding.HIGHEST
    return ValueLine(
        measure=total.measure.value,
        words=f"{info.words}, highest" if highest else info.words,
        text=f"{plain(total.value)} {total.unit}".strip(),
        part=PART_WORDS[total.part],
        source=total.source.value,
        incomplete=total.incomplete,
    )


def _totals(rows: Iterable[Mapping[str, Any]]) -> tuple[ValueLine, ...]:
    return tuple(total_line(Total.from_json(row)) for row in rows)


def _exceeded(rows: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(Compared.from_json(row).words for row in rows)


def _shares(rows: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(Compared.from_json(row).share for row in rows)


def acknowledgement(row: ExamDose) -> str:
    """Who looked at an alert and what came of it; empty if nobody ever did."""
    if not row.acknowledged_by:
        return ""
    return f"{row.acknowledged_by}: {row.acknowledged_note}"


# --- one order


def of_order(public_id: str) -> OrderDose | None:
    """The dose of an order with its documents, newest first; None if nobody told of any."""
    records = list(
        with_lines(DoseRecord.objects.filter(order__public_id=uuid.UUID(public_id))).order_by(
            F("content_at").desc(nulls_last=True), "-id"
        )[:EXAMS_SHOWN]
    )
    if not records:
        return None
    dose = ExamDose.objects.filter(order__public_id=uuid.UUID(public_id)).first()
    left_out = dose.left_out if dose else {}
    return OrderDose(
        totals=_totals(dose.totals) if dose else (),
        documents=tuple(document_line(row, left_out.get(row.source_uid, "")) for row in records),
        exceeded=_exceeded(dose.exceeded) if dose else (),
        notes=tuple(dose.notes) if dose else (),
        compared=_shares(dose.compared) if dose else (),
        pregnancy=PREGNANCY_WORDS.get(dose.pregnancy, "") if dose else "",
        acknowledged=acknowledgement(dose) if dose else "",
    )


def totals_of(order: str) -> tuple[tuple[ValueLine, ...], tuple[str, ...]]:
    """What an order's exams came to, and which reference levels that is above; one query."""
    row = ExamDose.objects.filter(order__public_id=uuid.UUID(order)).first()
    return (_totals(row.totals), _exceeded(row.exceeded)) if row is not None else ((), ())


def with_lines(rows: QuerySet[DoseRecord]) -> QuerySet[DoseRecord]:
    return (
        rows.select_related("message")
        .defer("message__raw", "message__reply")
        .prefetch_related(
            Prefetch(
                "events",
                IrradiationEvent.objects.order_by(F("started_at").asc(nulls_last=True), "id"),
            )
        )
    )


def document_line(row: DoseRecord, left_out: str = "") -> DocumentLine:
    events = list(row.events.all())
    return DocumentLine(
        public_id=str(row.public_id),
        source=row.source,
        kind=row.kind,
        match=row.match,
        joined_by=row.joined_by,
        source_uid=row.source_uid,
        study_instance_uid=row.study_instance_uid,
        title=row.title,
        device=row.device,
        sender=row.ae_title,
        station_name=row.station_name,
        scope=row.scope,
        content_at=row.content_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        received_at=row.created_at,
        values=tuple(value_line(Quantity.from_json(item)) for item in row.totals),
        events=tuple(_event_line(event) for event in events[:EVENTS_SHOWN]),
        event_count=len(events),
        flags=tuple(row.flags),
        note=row.note,
        entered_by=row.entered_by,
        withdrawn_at=row.withdrawn_at,
        message=str(row.message.public_id) if row.message else "",
        left_out=left_out,
        accession_number=row.accession_number,
        patient_name=PersonName.as_sent(row.patient_name),
        patient_identifier=row.patient_identifier,
        patient_birth_date=row.patient_birth_date,
    )


def _event_line(event: IrradiationEvent) -> EventLine:
    said = event.details
    return EventLine(
        uid=event.event_uid,
        started_at=event.started_at,
        type=said.get("type", ""),
        protocol=said.get("protocol", ""),
        region=said.get("region", ""),
        values=tuple(value_line(Quantity.from_json(one)) for one in said.get("quantities", ())),
    )


# --- one patient


def of_patient(public_id: str) -> list[ExamLine]:
    """The patient's exams with dose, the newest first, and documents that wait for their exam."""
    rows = (
        ExamDose.objects.filter(order__patient__public_id=uuid.UUID(public_id))
        .select_related("order__patient")
        .prefetch_related(
            Prefetch(
                "order__procedures",
                RequestedProcedure.objects.order_by("id").prefetch_related("steps"),
            )
        )
        .order_by(F("started_at").desc(nulls_last=True), "-id")[:EXAMS_SHOWN]
    )
    found = [_exam_line(row) for row in rows]
    numbers = PatientIdentifier.objects.filter(
        patient__public_id=uuid.UUID(public_id), value=OuterRef("patient_identifier")
    ).filter(Q(issuer=OuterRef("patient_issuer")) | Q(issuer=""))
    loose = DoseRecord.objects.filter(
        Exists(numbers), order=None, match=DoseMatch.WAITING.value
    ).exclude(patient_identifier="")
    found += [_loose_line(row) for row in loose.order_by("-id")[:EXAMS_SHOWN]]
    return found


def _exam_line(row: ExamDose) -> ExamLine:
    order = row.order
    procedures = list(order.procedures.all())
    modalities = dict.fromkeys(
        step.modality for one in procedures for step in one.steps.all() if step.modality
    )
    return ExamLine(
        order=str(order.public_id),
        accession_number=order.accession_number,
        words="; ".join(
            one.description or one.code_meaning or one.code_value for one in procedures
        ),
        modality=", ".join(modalities),
        at=row.started_at or order.ordered_at,
        values=_totals(row.totals),
        exceeded=_exceeded(row.exceeded),
        patient=str(order.patient.public_id),
        totals=tuple(Total.from_json(one) for one in row.totals),
        compared=_shares(row.compared),
        pregnancy=PREGNANCY_WORDS.get(row.pregnancy, ""),
        is_open=row.alerted_at is not None and row.acknowledged_at is None,
        acknowledged=acknowledgement(row),
        version=alert_version(row),
    )


def alert_version(row: ExamDose) -> str:
    """Of what somebody who looks at an alert sees: what is above, and who looked before."""
    return version_of((row.exceeded, row.pregnancy, row.acknowledged_at))


def _loose_line(row: DoseRecord) -> ExamLine:
    return ExamLine(
        order="",
        accession_number=row.accession_number,
        words=row.title or "Dose without an exam",
        modality=row.kind,
        at=row.started_at or row.created_at,
        values=tuple(value_line(Quantity.from_json(item)) for item in row.totals),
        exceeded=(),
        document=str(row.public_id),
    )


# --- reference levels


def levels() -> list[LevelLine]:
    rows = DoseReferenceLevel.objects.select_related("definition").order_by(
        "definition__meaning", "measure", "from_age"
    )
    return [_level_line(row) for row in rows]


def _level_line(row: DoseReferenceLevel) -> LevelLine:
    info = MEASURES[Measure(row.measure)]
    every_age = (row.from_age, row.to_age) == (0, ANY_AGE)
    every_weight = (row.from_kg, row.to_kg) == (0, ANY_WEIGHT)
    return LevelLine(
        public_id=str(row.public_id),
        code=row.definition.code,
        meaning=row.definition.meaning,
        measure=info.words,
        value=plain(row.value),
        unit=info.dimension.value,
        ages="all ages" if every_age else f"{row.from_age} to {row.to_age} years",
        weights="" if every_weight else f"{row.from_kg} to {row.to_kg} kg",
        origin=row.origin,
    )


def alerts(*, are_open: bool, limit: int = EXAMS_SHOWN) -> Sequence[ExamLine]:
    """Exams that somebody was told of, the latest first: to be looked at, or looked at already."""
    rows = (
        ExamDose.objects.filter(alerted_at__isnull=False, acknowledged_at__isnull=are_open)
        .select_related("order__patient")
        .prefetch_related(
            Prefetch(
                "order__procedures",
                RequestedProcedure.objects.order_by("id").prefetch_related("steps"),
            )
        )
        .order_by("-alerted_at")[:limit]
    )
    return [_exam_line(row) for row in rows]
