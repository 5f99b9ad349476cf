"""Addresses about times: slot finder, board."""

from __future__ import annotations

from django.urls import path

from ris.web.scheduling import board_urls, booking_urls, views

urlpatterns = [
    *booking_urls.urlpatterns,
    *board_urls.urlpatterns,
    path("board/move/<uuid:key>/", views.move, name="board-move"),
    path("appointments/<uuid:key>/cancel/", views.cancel, name="appointment-cancel"),
]
