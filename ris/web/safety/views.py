"""The safety questions of one exam: asked in booking, at arrival, in the room."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from ris.domain.errors import RequestError, RisError, UnknownKeyError
from ris.domain.safety import AnswerSafetyQuestions, Gate, OverrideSafety
from ris.models import ScheduledProcedureStep
from ris.selectors import protocoling, safety
from ris.selectors.patients import to_view
from ris.selectors.resources import zone_at
from ris.selectors.safety import Check, SafetyState
from ris.selectors.safety_known import with_proposals
from ris.selectors.told_allergies import told_of
from ris.services import may
from ris.web.access import PageRequest, back_to, do, page, redirect_back, saw, show
from ris.web.asking import said
from ris.web.errors import STATUS
from ris.web.safety.forms import form_rows, given, nothing_answered


def _step(key: UUID) -> ScheduledProcedureStep:
    step = safety.find_step(str(key))
    if step is None:
        raise UnknownKeyError("no such step")
    return step


@require_http_methods(["GET", "POST"])
@page()
def questions(request: PageRequest, key: UUID) -> HttpResponse:
    step = _step(key)
    with timezone.override(zone_at(step.device)):
        return _questions(request, step)


def _questions(request: PageRequest, step: ScheduledProcedureStep) -> HttpResponse:
    key = step.public_id
    state = with_proposals(step, safety.state(step))
    if request.method == "GET":
        saw(
            request,
            "ViewSafety",
            [str(step.procedure.order.patient.public_id)],
            order=str(step.procedure.order.public_id),
        )
        return _page(request, step, state)
    answers, unconfirmed = given(state, request.POST.dict())
    if not answers:
        return _page(request, step, state, error=nothing_answered(unconfirmed))
    try:
        do(request, AnswerSafetyQuestions(step=str(key), answers=answers))
    except RequestError as error:
        return _page(request, step, state, error=error)
    after = safety.state(_step(key))
    _tell(request, after, unconfirmed)
    target = f"/safety/{key}/" if after.open or after.unsafe else back_to(request, "")
    if after.open or after.unsafe:
        return _stay(request, target)
    return redirect_back(request, f"/orders/{step.procedure.order.public_id}/")


def _stay(request: PageRequest, target: str) -> HttpResponse:
    """Back to the questions, which remember where the person came from."""
    origin = back_to(request, "")
    response = HttpResponse(status=303)
    response["Location"] = f"{target}?next={origin}" if origin else target
    return response


def _tell(request: PageRequest, after: SafetyState, unconfirmed: int) -> None:
    if after.unsafe:
        words = "; ".join(check.question.words for check in after.unsafe)
        messages.warning(
            request, _("Saved. The exam cannot go on with this answer: {words}").format(words=words)
        )
    elif after.open:
        messages.info(
            request,
            ngettext(
                "Saved. {count} question is still open.",
                "Saved. {count} questions are still open.",
                after.open,
            ).format(count=after.open),
        )
    else:
        messages.success(request, _("Saved. All safety questions are settled."))
    if unconfirmed:
        messages.info(request, _("What was filled in and not confirmed was not saved."))


def _page(
    request: PageRequest,
    step: ScheduledProcedureStep,
    state: SafetyState,
    *,
    error: RisError | None = None,
) -> HttpResponse:
    order = step.procedure.order
    typed = request.POST.dict() if error is not None else None
    blocking = [check for check in state.checks if check.in_the_way]
    context = {
        "step": step,
        "order": order,
        "patient": to_view(order.patient, told_allergies=told_of(step)),
        "state": state,
        "open_rows": form_rows([each for each in state.checks if each.answer is None], typed),
        "answered": form_rows([each for each in state.checks if each.answer is not None], typed),
        "error": error,
        "may_answer": may(request.actor, AnswerSafetyQuestions),
        "overridable": [check for check in blocking if _may_override(request, check)],
        "not_overridable": [
            check for check in blocking if check.answer and not _may_override(request, check)
        ],
        "missing": protocoling.missing(step, Gate.START),
        "safety": safety.history(order),
        "next": back_to(request, ""),
    }
    return show(request, "safety/page.html", context, status=STATUS[error.code] if error else 200)


def _may_override(request: PageRequest, check: Check) -> bool:
    return may(request.actor, OverrideSafety) and request.actor.has(*check.question.override)


@require_POST
@page()
def override(request: PageRequest, key: UUID) -> HttpResponse:
    do(
        request,
        OverrideSafety(
            step=str(key),
            reason=said(request, "reason", 500),
            questions=tuple(request.POST.getlist("question")[:50]),
        ),
    )
    messages.success(request, _("The exam may go on; the reason is kept with it."))
    return redirect_back(request, f"/safety/{key}/")
