"""Addresses of the board."""

from __future__ import annotations

from django.urls import path

from ris.web.scheduling import board_desk, board_later, board_views

urlpatterns = [
    path("board/", board_views.board, name="board"),
    path("board/events/", board_views.board_events, name="board-events"),
    path("board/drop/<uuid:key>/", board_views.drop, name="board-drop"),
    path("board/place/<uuid:key>/", board_views.place, name="board-place"),
    path("board/close/", board_desk.close, name="board-close"),
    path("board/relocate/", board_desk.relocate, name="board-relocate"),
    path("board/later/<uuid:key>/", board_later.later, name="board-later"),
    path("board/print/", board_desk.sheets, name="board-print"),
]
