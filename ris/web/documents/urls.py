"""Addresses of documents."""

from __future__ import annotations

from django.urls import path

from ris.web.documents import views

urlpatterns = [path("documents/<uuid:key>/", views.document, name="document")]
