"""Which exams of an order a message names, by identifiers, steps, codes and sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ris.domain.orders import ProcedureRequest, Stage
from ris.models import DomainEvent, Order, RequestedProcedure


def has_identifier(procedure: RequestedProcedure, request: ProcedureRequest) -> bool:
    return bool(
        (request.study_instance_uid and procedure.study_instance_uid == request.study_instance_uid)
        or (request.procedure_id and procedure.procedure_id == request.procedure_id)
    )


def has_step(procedure: RequestedProcedure, request: ProcedureRequest) -> bool:
    wanted = {step.step_id for step in request.steps if step.step_id}
    return bool(wanted) and any(step.step_id in wanted for step in procedure.steps.all())


def has_code(procedure: RequestedProcedure, request: ProcedureRequest) -> bool:
    codes = (request.code, *request.also)
    return any(code.value and procedure.code_value == code.value for code in codes)


def identifies(request: ProcedureRequest) -> bool:
    return bool(request.study_instance_uid or request.procedure_id)


def named_in_part(
    orders: Sequence[Order], requests: Sequence[ProcedureRequest]
) -> list[RequestedProcedure]:
    """Those of the exams that are named; none where all are meant, or it cannot be told which.

    What was added here nobody there has heard of when it asks for all of its own (ADR 0054).
    """
    if not requests:
        return []
    stored = _stored(orders)
    named = _named(stored, requests)
    if len(named) < len(requests):
        return []
    added = {
        event.payload["procedure"]
        for event in DomainEvent.objects.filter(order__in=orders, name="ProcedureAdded")
    }
    ordered = [each for each in stored if _is_live(each) and str(each.public_id) not in added]
    return [] if all(each in named for each in ordered) else list(dict.fromkeys(named))


def named_among_others(
    order: Order, requests: Sequence[ProcedureRequest]
) -> list[RequestedProcedure]:
    """Those of the order's exams that are named, beside exams of other orders."""
    return list(dict.fromkeys(_named(_stored([order]), requests)))


def _stored(orders: Sequence[Order]) -> list[RequestedProcedure]:
    rows = RequestedProcedure.objects.filter(order__in=orders)
    return list(rows.prefetch_related("steps").order_by("pk"))


def _named(
    stored: Sequence[RequestedProcedure], requests: Sequence[ProcedureRequest]
) -> list[RequestedProcedure]:
    return [found for request in requests if (found := _only(stored, request)) is not None]


def _only(
    stored: Sequence[RequestedProcedure], request: ProcedureRequest
) -> RequestedProcedure | None:
    """The one exam that a request can mean."""
    found: list[RequestedProcedure] = []
    ways: tuple[Callable[[RequestedProcedure, ProcedureRequest], bool], ...]
    ways = (has_identifier,) if identifies(request) else (has_step, has_code)
    for is_meant in ways:
        found = found or [each for each in stored if is_meant(each, request)]
    found = [each for each in found if _is_live(each)] or found
    if len(found) > 1:
        side = request.laterality.upper()[:1]
        found = [each for each in found if side and each.laterality == side]
    return found[0] if len(found) == 1 else None


def _is_live(procedure: RequestedProcedure) -> bool:
    return procedure.stage != Stage.CANCELED.value
