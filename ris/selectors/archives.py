"""Which archives are asked for earlier exams, and what of theirs is known here anyhow."""

from __future__ import annotations

import uuid

from django.db.models import Q

from ris.domain.exchange import Direction, Protocol
from ris.domain.protocol import EndpointInfo
from ris.models import Endpoint, PerformedProcedureStep, RequestedProcedure
from ris.selectors.exchange import info

_ARCHIVES = (Protocol.DICOM.value, Protocol.DICOMWEB.value)
MOST = 5
_OWN = 500  # studies of one patient


def asked_for_priors() -> list[tuple[Protocol, EndpointInfo]]:
    """The endpoints in use whose settings say so, by name."""
    rows = Endpoint.objects.filter(
        protocol__in=_ARCHIVES, direction=Direction.OUT.value, active=True, settings__priors=True
    ).order_by("name")
    return [(Protocol(row.protocol), info(row)) for row in rows[:MOST]]


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
