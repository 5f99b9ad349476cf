"""Orders and patients: lists, one with all that is below it, what is done with orders."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from integration.rest.base import RestView
from integration.rest.shapes import shown
from integration.rest.shown import Reason, does, gives, lists, parameter, reason_in
from ris.domain.errors import InvalidValueError
from ris.domain.orders import CancelOrder, HoldOrder, OrderReference, ReleaseOrder
from ris.selectors import order_lists, patient_lists, timeline
from ris.selectors.order_lists import OrderLine, Tab
from ris.selectors.orders import order_view
from ris.selectors.patient_lists import PatientLine
from ris.selectors.patients import patient_view
from ris.selectors.timeline import Entry
from ris.selectors.views import OrderView, PatientView


class OrdersView(RestView):
    """The lists of the order page."""

    @lists(
        "orders",
        OrderLine,
        "Orders by what they wait for",
        parameter("tab", "Which list.", words_of=[tab.value for tab in Tab]),
        parameter("q", "Accession, placer or patient number, name, or birth date."),
    )
    def get(self, request: Request) -> Response:
        try:
            tab = Tab(self.asked("tab", Tab.TO_SCHEDULE.value))
        except ValueError:
            words = ", ".join(each.value for each in Tab)
            raise InvalidValueError(f"is none of {words}", path="tab") from None
        rows = order_lists.matching(order_lists.in_tab(tab), self.asked("q"))
        found, pages = self.page(order_lists.with_lines(rows))
        lines = order_lists.lines(found)
        self.saw("list orders", (line.patient.public_id for line in lines))
        return pages.get_paginated_response([shown(OrderLine, line) for line in lines])


class OrderDetailView(RestView):
    """One order with procedures, steps, performed steps and reports."""

    @gives("order", OrderView, "An order with everything below it")
    def get(self, request: Request, key: UUID) -> Response:
        order = order_view(str(key))
        self.saw("order", [order.patient.public_id], order=order.public_id)
        return Response(shown(OrderView, order))


class TimelineView(RestView):
    """Every message, query and click that touched an order."""

    @lists("order_timeline", Entry, "What touched an order, the oldest first", paged=False)
    def get(self, request: Request, key: UUID) -> Response:
        order = order_view(str(key))
        self.saw("timeline", [order.patient.public_id], order=order.public_id)
        return Response([shown(Entry, each) for each in timeline.entries(order.public_id)])


class CancelView(RestView):
    @does("order_cancel", "Cancel an order of which nothing was begun", Reason)
    def post(self, request: Request, key: UUID) -> Response:
        self.do(CancelOrder(order=OrderReference(public_id=str(key)), reason=reason_in(request)))
        return Response({"id": str(key)})


class HoldView(RestView):
    @does("order_hold", "Put an order on hold; it leaves every worklist", Reason)
    def post(self, request: Request, key: UUID) -> Response:
        self.do(HoldOrder(order=OrderReference(public_id=str(key)), reason=reason_in(request)))
        return Response({"id": str(key)})


class ReleaseView(RestView):
    @does("order_release", "End the hold of an order")
    def post(self, request: Request, key: UUID) -> Response:
        self.do(ReleaseOrder(order=OrderReference(public_id=str(key))))
        return Response({"id": str(key)})


class PatientsView(RestView):
    """Patients found by number, name or birth date."""

    @lists(
        "patients",
        PatientLine,
        "Patients by number, name or birth date",
        parameter("q", "At least two characters."),
        paged=False,
    )
    def get(self, request: Request) -> Response:
        text = self.asked("q")
        if len(text) < 2:
            raise InvalidValueError("at least two characters are needed", path="q")
        found = patient_lists.find(text, limit=50)
        self.saw("find patients", (line.public_id for line in found))
        return Response([shown(PatientLine, line) for line in found])


class PatientDetailView(RestView):
    @gives("patient", PatientView, "A patient")
    def get(self, request: Request, key: UUID) -> Response:
        patient = patient_view(str(key))
        self.saw("patient", [patient.public_id])
        return Response(shown(PatientView, patient))
