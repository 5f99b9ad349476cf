"""What the demo's desk left lying: a question, a draft, views of the order list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ris.domain.actors import Actor
from ris.domain.drafts import SaveOrderDraft
from ris.domain.order_questions import AskForInformation
from ris.domain.orders import OrderReference, OrderStatus, Priority
from ris.domain.saved_views import SaveView, ViewedPage
from ris.models import Order, OrderQuestion, ProcedureDefinition, User
from ris.selectors.accounts import user_actor
from ris.services import execute

_REASON = "Fell from a ladder, cannot lift the arm"


def leave(now: datetime, actors: Mapping[str, Actor]) -> None:
    """Once the stories are told."""
    _ask(actors["scheduler"])
    people = {row.username: user_actor(row, "") for row in User.objects.all()}
    if "scheduler" in people:
        _draft(people["scheduler"])
        execute(
            SaveView(
                page=ViewedPage.ORDERS,
                name="Urgent cross-sectional",
                query="modality=CT&sort=ordered&col=priority&col=procedure&col=requester&col=ordered",
            ),
            actor=people["scheduler"],
        )
    if "manager" in people:
        execute(
            SaveView(
                page=ViewedPage.ORDERS,
                name="STAT to schedule",
                query="priority=STAT",
                role="scheduler",
            ),
            actor=people["manager"],
        )


def _ask(scheduler: Actor) -> None:
    """About the routine order that waits longest."""
    order = (
        Order.objects.filter(
            status=OrderStatus.ACTIVE.value,
            priority=Priority.ROUTINE.value,
            procedures__stage="REQUESTED",
        )
        .order_by("ordered_at", "id")
        .first()
    )
    if order is not None and not OrderQuestion.objects.filter(order=order).exists():
        execute(
            AskForInformation(
                order=OrderReference(public_id=str(order.public_id)),
                question="Does the patient have a pacemaker? The ward does not answer.",
            ),
            actor=scheduler,
        )


def _draft(scheduler: Actor) -> None:
    """An order that somebody began to enter."""
    exam = ProcedureDefinition.objects.filter(active=True, modality="DX").order_by("code").first()
    content = {
        "new-family_name": ("Halvorsen",),
        "new-given_name": ("Signe",),
        "new-birth_date": ("1958-11-02",),
        "reason": (_REASON,),
        **({"procedure": (str(exam.public_id),)} if exam else {}),
    }
    title = ": ".join(filter(None, ("Halvorsen, Signe", exam.meaning if exam else "")))
    execute(SaveOrderDraft(title=title, content=content), actor=scheduler)
