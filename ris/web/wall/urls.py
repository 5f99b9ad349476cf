"""Addresses of the wall."""

from __future__ import annotations

from django.urls import path

from ris.web.wall import views

urlpatterns = [
    path("wall/screen/<str:token>/", views.screen, name="wall-screen"),
    path("wall/screen/<str:token>/live/", views.screen_live, name="wall-screen-live"),
    path("wall/<str:key>/", views.wall, name="wall"),
    path("wall/<str:key>/live/", views.wall_live, name="wall-live"),
]
