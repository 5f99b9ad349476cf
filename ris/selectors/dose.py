"""Dose documents and the dose of exams as pages show them; what waits for its exam."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.dose import (
    BY_HAND,
    ENTERED,
    MEASURES,
    PART_WORDS,
    Adding,
    DoseMatch,
    DoseSource,
    Exceeded,
    Measure,
    Quantity,
    plain,
)
from ris.domain.dose_totals import Total
from ris.domain.errors import UnknownKeyError
from ris.domain.values import PersonName
from ris.models import (
    DoseRecord,
    DoseReferenceLevel,
    ExamDose,
    IrradiationEvent,
    Order,
    PatientIdentifier,
    PerformedProcedureStep,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

EVENTS_SHOWN = 200
EXAMS_SHOWN = 100
_RETRIED = timedelta(days=60)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChoice:
    """An order that a document may belong to, and why it is offered."""

    order: str
    accession_number: str
    patient: PatientLine
    words: str
    modality: str
    at: datetime | None
    why: str


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
    return tuple(Exceeded.from_json(row).words for row in rows)


# --- one order


def of_order(public_id: str) -> OrderDose | None:
    """The dose of an order with its documents, newest first; None if nobody told of any."""
    records = list(
        _with_lines(DoseRecord.objects.filter(order__public_id=uuid.UUID(public_id))).order_by(
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
    )


def _with_lines(rows: QuerySet[DoseRecord]) -> QuerySet[DoseRecord]:
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
        patient_name=PersonName.parse(row.patient_name),
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
    )


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


# --- what waits for its exam


def waiting() -> QuerySet[DoseRecord]:
    """Documents that fit no exam, or the exam of another patient: entries under Exceptions.

    What an MPPS said goes with its performed step, which is an entry itself.
    """
    return DoseRecord.objects.filter(
        match__in=[DoseMatch.WAITING.value, DoseMatch.MISMATCH.value],
        source=DoseSource.RDSR.value,
        withdrawn_at__isnull=True,
    ).order_by("-created_at", "-id")


def waiting_lines(limit: int = 50) -> list[DocumentLine]:
    return [document_line(row) for row in _with_lines(waiting())[:limit]]


def find_document(public_id: str) -> DocumentLine:
    """The document; raises UnknownKeyError."""
    row = _with_lines(DoseRecord.objects.filter(public_id=public_id)).first()
    if row is None:
        raise UnknownKeyError("no such dose")
    return document_line(row)


def order_of_document(public_id: str) -> str:
    """The public id of the order a document belongs to; empty if it waits."""
    key = (
        DoseRecord.objects.filter(public_id=public_id)
        .values_list("order__public_id", flat=True)
        .first()
    )
    return str(key) if key else ""


def due_to_join(limit: int = 50) -> list[int]:
    """Waiting documents for which something came since they were last looked at, and documents
    whose performed step was tied to another exam since.

    By primary key; found by what they name, so that a long list of old ones costs nothing.
    """
    newer = {"updated_at__gt": OuterRef("updated_at")}
    orders = Order.objects.filter(accession_number=OuterRef("accession_number"), **newer)
    procedures = RequestedProcedure.objects.filter(
        study_instance_uid=OuterRef("study_instance_uid"), **newer
    )
    performed = PerformedProcedureStep.objects.filter(**newer)
    by_study = performed.filter(study_instance_uid=OuterRef("study_instance_uid"))
    by_patient = performed.filter(patient_identifier=OuterRef("patient_identifier"))
    rows = DoseRecord.objects.filter(withdrawn_at__isnull=True)
    waits = rows.filter(
        (Q(Exists(orders)) & ~Q(accession_number=""))
        | (Q(Exists(procedures) | Exists(by_study)) & ~Q(study_instance_uid=""))
        | (Q(Exists(by_patient)) & ~Q(patient_identifier=""))
        | Q(performed__updated_at__gt=F("updated_at")),
        match__in=[DoseMatch.WAITING.value, DoseMatch.MISMATCH.value],
        created_at__gt=timezone.now() - _RETRIED,
    )
    retied = rows.filter(
        Q(performed__updated_at__gt=timezone.now() - _RETRIED),
        match=DoseMatch.MATCHED.value,
        performed__updated_at__gt=F("updated_at"),
    ).exclude(joined_by__in=[BY_HAND, ENTERED])
    found = [*waits.values_list("pk", flat=True)[:limit]]
    return [*found, *retied.values_list("pk", flat=True)[: limit - len(found)]]


def choices(document: DocumentLine, text: str = "") -> list[OrderChoice]:
    """Orders the document may belong to, the likeliest first."""
    rows = Order.objects.all()
    text = text.strip()
    groups: list[tuple[str, QuerySet[Order]]] = []
    if text:
        by_number = Q(accession_number=text) | Q(patient__identifiers__value=text)
        groups.append(("found by number", rows.filter(by_number)))
    else:
        named = Q(pk=None)
        if document.accession_number:
            named |= Q(accession_number=document.accession_number)
        if document.study_instance_uid:
            named |= Q(procedures__study_instance_uid=document.study_instance_uid)
        groups.append(("named by the document", rows.filter(named)))
        if document.patient_identifier:
            groups.append(
                (
                    "the same patient number",
                    rows.filter(patient__identifiers__value=document.patient_identifier),
                )
            )
        if document.started_at is not None:
            stations = [s for s in (document.sender, document.station_name) if s]
            day = timedelta(hours=12)
            near = ScheduledProcedureStep.objects.filter(
                Q(station_ae_title__in=stations) | Q(station_name__in=stations),
                start_at__gte=document.started_at - day,
                start_at__lte=document.started_at + day,
            )
            groups.append(
                (
                    "the same device and day",
                    rows.filter(pk__in=near.values("procedure__order")),
                )
            )
    found: dict[int, OrderChoice] = {}
    for why, group in groups:
        for order in _with_patient(group)[:20]:
            found.setdefault(order.pk, _choice(order, why))
    return list(found.values())[:30]


def _with_patient(rows: QuerySet[Order]) -> QuerySet[Order]:
    return (
        rows.select_related("patient__merged_into")
        .prefetch_related(
            Prefetch("patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch(
                "procedures",
                RequestedProcedure.objects.order_by("id").prefetch_related("steps"),
            ),
        )
        .distinct()
        .order_by("-ordered_at", "-id")
    )


def _choice(order: Order, why: str) -> OrderChoice:
    procedures = list(order.procedures.all())
    steps = [step for one in procedures for step in one.steps.all()]
    return OrderChoice(
        order=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient),
        words="; ".join(one.description or one.code_meaning for one in procedures),
        modality=", ".join(dict.fromkeys(step.modality for step in steps if step.modality)),
        at=min((step.start_at for step in steps if step.start_at), default=None),
        why=why,
    )


# --- reference levels


def levels() -> list[LevelLine]:
    rows = DoseReferenceLevel.objects.select_related("definition").order_by(
        "definition__meaning", "measure", "from_age"
    )
    return [_level_line(row) for row in rows]


def _level_line(row: DoseReferenceLevel) -> LevelLine:
    info = MEASURES[Measure(row.measure)]
    everybody = row.from_age == 0 and row.to_age == 200
    return LevelLine(
        public_id=str(row.public_id),
        code=row.definition.code,
        meaning=row.definition.meaning,
        measure=info.words,
        value=plain(row.value),
        unit=info.dimension.value,
        ages="all ages" if everybody else f"{row.from_age} to {row.to_age} years",
        origin=row.origin,
    )


def above_level(limit: int = EXAMS_SHOWN) -> Sequence[ExamLine]:
    """Exams whose dose was above a reference level, the latest first."""
    rows = (
        ExamDose.objects.filter(alerted_at__isnull=False)
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
