"""Addresses of the audit trail."""

from __future__ import annotations

from django.urls import path

from ris.web.journal import views

urlpatterns = [path("audit/", views.audit_list, name="audit")]
