"""Orders: the lists, one order with its timeline, and what can be done with it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from ris.domain.errors import MissingValueError, RisError
from ris.domain.orders import (
    CancelOrder,
    CancelStep,
    CompleteInformation,
    DiscontinueOrder,
    HoldOrder,
    OrderReference,
    OrderStatus,
    ReleaseOrder,
    RepeatStep,
    Stage,
    StepStatus,
    VoidOrder,
)
from ris.selectors.order_questions import questions_of
from ris.selectors.order_relations import relations
from ris.selectors.orders import order_alone, order_view
from ris.selectors.undoing import can_restore
from ris.selectors.views import OrderView
from ris.web import undo
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import said
from ris.web.navigation import REPAIR
from ris.web.orders.forms import CompleteForm

# --- one order


@require_GET
@page()
def order(request: PageRequest, key: UUID) -> HttpResponse:
    view = order_alone(str(key))
    saw(request, "ViewOrder", [view.patient.public_id], order=view.public_id)
    context = {
        "order": view,
        "patient": view.patient,
        **_possible(view),
        "questions": questions_of(view.public_id),
        "relations": relations(view),
        "can_explain": request.actor.has(*REPAIR),
    }
    return show(request, "orders/order.html", context, fragment="orders/_order.html")


_BEGUN = {StepStatus.STARTED, StepStatus.COMPLETED, StepStatus.DISCONTINUED}
_LEFT = {
    StepStatus.PENDING,
    StepStatus.SCHEDULED,
    StepStatus.ARRIVED,
    StepStatus.READY,
    StepStatus.NO_SHOW,
}


def _possible(view: OrderView) -> dict[str, bool]:
    """What the state allows; whether the person may is asked in the template."""
    steps = {step.status for procedure in view.procedures for step in procedure.steps}
    live = view.status in {OrderStatus.ACTIVE, OrderStatus.ON_HOLD}
    begun, left = bool(steps & _BEGUN), bool(steps & _LEFT)
    return {
        "can_cancel": live and not begun,
        "can_discontinue": live and begun and left and StepStatus.STARTED not in steps,
        "can_hold": view.status is OrderStatus.ACTIVE and left,
        "can_release": view.status is OrderStatus.ON_HOLD,
        "can_void": view.status is not OrderStatus.ENTERED_IN_ERROR
        and StepStatus.STARTED not in steps,
        "can_revise": live and view.stage is not Stage.REPORTED,
        "can_ask": live,
        "can_split": live and len(view.procedures) > 1,
        "can_restore": view.status is OrderStatus.CANCELED
        and can_restore(view.public_id, timezone.now()),
    }


def _reference(key: UUID) -> OrderReference:
    return OrderReference(public_id=str(key))


def _reason(request: HttpRequest, *, required: bool = True) -> str:
    text = said(request, "reason", 200)
    if required and not text:
        raise MissingValueError("say why", path="reason")
    return text


@require_POST
@page()
def cancel(request: PageRequest, key: UUID) -> HttpResponse:
    """Cancel, or discontinue if something was begun: the reader need not know the difference."""
    reason = _reason(request)
    possible = _possible(order_view(str(key)))
    if possible["can_discontinue"]:
        do(request, DiscontinueOrder(order=_reference(key), reason=reason))
        messages.success(request, _("What was left of the order is stopped."))
    else:
        do(request, CancelOrder(order=_reference(key), reason=reason))
        undo.tell(
            request,
            _("The order is canceled and off every worklist."),
            undo.of_cancel_order(str(key)),
        )
    return redirect_back(request, f"/orders/{key}/")


@require_POST
@page()
def hold(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, HoldOrder(order=_reference(key), reason=_reason(request)))
    undo.tell(request, _("The order is on hold and off every worklist."), undo.of_hold(str(key)))
    return redirect_back(request, f"/orders/{key}/")


@require_POST
@page()
def release(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, ReleaseOrder(order=_reference(key)))
    messages.success(request, _("The hold is over."))
    return redirect_back(request, f"/orders/{key}/")


@require_POST
@page()
def void(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, VoidOrder(order=_reference(key), reason=_reason(request)))
    messages.success(request, _("The order is marked as entered in error."))
    return redirect_back(request, f"/orders/{key}/")


# --- steps


@require_POST
@page()
def cancel_step(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, CancelStep(step=str(key), reason=_reason(request)))
    messages.success(request, _("The step is canceled."))
    return redirect_back(request, "/orders/")


@require_POST
@page()
def repeat_step(request: PageRequest, key: UUID) -> HttpResponse:
    step = do(request, RepeatStep(step=str(key)))
    messages.success(request, _("The step is planned again: choose a time."))
    return redirect_back(request, f"/book/{step}/")


@require_POST
@page()
def complete_step(request: PageRequest, key: UUID) -> HttpResponse:
    form = CompleteForm(request.POST)
    if not form.is_valid():
        raise MissingValueError("a modality (as in CT) and the minutes are needed", path="modality")
    try:
        do(
            request,
            CompleteInformation(
                step=str(key),
                modality=form.cleaned_data["modality"].upper(),
                duration_minutes=form.cleaned_data["duration_minutes"],
            ),
        )
    except RisError as error:
        error.path = error.path or "modality"
        raise
    messages.success(request, _("Complete: the order now waits under To schedule."))
    return redirect_back(request, "/orders/?tab=needs-information")
