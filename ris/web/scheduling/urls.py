"""Addresses about times: slot finder, day board."""

from __future__ import annotations

from django.urls import path

from ris.web.scheduling import views

urlpatterns = [
    path("book/<uuid:key>/", views.book, name="book"),
    path("board/", views.board, name="board"),
    path("board/move/<uuid:key>/", views.move, name="board-move"),
    path("appointments/<uuid:key>/cancel/", views.cancel, name="appointment-cancel"),
]
