"""Addresses about dose and about images that an archive has."""

from __future__ import annotations

from django.urls import path

from ris.web.dose import history_views, views

urlpatterns = [
    path("dose/", views.overview, name="dose"),
    path("dose/trend/", history_views.trend, name="dose-trend"),
    path("dose/export/", history_views.export, name="dose-export"),
    path("dose/export/exams.csv", history_views.exams_csv, name="dose-exams-csv"),
    path("dose/export/documents.csv", history_views.documents_csv, name="dose-documents-csv"),
    path("dose/exams/<uuid:key>/looked-at/", views.acknowledge, name="dose-acknowledge"),
    path("dose/levels/", views.levels, name="dose-levels"),
    path("dose/levels/<uuid:key>/remove/", views.remove_level, name="dose-level-remove"),
    path("dose/documents/<uuid:key>/", views.document, name="dose-document"),
    path("dose/documents/<uuid:key>/link/", views.link, name="dose-link"),
    path("dose/documents/<uuid:key>/aside/", views.aside, name="dose-aside"),
    path("dose/documents/<uuid:key>/withdraw/", views.withdraw, name="dose-withdraw"),
    path("orders/<uuid:key>/dose/", views.enter, name="dose-enter"),
    path("images/<uuid:key>/resolve/", views.resolve_images, name="images-resolve"),
]
