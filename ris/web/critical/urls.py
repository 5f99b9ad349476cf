"""Addresses of critical results."""

from __future__ import annotations

from django.urls import path

from ris.web.critical import categories, views

urlpatterns = [
    path("critical/", views.critical_list, name="critical"),
    path("critical/categories/", categories.categories, name="critical-categories"),
    path("critical/<uuid:key>/attempt/", views.attempt, name="critical-attempt"),
    path("critical/<uuid:key>/waive/", views.waive, name="critical-waive"),
    path("critical/<uuid:key>/withdraw/", views.withdraw, name="critical-withdraw"),
    path("reports/<uuid:key>/critical/flag/", views.flag, name="critical-flag"),
    path(
        "procedures/<uuid:key>/critical/flag/",
        views.flag_procedure,
        name="critical-flag-procedure",
    ),
]
