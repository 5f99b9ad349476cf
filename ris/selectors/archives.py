"""Which archives are asked for earlier exams, and what of theirs is known here anyhow."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Q

from ris.domain.errors import UnknownKeyError
from ris.domain.exchange import Direction, Protocol
from ris.domain.protocol import EndpointInfo
from ris.models import Endpoint, PerformedProcedureStep, Report, RequestedProcedure
from ris.selectors.exchange import info
from ris.selectors.patients import to_view
from ris.selectors.views import PatientView

_ARCHIVES = (Protocol.DICOM.value, Protocol.DICOMWEB.value)
MOST = 5
_OWN = 500  # studies of one patient


# By study: series that a device said it made, and their images.
Made = dict[str, list[tuple[str, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What archives are asked about: whom a report is on, and what was made for it."""

    order: str
    accession_number: str
    patient: PatientView
    made: Made


def examined(report: str) -> Examined:
    """Raises UnknownKeyError."""
    row = (
        Report.objects.select_related("order__patient__merged_into")
        .prefetch_related("order__patient__identifiers")
        .filter(public_id=uuid.UUID(report))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such report")
    return Examined(
        order=str(row.order.public_id),
        accession_number=row.order.accession_number,
        patient=to_view(row.order.patient),
        made=_made(row),
    )


def _made(report: Report) -> Made:
    performed = (
        PerformedProcedureStep.objects.filter(steps__procedure__reports=report)
        .prefetch_related("series")
        .order_by("id")
        .distinct()
    )
    found: Made = {}
    for each in performed:
        if each.study_instance_uid:
            rows = found.setdefault(each.study_instance_uid, [])
            rows += [(one.series_instance_uid, one.instance_count) for one in each.series.all()]
    return found


def asked_for_priors() -> list[tuple[Protocol, EndpointInfo]]:
    """The endpoints in use whose settings say so, by name."""
    rows = Endpoint.objects.filter(
        protocol__in=_ARCHIVES, direction=Direction.OUT.value, active=True, settings__priors=True
    ).order_by("name")
    return [(Protocol(row.protocol), info(row)) for row in rows[:MOST]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An archive that may call us: an inbound one to tell and send, another one to answer only."""

    ae_title: str
    host: str
    is_inbound: bool


def callers() -> list[Caller]:
    """The DICOM endpoints in use that call, the inbound ones first."""
    rows = (
        Endpoint.objects.filter(protocol=Protocol.DICOM.value, active=True)
        .filter(Q(direction=Direction.IN.value) | Q(settings__confirm="commitment"))
        .exclude(protocol_name="")
        .order_by("direction", "name")
    )
    return [
        Caller(
            ae_title=row.protocol_name,
            host=row.host,
            is_inbound=row.direction == Direction.IN.value,
        )
        for row in rows
    ]


def are_asked() -> bool:
    """Whether there is any."""
    return Endpoint.objects.filter(
        protocol__in=_ARCHIVES, direction=Direction.OUT.value, active=True, settings__priors=True
    ).exists()


def own_studies(patient: str) -> frozenset[str]:
    """Studies of a patient that were ordered or made here."""
    key = uuid.UUID(patient)
    ordered = RequestedProcedure.objects.filter(order__patient__public_id=key).values_list(
        "study_instance_uid", flat=True
    )
    performed = PerformedProcedureStep.objects.filter(
        Q(order__patient__public_id=key) | Q(steps__procedure__order__patient__public_id=key)
    ).values_list("study_instance_uid", flat=True)
    return frozenset(uid for uid in (*ordered[:_OWN], *performed[:_OWN]) if uid)
