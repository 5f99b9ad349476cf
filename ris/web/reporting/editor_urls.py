"""Addresses of the editor beside its draft: templates, macros, text from the exam."""

from __future__ import annotations

from django.urls import path

from ris.web.reporting import editor_views, template_views

urlpatterns = [
    path("reports/macros/", editor_views.macros, name="report-macros"),
    path(
        "reports/<uuid:key>/templates/", editor_views.choose_template, name="report-templates-for"
    ),
    path("reports/<uuid:key>/template/", template_views.apply_template, name="report-template"),
    path(
        "reports/<uuid:key>/template/drop/",
        template_views.drop_template,
        name="report-template-drop",
    ),
    path("reports/<uuid:key>/fill/", editor_views.fill_from_exam, name="report-fill"),
    path("reports/<uuid:key>/value/", editor_views.value, name="report-value"),
    path("reports/<uuid:key>/again/", editor_views.take_again, name="report-again"),
    path("reports/<uuid:key>/insert/", editor_views.insert, name="report-insert"),
]
