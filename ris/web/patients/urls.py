"""Addresses about patients."""

from __future__ import annotations

from django.urls import path

from ris.web.patients import records, views

urlpatterns = [
    path("patients/", views.patient_list, name="patients"),
    path("patients/new/", views.new, name="patient-new"),
    path("patients/<uuid:key>/", views.patient, name="patient"),
    path("patients/<uuid:key>/merge/", records.merge, name="patient-merge"),
    path("patients/<uuid:key>/unmerge/", records.unmerge, name="patient-unmerge"),
    path("patients/differences/<uuid:key>/", records.decide, name="review-decide"),
    path("patients/visits/<uuid:key>/settle/", records.settle, name="visit-settle"),
]
