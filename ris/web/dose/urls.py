"""Addresses about dose and about images that an archive has."""

from __future__ import annotations

from django.urls import path

from ris.web.dose import views

urlpatterns = [
    path("dose/", views.overview, name="dose"),
    path("dose/levels/", views.levels, name="dose-levels"),
    path("dose/levels/<uuid:key>/remove/", views.remove_level, name="dose-level-remove"),
    path("dose/documents/<uuid:key>/", views.document, name="dose-document"),
    path("dose/documents/<uuid:key>/link/", views.link, name="dose-link"),
    path("dose/documents/<uuid:key>/aside/", views.aside, name="dose-aside"),
    path("dose/documents/<uuid:key>/withdraw/", views.withdraw, name="dose-withdraw"),
    path("orders/<uuid:key>/dose/", views.enter, name="dose-enter"),
    path("images/<uuid:key>/resolve/", views.resolve_images, name="images-resolve"),
]
