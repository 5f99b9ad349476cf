"""The one page on which an order is entered."""

from __future__ import annotations

import secrets

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from ris.domain.errors import DeniedError, RisError
from ris.domain.orders import PlaceOrder
from ris.domain.patients import PatientReference
from ris.selectors import order_lists
from ris.selectors.order_lists import OrderLine
from ris.selectors.patients import patient_view
from ris.selectors.views import PatientView
from ris.services import may
from ris.web.access import PageRequest, do, page, saw, show
from ris.web.asking import asked, said
from ris.web.orders.forms import OrderForm

_REMEMBER_SECONDS = 3600


@require_http_methods(["GET", "POST"])
@page()
def place(request: PageRequest) -> HttpResponse:
    if not may(request.actor, PlaceOrder):
        raise DeniedError("your roles do not include entering orders")
    if request.method == "POST":
        return _send(request)
    key = asked(request, "patient")
    patient = _patient(request, key) if key else None
    initial = {
        "patient": patient.public_id if patient else "",
        "token": secrets.token_urlsafe(16),
        "requester": request.user.get_full_name(),
    }
    return _form(request, OrderForm(initial=initial), patient)


def _patient(request: PageRequest, key: str) -> PatientView:
    patient = patient_view(key)
    if patient.merged_into:
        patient = patient_view(patient.merged_into)
    saw(request, "ViewPatient", [patient.public_id])
    return patient


def _form(
    request: PageRequest, form: OrderForm, patient: PatientView | None, status: int = 200
) -> HttpResponse:
    open_orders: list[OrderLine] = []
    if patient is not None:
        open_orders = [
            line
            for line in order_lists.of_patient(patient.public_id, limit=20)
            if line.status in {"ACTIVE", "ON_HOLD"}
        ]
    context = {"form": form, "patient": patient, "open_orders": open_orders}
    return show(request, "orders/new.html", context, status=status)


def _send(request: PageRequest) -> HttpResponse:
    form = OrderForm(request.POST)
    key = said(request, "patient")
    patient = _patient(request, key) if key else None
    if not form.is_valid() or patient is None:
        return _form(request, form, patient, status=422)
    # A double click sends the same form twice: the second gets the first one's order.
    slot = f"placed:{request.user.pk}:{form.cleaned_data['token']}"
    if not cache.add(slot, "", _REMEMBER_SECONDS):
        earlier = cache.get(slot, "")
        return _see(f"/orders/{earlier}/" if earlier else "/orders/")
    try:
        placed = do(
            request,
            PlaceOrder(
                patient=PatientReference(public_id=patient.public_id),
                procedures=form.procedures(),
                details=form.details(request.actor.display),
            ),
        )
    except RisError as error:
        cache.delete(slot)
        form.refuse(error)
        return _form(request, form, patient, status=409)
    cache.set(slot, placed.public_id, _REMEMBER_SECONDS)
    messages.success(request, f"Order {placed.accession_number} is placed.")
    if "book" in request.POST:
        line = order_lists.of(placed.public_id)
        if line is not None and line.to_schedule:
            return _see(f"/book/{line.to_schedule.public_id}/")
    return _see(f"/orders/{placed.public_id}/")


def _see(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response
