"""Addresses of the front desk."""

from __future__ import annotations

from django.urls import path

from ris.web.frontdesk import printing, setup, views, walk_in

urlpatterns = [
    path("arrivals/", views.arrivals, name="arrivals"),
    path("arrivals/walk-in/", walk_in.walk_in, name="walk-in"),
    path("arrivals/walk-in/safety/", walk_in.safety_questions, name="walk-in-safety"),
    path("arrivals/walk-in/patients/", walk_in.find_patient, name="walk-in-patients"),
    path("arrivals/setup/", setup.setup, name="desk-setup"),
    path("arrivals/setup/screens/", setup.issue, name="wall-issue"),
    path("arrivals/setup/screens/<uuid:key>/revoke/", setup.revoke, name="wall-revoke"),
    path("arrivals/<uuid:key>/", views.check_in, name="check-in"),
    path("arrivals/<uuid:key>/call/", views.call, name="arrival-call"),
    path("arrivals/<uuid:key>/undo/", views.undo_arrival, name="arrival-undo"),
    path("arrivals/<uuid:key>/came-after-all/", views.undo_no_show, name="no-show-undo"),
    path("arrivals/<uuid:key>/correction/", views.correction, name="arrival-correction"),
    path("arrivals/<uuid:key>/document/", views.document, name="arrival-document"),
    path("appointments/<uuid:key>/arrive/", views.arrive, name="appointment-arrive"),
    path("appointments/<uuid:key>/no-show/", views.no_show, name="appointment-no-show"),
    path("labels/appointment/<uuid:key>/", printing.of_appointment, name="labels"),
    path("labels/order/<uuid:key>/", printing.of_order, name="labels-order"),
    path("labels/wristband/<uuid:key>/", printing.wristband, name="wristband"),
]
