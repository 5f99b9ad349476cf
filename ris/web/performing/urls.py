"""Addresses of the rooms."""

from __future__ import annotations

from django.urls import path

from ris.web.performing import views

urlpatterns = [
    path("room/", views.rooms, name="rooms"),
    path("room/<str:key>/", views.room, name="room"),
    path("room/<str:key>/ready/", views.ready, name="room-ready"),
    path("room/<str:key>/begin/", views.begin, name="room-begin"),
    path("room/<str:key>/complete/", views.complete, name="room-complete"),
    path("room/<str:key>/discontinue/", views.discontinue, name="room-discontinue"),
]
