"""Cancellations that come before their order (spec 1.2, ADR 0025).

Two channels of a placer may overtake each other. The cancellation is refused, for nobody knows the
order, and that is the truth; but it is remembered, so that the exam is not done when the order
comes after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import CharField, DateTimeField

from ris.domain.orders import (
    ExpectCancellation,
    OrderStatus,
    ProcedureRequest,
    StepRequest,
    StepStatus,
)
from ris.domain.places import Place
from ris.domain.values import Code, Identifier, require_text
from ris.models import (
    EarlyCancellation,
    InboundMessage,
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.models.prepared import Given, Select
from ris.services._context import Context
from ris.services.orders.naming import named_among_others, named_in_part

_KEPT = timedelta(days=1)
_CAME = "the order came and was canceled"


def expect_cancellation(command: ExpectCancellation, context: Context) -> None:
    # What came to nothing is told by its refused message; the number may mean another order later.
    EarlyCancellation.objects.filter(
        expires_at__lt=context.now - _KEPT, order__isnull=True
    ).delete()
    EarlyCancellation.objects.create(
        placer_order_number=require_text(
            command.placer.value, path=Place.PLACER, limit=64, name="placer order number"
        ),
        placer_issuer=command.placer.issuer,
        reason=command.reason,
        procedures=[_as_row(request) for request in command.procedures],
        message_id=context.message_id,
        received_at=context.now,
        expires_at=context.now + timedelta(minutes=command.minutes),
    )


_EXPECTED = Select(
    lambda: EarlyCancellation.objects.filter(
        placer_order_number=Given("number", CharField()),
        placer_issuer=Given("issuer", CharField()),
        expires_at__gt=Given("now", DateTimeField()),
    ).order_by("pk")
)


def expected(numbers: tuple[Identifier | None, ...], context: Context) -> list[EarlyCancellation]:
    """The cancellations that wait for an order of one of these numbers."""
    found: list[EarlyCancellation] = []
    for number in numbers:
        if number is not None and number.value:
            found += _EXPECTED.all(number=number.value, issuer=number.issuer, now=context.now)
    return found


def about(
    waiting: Sequence[EarlyCancellation], order: Order
) -> dict[EarlyCancellation, list[RequestedProcedure]]:
    """Those that are about this order, each with its exams; with none, it is about all of them.

    Of a requisition's exams only some are in this order.
    """
    found: dict[EarlyCancellation, list[RequestedProcedure]] = {}
    for each in waiting:
        requests = [_as_request(row) for row in each.procedures]
        own = (each.placer_order_number, each.placer_issuer) == (
            order.placer_order_number,
            order.placer_issuer,
        )
        if own or not requests:
            found[each] = named_in_part([order], requests)
        elif named := named_among_others(order, requests):
            found[each] = named
    return found


def _as_row(request: ProcedureRequest) -> dict[str, Any]:
    """What tells an exam among others (:mod:`.naming`)."""
    return {
        "codes": [code.value for code in (request.code, *request.also) if code.value],
        "procedure_id": request.procedure_id,
        "study_instance_uid": request.study_instance_uid,
        "laterality": request.laterality,
        "steps": [step.step_id for step in request.steps if step.step_id],
    }


def _as_request(row: dict[str, Any]) -> ProcedureRequest:
    first, *others = (Code(value) for value in row["codes"] or [""])
    return ProcedureRequest(
        code=first,
        also=tuple(others),
        procedure_id=row["procedure_id"],
        study_instance_uid=row["study_instance_uid"],
        laterality=row["laterality"],
        steps=tuple(StepRequest(step_id=number) for number in row["steps"]),
    )


def settle(
    early: EarlyCancellation, order: Order, context: Context, *, in_part: bool = False
) -> None:
    """Note that the order came; its refused message needs nobody any more."""
    early.order = order
    early.save(update_fields=["order", "updated_at"])
    if early.message_id is None:
        return
    came = "the order came; the exams named were canceled" if in_part else _CAME
    InboundMessage.objects.filter(pk=early.message_id, resolved_at__isnull=True).update(
        resolved_at=context.now, resolved_note=came
    )
    order.messages.add(early.message_id)


def was_canceled_early(order: Order) -> bool:
    """Whether the order is canceled by what came before it: asked again, that is done."""
    return order.status == OrderStatus.CANCELED.value and order.early_cancellations.exists()


def were_canceled_early(order: Order, steps: Sequence[ScheduledProcedureStep]) -> bool:
    """The same of some of its exams."""
    canceled = all(step.status == StepStatus.CANCELED.value for step in steps)
    return canceled and order.early_cancellations.exists()
