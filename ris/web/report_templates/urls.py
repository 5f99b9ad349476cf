"""Addresses of report templates and macros."""

from __future__ import annotations

from django.urls import path

from ris.web.report_templates import views

urlpatterns = [
    path("report-templates/", views.template_list, name="report-template-list"),
    path("report-templates/new/", views.new, name="report-template-new"),
    path("report-templates/import/", views.upload, name="report-template-import"),
    path("report-templates/macros/", views.macro_page, name="report-macro-list"),
    path(
        "report-templates/macros/<uuid:key>/delete/",
        views.delete_macro,
        name="report-macro-delete",
    ),
    path("report-templates/<uuid:key>/", views.preview, name="report-template-page"),
    path("report-templates/<uuid:key>/edit/", views.edit, name="report-template-edit"),
    path("report-templates/<uuid:key>/retire/", views.retire, name="report-template-retire"),
    path("report-templates/<uuid:key>/mrrt/", views.export, name="report-template-export"),
]
