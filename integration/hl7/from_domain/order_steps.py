"""Which procedures and steps of an order an event is about, and how they are told.

What changed comes from the event, so a late message still says what happened then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ris.domain.orders import OrderStatus, StepStatus
from ris.domain.performing import INCORRECT_WORKLIST_ENTRY
from ris.domain.protocol import StoredEvent
from ris.selectors.views import OrderView, ProcedureView, StepView

Part = tuple[ProcedureView, StepView | None]


def named(event: StoredEvent) -> list[str]:
    payload = event.payload
    named = [payload["step"]] if payload.get("step") else []
    return [*named, *payload.get("steps", ()), *payload.get("previous_steps", ())]


def steps(order: OrderView, public_ids: Iterable[str]) -> list[Part]:
    """The steps of this order that are named; those of other orders are told with theirs."""
    wanted = set(public_ids)
    return [
        (procedure, step)
        for procedure in order.procedures
        for step in procedure.steps
        if step.public_id in wanted
    ]


def first(procedure: ProcedureView) -> StepView | None:
    live = [step for step in procedure.steps if step.status is not StepStatus.CANCELED]
    steps = live or list(procedure.steps)
    return steps[0] if steps else None


def as_told(event: StoredEvent, step: StepView | None) -> StepView | None:
    """The step with the time and the station that the event names."""
    start, end = event.payload.get("start_at"), event.payload.get("end_at")
    if step is None or not start or not end:
        return step
    start_at, end_at = datetime.fromisoformat(start), datetime.fromisoformat(end)
    return replace(
        step,
        start_at=start_at,
        duration_minutes=round((end_at - start_at).total_seconds() / 60),
        station_ae_title=event.payload.get("station") or step.station_ae_title,
    )


def was_mistaken(event: StoredEvent) -> bool:
    """The wrong worklist entry had been picked, or nothing was made: it is to be done still."""
    payload = event.payload
    return bool(payload.get("returned")) or payload.get("reason") == INCORRECT_WORKLIST_ENTRY


def ends_with_more(event: StoredEvent, order: OrderView) -> bool:
    """The appointment went because the order or the step did, of which another event tells."""
    if order.status not in {OrderStatus.ACTIVE, OrderStatus.ON_HOLD}:
        return True
    return any(
        step is not None and step.status is StepStatus.CANCELED
        for _, step in steps(order, named(event))
    )
