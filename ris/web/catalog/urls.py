"""Addresses about the catalog."""

from __future__ import annotations

from django.urls import path

from ris.web.catalog import views

urlpatterns = [
    path("catalog/", views.procedure_list, name="catalog"),
    path("catalog/new/", views.new, name="procedure-new"),
    path("catalog/procedures.csv", views.download, name="catalog-download"),
    path("catalog/upload/", views.upload, name="catalog-upload"),
    path("catalog/<uuid:key>/", views.procedure, name="procedure"),
    path("catalog/<uuid:key>/retire/", views.retire, name="procedure-retire"),
]
