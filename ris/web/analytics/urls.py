"""Figures for managers."""

from __future__ import annotations

from django.urls import path

from ris.web.analytics import report_views, views

urlpatterns = [
    path("analytics/", views.overview, name="analytics"),
    path("analytics/reports/", report_views.reports, name="analytics-reports"),
    path("analytics/<str:table>.csv", views.download, name="analytics-csv"),
]
