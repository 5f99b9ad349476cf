"""Addresses about patients."""

from __future__ import annotations

from django.urls import path

from ris.web.patients import views

urlpatterns = [
    path("patients/", views.patient_list, name="patients"),
    path("patients/new/", views.new, name="patient-new"),
    path("patients/<uuid:key>/", views.patient, name="patient"),
]
