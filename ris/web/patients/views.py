"""Patients: search, one patient, registration with a look at who may be the same."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from ris.domain.errors import DeniedError, RequestError
from ris.domain.patients import RegisterPatient
from ris.selectors import documents, dose, follow_ups, order_lists, patient_lists
from ris.selectors.patients import patient_view
from ris.services import may
from ris.web.access import PageRequest, back_to, do, page, saw, show
from ris.web.asking import asked
from ris.web.errors import STATUS
from ris.web.patients.forms import PatientForm
from ris.web.patients.records import record_context


@require_GET
@page()
def patient_list(request: PageRequest) -> HttpResponse:
    text = asked(request, "q", 100)
    orders = patient_lists.orders_by_number(text)
    if len(orders) == 1:
        return HttpResponseRedirect(f"/orders/{orders[0].order}/")
    found = patient_lists.find(text) if text else patient_lists.recent()
    saw(request, "FindPatients", (line.public_id for line in found))
    if text and len(found) == 1 and not orders:
        return HttpResponseRedirect(f"/patients/{found[0].public_id}/")
    context = {
        "text": text,
        "found": found,
        "orders": orders,
        "full": len(found) >= patient_lists.LIMIT,
    }
    return show(request, "patients/list.html", context)


@require_GET
@page()
def patient(request: PageRequest, key: UUID) -> HttpResponse:
    view = patient_view(str(key))
    saw(request, "ViewPatient", [view.public_id])
    lines = order_lists.of_patient(view.public_id)
    context = {
        "patient": view,
        "open": [line for line in lines if line.status in {"ACTIVE", "ON_HOLD"}],
        "closed": [line for line in lines if line.status not in {"ACTIVE", "ON_HOLD"}],
        "recommended_exams": follow_ups.of_patient(view.public_id),
        "exams": dose.of_patient(view.public_id),
        "documents": documents.of_patient([view.public_id]),
        **record_context(request, view.public_id),
    }
    return show(request, "patients/patient.html", context)


@require_http_methods(["GET", "POST"])
@page()
def new(request: PageRequest) -> HttpResponse:
    """Register a patient; whoever looks like one we know is shown first."""
    if not may(request.actor, RegisterPatient):
        raise DeniedError("your roles do not include registering patients")
    if request.method == "GET":
        return _form(request, PatientForm(), [], 200)
    form = PatientForm(request.POST)
    if not form.is_valid():
        return _form(request, form, [], 422)
    alike = patient_lists.lookalikes(form.name(), form.cleaned_data["birth_date"].text)
    if alike and not form.cleaned_data["known"]:
        saw(request, "FindPatients", (line.public_id for line in alike))
        return _form(request, form, alike, 409)
    try:
        key = do(
            request,
            RegisterPatient(identifiers=form.identifiers(), demographics=form.demographics()),
        )
    except RequestError as error:
        form.refuse(error)
        return _form(request, form, alike, STATUS[error.code])
    messages.success(request, _("Registered."))
    target = back_to(request, "")
    address = f"{target}?{urlencode({'patient': key})}" if target else f"/patients/{key}/"
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response


def _form(
    request: PageRequest,
    form: PatientForm,
    alike: list[patient_lists.PatientLine],
    status: int,
) -> HttpResponse:
    context = {"form": form, "alike": alike, "next": back_to(request, "")}
    return show(request, "patients/new.html", context, status=status)
