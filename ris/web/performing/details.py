"""What is noted of an exam in its room: contrast and material, reactions, another exam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ris.domain.errors import RequestError, RisError
from ris.domain.orders import PERFORMED, StepStatus
from ris.domain.supplies import (
    ChangeExam,
    RecordReaction,
    RecordSupplies,
    Route,
    Severity,
)
from ris.models import ScheduledProcedureStep
from ris.selectors import supplies as used_lists
from ris.selectors.patients import patient_view
from ris.selectors.rooms import find_device
from ris.selectors.schedule import find_step
from ris.services import may
from ris.web.access import PageRequest, back_to, do, page, saw, show
from ris.web.asking import number, said
from ris.web.errors import STATUS
from ris.web.performing import words
from ris.web.performing.forms import (
    ChangeForm,
    Line,
    ReactionForm,
    lines_in,
    lines_of,
    used_in,
)


def _exam(request: PageRequest, key: str, step: UUID) -> tuple[ScheduledProcedureStep, Any]:
    found = find_step(str(step))
    device = find_device(key) if key else None
    patient = patient_view(str(found.procedure.order.patient.public_id))
    saw(request, "ViewExam", [patient.public_id], order=str(found.procedure.order.public_id))
    room = f"/room/{device.ae_title}/?exam={step}" if device else ""
    context = {
        "device": device,
        "step": found,
        "order": found.procedure.order,
        "patient": patient,
        "next": back_to(request, room or f"/orders/{found.procedure.order.public_id}/"),
    }
    return found, context


def _show(
    request: PageRequest, name: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The dialog's content, or without htmx a page of its own."""
    in_dialog = "HX-Request" in request.headers
    template = f"performing/_{name}.html" if in_dialog else f"performing/{name}.html"
    return show(request, template, context, status=status)


def _back(context: dict[str, Any]) -> HttpResponse:
    return HttpResponseRedirect(context["next"], status=303)


# --- what was used


@require_http_methods(["GET", "POST"])
@page()
def supplies(request: PageRequest, key: str, step: UUID) -> HttpResponse:
    found, context = _exam(request, key, step)
    used = used_lists.of_step(found.pk)
    if request.method == "GET":
        definition = found.procedure.definition
        usual = used_lists.defaults(str(definition.public_id)) if definition else []
        return _supplies(request, context, used, lines_of(used.uses, usual))
    lines = lines_in(request.POST)
    try:
        do(
            request,
            RecordSupplies(
                step=str(step),
                supplies=used_in(lines),
                reason=said(request, "reason"),
                expected=tuple(filter(None, said(request, "expected", 4000).split(" "))),
            ),
        )
    except RequestError as error:
        return _supplies(request, context, used, lines, error=error)
    messages.success(request, _("Noted with the exam."))
    return _back(context)


def _supplies(
    request: PageRequest,
    context: dict[str, Any],
    used: used_lists.Used,
    lines: Sequence[Line],
    *,
    error: RisError | None = None,
) -> HttpResponse:
    shown = {
        **context,
        "used": used,
        "lines": lines,
        "expected": " ".join(use.public_id for use in used.uses),
        "catalog": used_lists.catalog(),
        "routes": [(route.value, words.ROUTE[route]) for route in Route],
        "is_over": context["step"].status in {"COMPLETED", "DISCONTINUED"} and bool(used.uses),
        "can_record": may(request.actor, RecordSupplies),
        "reason": said(request, "reason"),
        "error": error,
    }
    return _show(request, "supplies", shown, status=STATUS[error.code] if error else 200)


# --- what was not borne


@require_http_methods(["GET", "POST"])
@page()
def reaction(request: PageRequest, key: str, step: UUID) -> HttpResponse:
    found, context = _exam(request, key, step)
    used = used_lists.of_step(found.pk)
    known = used_lists.catalog()
    context |= {"used": used, "can_record": may(request.actor, RecordReaction)}
    if request.method == "GET":
        initial = {"supply": next((use.supply for use in used.uses if use.agent), "")}
        form = ReactionForm(used=used.uses, known=known, initial=initial)
        return _show(request, "reaction", {**context, "form": form})
    form = ReactionForm(request.POST, used=used.uses, known=known)
    if not form.is_valid():
        return _show(request, "reaction", {**context, "form": form}, status=422)
    data = form.cleaned_data
    try:
        do(
            request,
            RecordReaction(
                step=str(step),
                code=form.reaction(),
                severity=Severity(data["severity"]),
                supply=data["supply"],
                note=data["note"],
                propose_allergy=data["propose_allergy"],
            ),
        )
    except RequestError as error:
        form.refuse(error)
        return _show(request, "reaction", {**context, "form": form}, status=STATUS[error.code])
    messages.success(
        request, _("Noted and raised: it stands under Exceptions until somebody looked at it.")
    )
    return _back(context)


# --- another exam than was ordered


@require_http_methods(["GET", "POST"])
@page()
def change(request: PageRequest, step: UUID, key: str = "") -> HttpResponse:
    """In its room, or (without ``key``) from the order: also of an exam that no room has yet."""
    found, context = _exam(request, key, step)
    context["begun"] = StepStatus(found.status) in PERFORMED
    context["can_change"] = may(request.actor, ChangeExam)
    if request.method == "GET":
        form = ChangeForm(
            modality=found.modality, initial={"laterality": found.procedure.laterality}
        )
        return _show(request, "change", {**context, "form": form})
    form = ChangeForm(request.POST, modality=found.modality)
    if not form.is_valid():
        return _show(request, "change", {**context, "form": form}, status=422)
    data = form.cleaned_data
    try:
        do(
            request,
            ChangeExam(
                step=str(step),
                procedure=data["procedure"],
                laterality=data["laterality"],
                reason=data["reason"],
                expected_version=number(request, "version"),
            ),
        )
    except RequestError as error:
        form.refuse(error)
        return _show(request, "change", {**context, "form": form}, status=STATUS[error.code])
    messages.success(request, _("Changed. The worklist has the new exam at the next query."))
    return _back(context)
