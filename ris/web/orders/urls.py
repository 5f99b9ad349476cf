"""Addresses about orders."""

from __future__ import annotations

from django.urls import path

from ris.web.orders import bulk, desk, drafting, editing, listing, parts, placing, sections, views

urlpatterns = [
    path("orders/", listing.order_list, name="orders"),
    path("orders/bulk/", bulk.bulk, name="order-bulk"),
    path("orders/new/", placing.place, name="order-new"),
    path("orders/new/patients/", parts.find_patient, name="order-find-patient"),
    path("orders/new/patient/", parts.chosen_patient, name="order-patient"),
    path("orders/new/alike/", parts.lookalikes, name="order-alike"),
    path("orders/new/requesters/", parts.requesters, name="order-requesters"),
    path("orders/new/times/", parts.times, name="order-times"),
    path("orders/new/safety/", parts.safety_questions, name="order-safety"),
    path("orders/new/exam/", parts.another_exam, name="order-exam"),
    path("orders/new/draft/", drafting.save, name="order-draft"),
    path("orders/drafts/<uuid:key>/discard/", drafting.discard, name="order-draft-discard"),
    path("orders/<uuid:key>/", views.order, name="order"),
    path("orders/<uuid:key>/clearance/", sections.clearance, name="order-clearance"),
    path("orders/<uuid:key>/outcome/", sections.outcome, name="order-outcome"),
    path("orders/<uuid:key>/timeline/", sections.timeline, name="order-timeline"),
    path("orders/<uuid:key>/cancel/", views.cancel, name="order-cancel"),
    path("orders/<uuid:key>/hold/", views.hold, name="order-hold"),
    path("orders/<uuid:key>/release/", views.release, name="order-release"),
    path("orders/<uuid:key>/void/", views.void, name="order-void"),
    path("orders/<uuid:key>/revise/", editing.revise, name="order-revise"),
    path("orders/<uuid:key>/restore/", desk.restore, name="order-restore"),
    path("orders/<uuid:key>/split/", desk.split, name="order-split"),
    path("orders/<uuid:key>/ask/", desk.ask, name="order-ask"),
    path("orders/<uuid:key>/request.pdf", desk.request_form, name="order-request-form"),
    path("waiting/<uuid:key>/stop/", desk.stop_waiting, name="waiting-stop"),
    path("waiting/offers/<uuid:key>/accept/", desk.accept_offer, name="offer-accept"),
    path("waiting/offers/<uuid:key>/decline/", desk.decline_offer, name="offer-decline"),
    path("questions/<uuid:key>/answer/", desk.answer, name="order-answer"),
    path("steps/<uuid:key>/cancel/", views.cancel_step, name="step-cancel"),
    path("steps/<uuid:key>/repeat/", views.repeat_step, name="step-repeat"),
    path("steps/<uuid:key>/complete/", views.complete_step, name="step-complete"),
]
