"""OrderView → ServiceRequest (FHIR R4 12.18).

An order is one ServiceRequest. An order of several procedures has one more for each of them,
``basedOn`` the order's (HL7 imaging-service-request: requested procedure = ServiceRequest); an
order of one procedure is that procedure's request as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from integration.fhir import bindings, systems
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.selectors.search.terms import PROCEDURE_ID
from ris.selectors.views import OrderView, ProcedureView, StepView

IMAGING = datatypes.coded(systems.SNOMED, "363679005", "Imaging")

_LATERALITY = {
    "L": ("7771000", "Left"),
    "R": ("24028007", "Right"),
    "B": ("51440002", "Right and left"),
    "U": ("66459002", "Unilateral"),
}
LATERALITY_CODES = {code: letter for letter, (code, _) in _LATERALITY.items()}


def has_own_request(order: OrderView) -> bool:
    """Whether the procedures of an order have requests of their own."""
    return len(order.procedures) > 1


def requests_of(order: OrderView, procedure: ProcedureView) -> list[Resource]:
    """References to the requests a thing of ``procedure`` is based on, the closest first."""
    own = (
        [datatypes.reference("ServiceRequest", procedure.public_id)]
        if has_own_request(order)
        else []
    )
    return [*own, datatypes.reference("ServiceRequest", order.public_id)]


def service_request(order: OrderView, shown: Shown, replaces: Iterable[str] = ()) -> Resource:
    """The request for the whole order; ``replaces`` are the ids of those it stands for."""
    procedures = order.procedures
    only = procedures[0] if len(procedures) == 1 else None
    code = (
        _code(only)
        if only
        else {"text": " + ".join(_words(each) for each in procedures) or "Imaging"}
    )
    return datatypes.resource(
        "ServiceRequest",
        order.public_id,
        version(order),
        datatypes.latest(
            order.updated_at,
            *(step.updated_at for each in procedures for step in each.steps),
            *(each.updated_at for each in procedures),
        ),
        identifier=datatypes.some(
            datatypes.identifier(order.placer, shown.systems, "PLAC"),
            datatypes.identifier(order.filler, shown.systems, "FILL"),
            datatypes.identifier(order.accession, shown.systems, "ACSN"),
            *(datatypes.uid(each.study_instance_uid) for each in procedures),
        ),
        replaces=[datatypes.reference("ServiceRequest", each) for each in replaces],
        status=bindings.ORDER_STATUS[order.status],
        intent="order",
        code=code,
        bodySite=_body_site(only),
        **_common(order, [step for each in procedures for step in each.steps], shown),
    )


def procedure_request(order: OrderView, procedure: ProcedureView, shown: Shown) -> Resource:
    """The request for one of several procedures."""
    updated_at = datatypes.latest(
        order.updated_at, procedure.updated_at, *(step.updated_at for step in procedure.steps)
    )
    return datatypes.resource(
        "ServiceRequest",
        procedure.public_id,
        datatypes.version_at(updated_at),
        updated_at,
        identifier=datatypes.some(
            {"system": PROCEDURE_ID, "value": procedure.procedure_id},
            datatypes.identifier(order.accession, shown.systems, "ACSN"),
            datatypes.uid(procedure.study_instance_uid),
        ),
        basedOn=[datatypes.reference("ServiceRequest", order.public_id)],
        status=bindings.PROCEDURE_REQUEST_STATUS[order.status, procedure.stage],
        intent="filler-order",
        code=_code(procedure),
        bodySite=_body_site(procedure),
        **_common(order, procedure.steps, shown),
    )


def version(order: OrderView) -> str:
    """Grows with each change of anything the request shows: of the order or of its steps."""
    steps = sum(step.version - 1 for each in order.procedures for step in each.steps)
    return str(order.version + steps)


def _common(order: OrderView, steps: Iterable[StepView], shown: Shown) -> Resource:
    steps = list(steps)
    stations = {step.station_ae_title: step.station_name for step in steps}
    rooms = dict.fromkeys(step.location for step in steps)
    reason = order.reason_code
    return {
        "category": [IMAGING],
        "requisition": {"value": order.group_number} if order.group_number else None,
        "priority": bindings.PRIORITY[order.priority],
        "orderDetail": [
            {"coding": [datatypes.modality(each)]}
            for each in dict.fromkeys(step.modality for step in steps if step.modality)
        ],
        "subject": datatypes.reference("Patient", order.patient.public_id),
        "encounter": (
            datatypes.reference("Encounter", order.visit.public_id) if order.visit else None
        ),
        **_occurrence(steps),
        "authoredOn": datatypes.instant(order.ordered_at),
        "requester": datatypes.person(
            order.requester, order.requester_identifier, shown.systems, "Practitioner"
        ),
        "performer": datatypes.some(
            *(datatypes.station(ae, name, shown) for ae, name in stations.items())
        ),
        "locationReference": datatypes.some(*(datatypes.room(name, shown) for name in rooms)),
        "reasonCode": ([datatypes.concept(reason, order.reason)] if reason or order.reason else []),
        "note": datatypes.notes([order.comments]),
    }


def _occurrence(steps: list[StepView]) -> Resource:
    starts = sorted(step.start_at for step in steps if step.start_at)
    if not starts:
        return {}
    if len(starts) == 1 or starts[0] == starts[-1]:
        return {"occurrenceDateTime": datatypes.instant(starts[0])}
    return {"occurrencePeriod": datatypes.period(starts[0], starts[-1])}


def _code(procedure: ProcedureView) -> Resource:
    return datatypes.concept(procedure.code, procedure.description)


def _words(procedure: ProcedureView) -> str:
    return procedure.description or procedure.code.meaning or procedure.code.value


def _body_site(procedure: ProcedureView | None) -> list[Resource]:
    if procedure is None or procedure.laterality not in _LATERALITY:
        return []
    return [datatypes.coded(systems.SNOMED, *_LATERALITY[procedure.laterality])]
