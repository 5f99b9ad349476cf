"""Parts that an order's page fetches once it stands; without script, pages of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ris.domain.errors import UnknownKeyError
from ris.domain.orders import OrderStatus
from ris.models import Order
from ris.selectors import documents, safety
from ris.selectors import timeline as timelines
from ris.selectors.patients import to_view
from ris.web.access import PageRequest, page, saw
from ris.web.dose.views import order_context
from ris.web.safety.order_part import clearance_context
from ris.web.telling import tell


@require_GET
@page()
def clearance(request: PageRequest, key: UUID) -> HttpResponse:
    """Safety, protocol and payer."""
    rows = safety.steps_of(str(key))
    order = rows[0].procedure.order if rows else _order(key)
    context = {**clearance_context(request, order, rows), "is_active": _is_active(order)}
    return _show(request, order, "clearance", _("Safety and protocol"), context)


@require_GET
@page()
def outcome(request: PageRequest, key: UUID) -> HttpResponse:
    """What the exam left: dose, contrast and material, images, documents."""
    rows = safety.steps_of(str(key))
    order = rows[0].procedure.order if rows else _order(key)
    context = {
        **order_context(
            str(key), list(dict.fromkeys(row.modality for row in rows if row.modality))
        ),
        "documents": documents.of_order(str(key)),
    }
    return _show(request, order, "outcome", _("Results of the exam"), context)


@require_GET
@page()
def timeline(request: PageRequest, key: UUID) -> HttpResponse:
    order = _order(key)
    context = {"entries": [tell(entry) for entry in timelines.entries(str(key))]}
    return _show(request, order, "timeline", _("Timeline"), context)


def _order(key: UUID) -> Order:
    order = Order.objects.select_related("patient").filter(public_id=key).first()
    if order is None:
        raise UnknownKeyError("no such order")
    return order


def _is_active(order: Order) -> bool:
    return order.status == OrderStatus.ACTIVE.value


def _show(
    request: PageRequest, order: Order, name: str, title: str, context: Mapping[str, Any]
) -> HttpResponse:
    """The part alone for the order's page, which was audited already; else with a page around."""
    patient, home = order.patient, f"/orders/{order.public_id}/"
    saw(request, "ViewOrder", [str(patient.public_id)], order=str(order.public_id), part_of=home)
    said = {**context, "key": str(order.public_id), "home": home, "part": f"orders/_{name}.html"}
    if "HX-Request" in request.headers:
        return render(request, said["part"], said)
    said |= {"title": title, "number": order.accession_number, "patient": to_view(patient)}
    return render(request, "orders/section.html", said)
