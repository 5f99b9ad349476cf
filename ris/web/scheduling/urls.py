"""Addresses about times: slot finder, day board."""

from __future__ import annotations

from django.urls import path

from ris.web.scheduling import booking_urls, views

urlpatterns = [
    *booking_urls.urlpatterns,
    path("board/", views.board, name="board"),
    path("board/move/<uuid:key>/", views.move, name="board-move"),
    path("appointments/<uuid:key>/cancel/", views.cancel, name="appointment-cancel"),
]
