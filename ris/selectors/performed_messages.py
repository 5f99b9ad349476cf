"""What was said of a performed step, message by message, for those who pass it on."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import Protocol
from ris.domain.protocol import Result
from ris.domain.values import Code
from ris.models import Delivery, DeliveryAttempt, DomainEvent, PerformedProcedureStep
from ris.selectors.performing import to_view
from ris.selectors.views import PerformedView


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformedRecord:
    """A performed step with what the view leaves out, and the orders it was done for."""

    view: PerformedView
    dataset: dict[str, Any]  # what the modality said so far, DICOM JSON
    location: str
    study_id: str
    procedure_codes: tuple[Code, ...]
    comments: str
    orders: tuple[str, ...]  # public ids


@dataclass(frozen=True, slots=True)
class Said:
    """One event of a performed step and the message it came with, if any."""

    event_id: int
    name: str
    protocol: Protocol | None = None
    raw: bytes = b""


def performed_record(public_id: str) -> PerformedRecord:
    """Raises UnknownKeyError."""
    row = (
        PerformedProcedureStep.objects.filter(public_id=uuid.UUID(public_id))
        .select_related("order")
        .prefetch_related("series", "steps__procedure__order")
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such performed step")
    orders = {step.procedure.order.pk: step.procedure.order for step in row.steps.all()}
    if row.order is not None:
        orders.setdefault(row.order.pk, row.order)
    return PerformedRecord(
        view=to_view(row),
        dataset=row.dataset,
        location=row.location,
        study_id=row.study_id,
        procedure_codes=tuple(Code.from_json(code) for code in row.procedure_codes),
        comments=row.comments,
        orders=tuple(str(orders[key].public_id) for key in sorted(orders)),
    )


def said_since(performed: str, after: int, until: int, names: Sequence[str]) -> list[Said]:
    """What was said of a performed step behind one event and up to another, oldest first.

    Of the events that one message caused for several orders only the leading one counts.
    """
    rows = (
        DomainEvent.objects.filter(
            subject_type=PerformedProcedureStep.__name__,
            subject_id=performed,
            name__in=list(names),
            pk__gt=after,
            pk__lte=until,
        )
        .select_related("message")
        .defer("message__reply")
        .order_by("pk")
    )
    return [
        Said(
            row.pk,
            row.name,
            Protocol(row.message.protocol) if row.message else None,
            bytes(row.message.raw) if row.message else b"",
        )
        for row in rows
        if row.payload.get("leading", True)
    ]


def last_event_in(endpoint_id: int, lane: str, performed: str) -> int:
    """The event of a performed step that last became a delivery in this lane; 0 if none did."""
    events = DomainEvent.objects.filter(
        subject_type=PerformedProcedureStep.__name__, subject_id=performed
    )
    # By the index on events: that on endpoints would lead through everything ever sent there.
    rows = Delivery.objects.filter(event_id__in=list(events.values_list("pk", flat=True)))
    found = [
        event
        for event, endpoint, own in rows.values_list("event_id", "endpoint_id", "lane")
        if endpoint == endpoint_id and own == lane and event is not None
    ]
    return max(found, default=0)


def was_unclear(endpoint_id: int, control_id: str) -> bool:
    """Whether an earlier try to deliver this may have reached the peer without our knowing."""
    return DeliveryAttempt.objects.filter(
        delivery__endpoint_id=endpoint_id,
        delivery__control_id=control_id,
        result=Result.AMBIGUOUS.value,
    ).exists()
