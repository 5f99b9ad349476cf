"""The DICOM objects that signed versions of reports became."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ris.domain.report_objects import ObjectKind
from ris.models import CommitmentRequest, Delivery, PerformedProcedureStep, ReportObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectView:
    """One object; ``public_id`` is its own and ``report`` that of its report."""

    public_id: str
    report: str
    number: int
    kind: ObjectKind
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Belongs:
    """Whom an object is about, by public ids."""

    report: str
    patient: str
    orders: tuple[str, ...]


def _view(row: ReportObject, report: str) -> ObjectView:
    return ObjectView(
        public_id=str(row.public_id),
        report=report,
        number=row.number,
        kind=ObjectKind(row.kind),
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
    )


def of_report(public_id: str) -> list[ObjectView]:
    """All objects of a report, oldest version first."""
    rows = ReportObject.objects.filter(report__public_id=uuid.UUID(public_id))
    return [_view(row, public_id) for row in rows.order_by("number", "id")]


def find(sop_instance_uid: str) -> tuple[Belongs, ObjectView] | None:
    """An object of ours and whom it is about; None if it is none."""
    row = (
        ReportObject.objects.filter(sop_instance_uid=sop_instance_uid)
        .select_related("report__order__patient")
        .first()
    )
    if row is None:
        return None
    report = row.report
    orders = report.procedures.order_by("id").values_list("order__public_id", flat=True)
    about = Belongs(
        report=str(report.public_id),
        patient=str(report.order.patient.public_id),
        orders=tuple(dict.fromkeys(str(key) for key in orders)),
    )
    return about, _view(row, about.report)


def event_of(endpoint_id: int, made: ObjectView, lane: str) -> int | None:
    """The event that an object was sent to an endpoint for, by primary key."""
    rows = Delivery.objects.filter(
        endpoint_id=endpoint_id, lane=lane, event__payload__number=made.number
    )
    return rows.order_by("-id").values_list("event_id", flat=True).first()


def said_of(performed: Sequence[str]) -> list[Mapping[str, object]]:
    """What modalities said of performed steps (DICOM JSON), by their public ids, oldest first."""
    rows = PerformedProcedureStep.objects.filter(
        public_id__in={uuid.UUID(key) for key in performed}
    )
    return list(rows.order_by("id").values_list("dataset", flat=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentView:
    """What an archive was asked, and what it answered; without a ``reason`` it committed itself."""

    transaction_uid: str
    asked_at: datetime
    is_answered: bool
    reason: int | None
    requests: int  # so often it was asked by now


def commitment(sop_instance_uid: str, endpoint_id: int) -> CommitmentView | None:
    """What is known of an object at an archive: that it committed itself, else what is waited for.

    None: it has to be asked, for the first time or anew.
    """
    rows = list(
        CommitmentRequest.objects.filter(
            made__sop_instance_uid=sop_instance_uid, endpoint_id=endpoint_id
        ).order_by("-id")
    )
    # A late yes to an earlier request is one.
    committed = [row for row in rows if row.answered_at is not None and row.reason is None]
    row = next(iter(committed), None) or next((row for row in rows if row.is_open), None)
    if row is None:
        return None
    return CommitmentView(
        transaction_uid=row.transaction_uid,
        asked_at=row.asked_at,
        is_answered=row.answered_at is not None,
        reason=row.reason,
        requests=len(rows),
    )
