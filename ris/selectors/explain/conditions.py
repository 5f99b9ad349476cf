"""One condition of a query against one step: met or not, and both values in words.

What is compared, and how, is told beside the statement in ``selectors.worklist``; the fields that
are explained are those of ``WorklistQuery``, and a test asserts that none is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo

from ris.domain.orders import OFFERED, OrderStatus, StepStatus
from ris.domain.values import Code, PersonName, fold
from ris.selectors.explain.candidates import NOBODY, Candidate
from ris.selectors.explain.condition import Check, Condition, Source, alternatives, state
from ris.selectors.explain.keys import (
    as_shown,
    birth_date,
    code_key,
    issuer_key,
    name_key,
    patient_id,
    patient_id_issuer,
    priorities,
    procedure_description,
    sex,
    start,
    step_description,
    study_uids,
    text_key,
    text_keys,
    time_of_day,
    view,
)
from ris.selectors.views import WorklistQuery


def conditions(
    query: WorklistQuery, step: Candidate, zone: tzinfo, sent: WorklistQuery | None = None
) -> tuple[Condition, ...]:
    """Every condition of ``query`` for ``step``; ``zone`` is the site's.

    ``sent`` is the query as the device sent it: what differs from it is of the device's settings.
    """
    found = []
    for check in CHECKS.values():
        condition = check(query, step, zone)
        if condition is not None:
            found.append(_with_source(condition, query, sent))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """One condition of a query by itself."""

    name: str
    asked: str
    source: Source


def asked_for(
    query: WorklistQuery, zone: tzinfo, sent: WorklistQuery | None = None
) -> tuple[AskedFor, ...]:
    """What a query asks for, in words; what goes without saying is left out."""
    return tuple(
        AskedFor(name=one.name, asked=one.asked, source=one.source)
        for one in conditions(query, NOBODY, zone, sent)
        if one.source is not Source.RULE
    )


def _with_source(
    condition: Condition, query: WorklistQuery, sent: WorklistQuery | None
) -> Condition:
    if condition.source is Source.RULE or sent is None:
        return condition
    if condition.field == "statuses" and not sent.statuses and query.statuses == OFFERED:
        return replace(condition, source=Source.RULE)
    fields = _START if condition.field in _START else (condition.field,)
    if all(getattr(query, field) == getattr(sent, field) for field in fields):
        return condition
    return replace(condition, source=Source.DEVICE)


_START = ("start_from", "start_before")


# --- states


def _status(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition:
    wanted = query.statuses or OFFERED
    return Condition(
        field="statuses",
        name="State of the step",
        asked=alternatives(state(status) for status in StepStatus if status in wanted),
        has=state(step.status),
        meets=step.status in wanted,
        says="this step is",
        source=Source.QUERY if query.statuses else Source.RULE,
    )


_LIVE = (OrderStatus.ACTIVE,)
# Asking for what is over also finds it in orders that are over.
_OVER = (OrderStatus.ACTIVE, OrderStatus.COMPLETED, OrderStatus.DISCONTINUED)


def _order_status(query: WorklistQuery, step: Candidate, zone: tzinfo) -> Condition:
    over = query.statuses & {StepStatus.COMPLETED, StepStatus.DISCONTINUED}
    wanted = _OVER if over else _LIVE
    return Condition(
        field="order_status",
        name="State of the order",
        asked=alternatives(state(status) for status in wanted),
        has=state(step.order_status),
        meets=step.order_status in wanted,
        says="this order is",
        source=Source.RULE,
    )


_FOR = "this step is for"

# In the order in which a person would look: what and when first, then the numbers.
CHECKS: Mapping[str, Check] = {
    "statuses": _status,
    "order_status": _order_status,
    "station_ae_titles": text_keys(
        "station_ae_titles", "Station AE title", lambda step: step.station_ae_title, _FOR
    ),
    "modalities": text_keys("modalities", "Modality", lambda step: step.modality, _FOR),
    "view_stations": view(
        "view_stations", "Stations of its view", lambda step: step.station_ae_title, _FOR
    ),
    "view_modalities": view(
        "view_modalities", "Modalities of its view", lambda step: step.modality, _FOR
    ),
    "start_from": start,
    "time_from": time_of_day,
    "patient_name": name_key(
        "patient_name",
        "Patient name",
        lambda step: str(PersonName.parse(step.patient_name)),
        lambda step: step.name_key,
        "the patient is",
    ),
    "patient_id": patient_id,
    "patient_id_issuer": patient_id_issuer,
    "accession_number": text_key(
        "accession_number", "Accession number", lambda step: step.accession_number
    ),
    "procedure_id": text_key(
        "procedure_id", "Requested procedure ID", lambda step: step.procedure_id
    ),
    "step_id": text_key("step_id", "Scheduled step ID", lambda step: step.step_id),
    "study_instance_uids": study_uids,
    "performing_physician": name_key(
        "performing_physician",
        "Performing physician",
        lambda step: step.performing_physician,
        lambda step: fold(step.performing_physician),
    ),
    "patient_birth_date": birth_date,
    "patient_sex": sex,
    "admission_id": text_key("admission_id", "Admission ID", lambda step: step.admission_id),
    "referring_physician": name_key(
        "referring_physician",
        "Referring physician",
        lambda step: step.referring,
        lambda step: fold(step.referring),
    ),
    "requesting_physician": name_key(
        "requesting_physician",
        "Requesting physician",
        lambda step: step.requester,
        lambda step: fold(step.requester),
    ),
    "station_name": text_key("station_name", "Station name", lambda step: step.station_name),
    "location": text_key("location", "Location", lambda step: step.location),
    "priorities": priorities,
    "placer_number": text_key(
        "placer_number", "Placer order number", lambda step: step.placer_number
    ),
    "filler_number": text_key(
        "filler_number", "Filler order number", lambda step: step.filler_number
    ),
    "procedure_codes": code_key(
        "procedure_codes",
        "Procedure code",
        lambda step: (Code(step.code_value, step.code_scheme, step.code_meaning),),
    ),
    "protocol_codes": code_key("protocol_codes", "Protocol code", lambda step: step.protocol_codes),
    "procedure_description": text_key(
        "procedure_description",
        "Procedure description",
        lambda step: as_shown(procedure_description(step)),
    ),
    "step_description": text_key(
        "step_description", "Step description", lambda step: as_shown(step_description(step))
    ),
    "current_location": text_key(
        "current_location", "Patient location", lambda step: as_shown(step.current_location)
    ),
    "requesting_service": text_key(
        "requesting_service", "Requesting service", lambda step: as_shown(step.requesting_service)
    ),
    "institution": text_key("institution", "Institution", lambda step: step.institution),
    "accession_issuers": issuer_key(
        "accession_issuers", "Issuer of accession number", lambda step: step.accession_issuer
    ),
    "admission_issuers": issuer_key(
        "admission_issuers", "Issuer of admission ID", lambda step: step.admission_issuer
    ),
}
