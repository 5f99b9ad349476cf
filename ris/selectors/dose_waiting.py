"""Dose documents that wait for their exam: which, for how long, and where they may belong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.dose import BY_HAND, ENTERED, DoseMatch, DoseSource
from ris.domain.errors import UnknownKeyError
from ris.models import (
    DoseRecord,
    Order,
    PerformedProcedureStep,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.selectors.dose import DocumentLine, document_line, with_lines
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line

_RETRIED = timedelta(days=60)


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
    return [document_line(row) for row in with_lines(waiting())[:limit]]


def find_document(public_id: str) -> DocumentLine:
    """The document; raises UnknownKeyError."""
    row = with_lines(DoseRecord.objects.filter(public_id=public_id)).first()
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
