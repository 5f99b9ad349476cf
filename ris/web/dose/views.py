"""Dose: what is above its level, what waits for its exam, one document, and what is typed in."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ris.domain.availability import ResolveAvailability
from ris.domain.dose import (
    AcknowledgeDose,
    DoseSource,
    LinkDose,
    RecordDose,
    RemoveReferenceLevel,
    SetDoseAside,
    SetReferenceLevel,
    WithdrawDose,
)
from ris.domain.dose_performed import kind_of
from ris.domain.errors import MissingValueError
from ris.domain.identifiers import new_uid
from ris.models import ProcedureDefinition
from ris.selectors import availability, dose, dose_waiting
from ris.selectors.orders import order_view
from ris.selectors.views import OrderView
from ris.services import may
from ris.web.access import PageRequest, do, page, redirect_back, saw, show
from ris.web.asking import asked, said
from ris.web.dose.forms import LEVEL_MEASURES, fields_for, level_said, quantities_said
from ris.web.navigation import DOSE

SHOWN = 50


@require_GET
@page(*DOSE)
def overview(request: PageRequest) -> HttpResponse:
    above, looked_at = dose.alerts(are_open=True), dose.alerts(are_open=False, limit=SHOWN)
    waiting = dose_waiting.waiting_lines(SHOWN)
    saw(request, "ListDose", (line.patient for line in (*above, *looked_at) if line.patient))
    context = {
        "above": above,
        "looked_at": looked_at,
        "waiting": waiting,
        "waiting_count": dose_waiting.waiting().count(),
    }
    return show(request, "dose/overview.html", context)


@require_POST
@page()
def acknowledge(request: PageRequest, key: UUID) -> HttpResponse:
    """Somebody answerable looked at an alert."""
    do(
        request,
        AcknowledgeDose(
            order=str(key),
            note=said(request, "note", 500),
            expected_version=said(request, "version", 16) or None,
        ),
    )
    messages.success(request, _("Noted as looked at."))
    return redirect_back(request, "/dose/")


# --- one document


@require_GET
@page(*DOSE)
def document(request: PageRequest, key: UUID) -> HttpResponse:
    """What it says, where it belongs, and the orders it may belong to."""
    line = dose_waiting.find_document(str(key))
    order = dose_waiting.order_of_document(str(key))
    text = asked(request, "q")
    can_link = may(request.actor, LinkDose)
    found = dose_waiting.choices(line, text) if can_link and (text or not order) else []
    patients = {choice.patient.public_id for choice in found}
    view = order_view(order) if order else None
    if view is not None:
        patients.add(view.patient.public_id)
    saw(request, "ViewDose", patients, order=order, subject=f"DoseRecord {key}")
    context = {
        "document": line,
        "order": view,
        "choices": found,
        "text": text,
        "can_link": can_link,
    }
    return show(request, "dose/document.html", context)


@require_POST
@page()
def link(request: PageRequest, key: UUID) -> HttpResponse:
    order = said(request, "order")
    reason = said(request, "reason")
    if not order and said(request, "action") != "untie":
        raise MissingValueError("choose an order", path="order")
    do(request, LinkDose(dose=str(key), order=order, reason=reason))
    messages.success(request, _("Tied.") if order else _("Untied; it waits for its exam."))
    return redirect_back(request, f"/dose/documents/{key}/")


@require_POST
@page()
def aside(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, SetDoseAside(dose=str(key), reason=said(request, "reason")))
    messages.success(request, _("Set aside: it belongs to no exam here."))
    return redirect_back(request, "/dose/")


@require_POST
@page()
def withdraw(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, WithdrawDose(dose=str(key), reason=said(request, "reason")))
    messages.success(request, _("Taken back; it no longer counts."))
    return redirect_back(request, f"/dose/documents/{key}/")


# --- what a person types in


def modalities_of(view: OrderView) -> list[str]:
    found = [step.modality for procedure in view.procedures for step in procedure.steps]
    return list(dict.fromkeys(one for one in found if one))


@require_POST
@page()
def enter(request: PageRequest, key: UUID) -> HttpResponse:
    """A dose for an order; the form carries its own UID, so that a double click counts once."""
    view = order_view(str(key))
    modalities = [one for one in modalities_of(view) if fields_for([one])]
    do(
        request,
        RecordDose(
            source=DoseSource.MANUAL,
            source_uid=said(request, "entry", 64),
            kind=kind_of(modalities[0] if modalities else ""),
            order=str(key),
            totals=quantities_said(request),
            title="Entered by hand",
            note=said(request, "note", 300),
        ),
    )
    messages.success(request, _("Entered."))
    return redirect_back(request, f"/orders/{key}/")


# --- reference levels


@require_http_methods(["GET", "POST"])
@page(*DOSE)
def levels(request: PageRequest) -> HttpResponse:
    if request.method == "POST":
        do(request, level_said(request))
        messages.success(request, _("Saved. It is used from the next dose on."))
        return redirect_back(request, "/dose/levels/")
    context = {
        "levels": dose.levels(),
        "can_set": may(request.actor, SetReferenceLevel),
        "measures": LEVEL_MEASURES,
        "procedures": ProcedureDefinition.objects.filter(active=True).order_by("meaning"),
    }
    return show(request, "dose/levels.html", context)


@require_POST
@page()
def remove_level(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, RemoveReferenceLevel(level=str(key)))
    messages.success(request, _("Removed."))
    return redirect_back(request, "/dose/levels/")


# --- images


@require_POST
@page()
def resolve_images(request: PageRequest, key: UUID) -> HttpResponse:
    do(request, ResolveAvailability(study=str(key), note=said(request, "note", 500)))
    messages.success(request, _("Marked as dealt with."))
    return redirect_back(request, "/exceptions/")


def order_context(order: str, modalities: Sequence[str]) -> dict[str, object]:
    """What the order page shows of dose and images."""
    fields = fields_for(modalities)
    told = dose.of_order(order)
    return {
        "dose": told,
        "dose_fields": fields,
        "dose_entry": new_uid(),
        "shows_dose": bool(told or fields),
        "studies": availability.of_order(order),
    }


def exceptions_context(limit: int) -> dict[str, object]:
    """What the exceptions page lists of dose and images."""
    return {
        "doses": dose_waiting.waiting_lines(limit),
        "dose_count": dose_waiting.waiting().count(),
        "images_differ": availability.differing_lines(limit),
        "images_count": availability.differing().count(),
    }
