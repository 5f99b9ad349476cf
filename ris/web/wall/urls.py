"""Addresses of the wall."""

from __future__ import annotations

from django.urls import path

from ris.web.wall import views

urlpatterns = [
    path("wall/screen/<str:token>/", views.screen, name="wall-screen"),
    path("wall/<str:key>/", views.wall, name="wall"),
]
