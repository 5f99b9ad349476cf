"""Addresses about letterheads."""

from __future__ import annotations

from django.urls import path

from ris.web.letterhead import views

urlpatterns = [
    path("letterhead/", views.letterheads, name="letterheads"),
    path("letterhead/<uuid:key>/", views.change, name="letterhead"),
    path("letterhead/<uuid:key>/logo/", views.logo, name="letterhead-logo"),
    path("letterhead/<uuid:key>/sample/", views.sample, name="letterhead-sample"),
]
