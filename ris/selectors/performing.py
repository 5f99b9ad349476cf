"""Performed procedure steps as read models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.models import CharField

from ris.domain.errors import UnknownKeyError
from ris.domain.performing import Match, Origin, PerformedStatus, PerformedStepStarted
from ris.domain.places import Place
from ris.domain.values import Code
from ris.models import DomainEvent, PerformedProcedureStep, ScheduledProcedureStep
from ris.models.prepared import Given, Select
from ris.selectors.views import PerformedView, SeriesView


def to_view(
    performed: PerformedProcedureStep, steps: Iterable[ScheduledProcedureStep] | None = None
) -> PerformedView:
    """``performed`` with its series prefetched, and its steps unless they are given."""
    steps = performed.steps.all() if steps is None else steps
    return PerformedView(
        public_id=str(performed.public_id),
        sop_instance_uid=performed.sop_instance_uid,
        status=PerformedStatus(performed.effective_status),
        match=Match(performed.match),
        origin=Origin(performed.origin),
        started_at=performed.started_at,
        ended_at=performed.effective_end,
        station_ae_title=performed.station_ae_title,
        station_name=performed.station_name,
        modality=performed.modality,
        performed_step_id=performed.performed_step_id,
        study_instance_uid=performed.study_instance_uid,
        description=performed.description,
        protocol_codes=tuple(Code.from_json(code) for code in performed.protocol_codes),
        discontinuation_reason=Code.from_json(performed.discontinuation_reason),
        series=tuple(
            SeriesView(
                series_instance_uid=series.series_instance_uid,
                protocol_name=series.protocol_name,
                description=series.description,
                modality=series.modality,
                retrieve_ae_title=series.retrieve_ae_title,
                performing_physician=series.performing_physician,
                operators=tuple(series.operators),
                instance_count=series.instance_count,
            )
            for series in sorted(performed.series.all(), key=lambda row: row.pk)
        ),
        steps=tuple(str(step.public_id) for step in steps),
        flags=tuple(performed.flags),
        updated_at=performed.updated_at,
    )


def _row(sop_instance_uid: str) -> PerformedProcedureStep:
    row = (
        PerformedProcedureStep.objects.filter(sop_instance_uid=sop_instance_uid)
        .prefetch_related("series", "steps")
        .first()
    )
    if row is None:
        raise UnknownKeyError("no performed step with this SOP Instance UID", path=Place.PERFORMED)
    return row


def performed_view(sop_instance_uid: str) -> PerformedView:
    """The performed step; raises UnknownKeyError."""
    return to_view(_row(sop_instance_uid))


def begun_by(public_id: str) -> str:
    """Who told that it began, which need not be the station that it names; empty if unknown."""
    told = _BEGUN.first(
        kind=PerformedProcedureStep.__name__, key=public_id, name=PerformedStepStarted.__name__
    )
    return told.actor_name if told is not None else ""


_BEGUN = Select(
    lambda: (
        DomainEvent.objects.only("actor_name")
        .filter(
            subject_type=Given("kind", CharField()),
            subject_id=Given("key", CharField()),
            name=Given("name", CharField()),
        )
        .order_by("id")[:1]
    )
)


class Told(NamedTuple):
    """What a modality said of a performed step so far, and which step that is."""

    public_id: str
    dataset: dict[str, Any]  # DICOM JSON, with the present status


def told(sop_instance_uid: str) -> Told:
    """Raises UnknownKeyError. Corrections by people are no part of it (PS3.4 F.7.2.2.3)."""
    row = _TOLD.first(uid=sop_instance_uid)
    if row is None:
        raise UnknownKeyError("no performed step with this SOP Instance UID", path=Place.PERFORMED)
    status = {"00400252": {"vr": "CS", "Value": [row.status]}}
    return Told(str(row.public_id), {**row.dataset, **status})


_TOLD = Select(
    lambda: PerformedProcedureStep.objects.only("public_id", "dataset", "status").filter(
        sop_instance_uid=Given("uid", CharField())
    )
)


def performed_dataset(sop_instance_uid: str) -> dict[str, Any]:
    """What the modality said so far, for N-GET; as ``told``."""
    return told(sop_instance_uid).dataset
