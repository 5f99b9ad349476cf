"""Addresses below ``/api/v1/``."""

from __future__ import annotations

from django.urls import URLPattern, include, path, re_path

from integration.rest import exchange, orders, schedule
from integration.rest.base import NothingView
from integration.rest.description import DescriptionView

_served: list[URLPattern] = [
    path("orders/", orders.OrdersView.as_view()),
    path("orders/<uuid:key>/", orders.OrderDetailView.as_view()),
    path("orders/<uuid:key>/timeline/", orders.TimelineView.as_view()),
    path("orders/<uuid:key>/cancel/", orders.CancelView.as_view()),
    path("orders/<uuid:key>/hold/", orders.HoldView.as_view()),
    path("orders/<uuid:key>/release/", orders.ReleaseView.as_view()),
    path("patients/", orders.PatientsView.as_view()),
    path("patients/<uuid:key>/", orders.PatientDetailView.as_view()),
    path("appointments/", schedule.AppointmentsView.as_view()),
    path("appointments/<uuid:key>/", schedule.AppointmentView.as_view()),
    path("appointments/<uuid:key>/move/", schedule.MoveView.as_view()),
    path("appointments/<uuid:key>/cancel/", schedule.CancelView.as_view()),
    path("appointments/<uuid:key>/arrive/", schedule.ArriveView.as_view()),
    path("appointments/<uuid:key>/no-show/", schedule.MissView.as_view()),
    path("steps/<uuid:key>/slots/", schedule.SlotsView.as_view()),
    path("steps/<uuid:key>/book/", schedule.BookView.as_view()),
    path("steps/<uuid:key>/prepare/", schedule.PrepareView.as_view()),
    path("devices/", schedule.DevicesView.as_view()),
    path("procedures/", schedule.ProceduresView.as_view()),
    path("messages/", exchange.MessagesView.as_view()),
    path("messages/<uuid:key>/replay/", exchange.ReplayView.as_view()),
    path("deliveries/", exchange.DeliveriesView.as_view()),
    path("deliveries/<uuid:key>/requeue/", exchange.RequeueView.as_view()),
    path("deliveries/<uuid:key>/skip/", exchange.SkipView.as_view()),
    path("connections/", exchange.ConnectionsView.as_view()),
]
described = [path("api/v1/", include(_served))]

urlpatterns: list[URLPattern] = [
    *_served,
    path("schema/", DescriptionView.as_view()),
    re_path(r"^.*$", NothingView.as_view()),
]
