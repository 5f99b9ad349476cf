"""Addresses about orders."""

from __future__ import annotations

from django.urls import path

from ris.web.orders import bulk, listing, placing, views

urlpatterns = [
    path("orders/", listing.order_list, name="orders"),
    path("orders/bulk/", bulk.bulk, name="order-bulk"),
    path("orders/new/", placing.place, name="order-new"),
    path("orders/new/patients/", views.find_patient, name="order-find-patient"),
    path("orders/<uuid:key>/", views.order, name="order"),
    path("orders/<uuid:key>/cancel/", views.cancel, name="order-cancel"),
    path("orders/<uuid:key>/hold/", views.hold, name="order-hold"),
    path("orders/<uuid:key>/release/", views.release, name="order-release"),
    path("orders/<uuid:key>/void/", views.void, name="order-void"),
    path("orders/<uuid:key>/revise/", views.revise, name="order-revise"),
    path("steps/<uuid:key>/cancel/", views.cancel_step, name="step-cancel"),
    path("steps/<uuid:key>/repeat/", views.repeat_step, name="step-repeat"),
    path("steps/<uuid:key>/complete/", views.complete_step, name="step-complete"),
]
