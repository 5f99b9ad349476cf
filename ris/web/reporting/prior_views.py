"""Earlier reports beside the editor, and the way to the images."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ris.domain.errors import UnknownKeyError
from ris.models import RequestedProcedure
from ris.selectors.orders import order_view
from ris.selectors.patients import patient_view
from ris.selectors.priors import priors_of
from ris.selectors.reports import report_view
from ris.web.access import PageRequest, page, saw
from ris.web.asking import asked
from ris.web.navigation import FLOOR, READERS
from ris.web.viewing import to_images


@require_GET
@page(*READERS)
def priors(request: PageRequest, key: UUID) -> HttpResponse:
    """What the patient had done before: a part that the page of a report fetches."""
    exams = list(
        RequestedProcedure.objects.filter(reports__public_id=key)
        .select_related("order__patient")
        .order_by("id")
    )
    if not exams:
        raise UnknownKeyError("no such report")
    patient = str(exams[0].order.patient.public_id)
    saw(
        request,
        "ViewReport",
        [patient],
        order=str(exams[0].order.public_id),
        subject=f"Report {key}",
        part_of=f"/reports/{key}/",
    )
    context = {
        "priors": priors_of(patient, [str(exam.public_id) for exam in exams]),
        "compares": asked(request, "write") == "yes",
        "report_key": key,
        "part": "reporting/_prior_list.html",
    }
    if "HX-Request" in request.headers:
        return render(request, "reporting/_prior_list.html", context)
    context |= {
        "title": _("Earlier exams"),
        "number": exams[0].order.accession_number,
        "home": f"/reports/{key}/",
        "patient": patient_view(patient),
    }
    return render(request, "orders/section.html", context)


@require_GET
@page(*READERS)
def prior(request: PageRequest, key: UUID) -> HttpResponse:
    """The text of an earlier report, for a place on the page; without script its own page."""
    if "HX-Request" not in request.headers:
        return HttpResponseRedirect(f"/reports/{key}/")
    view = report_view(str(key))
    exams = list(
        RequestedProcedure.objects.filter(public_id__in=view.procedures)
        .select_related("order__patient")
        .order_by("id")
    )
    if not exams or view.current is None:
        raise UnknownKeyError("there is no signed text to read")
    order = exams[0].order
    saw(
        request,
        "ViewPrior",
        [str(order.patient.public_id)],
        order=str(order.public_id),
        subject=f"Report {key}",
    )
    context = {"report": view, "version": view.current, "exams": exams}
    return render(request, "reporting/_prior.html", context)


@require_GET
@page(*dict.fromkeys((*READERS, *FLOOR)))
def images(request: PageRequest, key: UUID) -> HttpResponse:
    """Go to the images of an exam in the viewer that ``?viewer=`` names."""
    order_key = (
        RequestedProcedure.objects.filter(public_id=key)
        .values_list("order__public_id", flat=True)
        .first()
    )
    if order_key is None:
        raise UnknownKeyError("no such procedure")
    order = order_view(str(order_key))
    name = asked(request, "viewer", 40)
    response = to_images(order, str(key), name)
    saw(
        request,
        "OpenViewer",
        [order.patient.public_id],
        order=order.public_id,
        subject=f"RequestedProcedure {key}{f' in {name}' if name else ''}",
    )
    return response
