"""Addresses of the slot finder."""

from __future__ import annotations

from django.urls import path

from ris.web.scheduling import booking, booking_more

urlpatterns = [
    path("book/<uuid:key>/", booking.book, name="book"),
    path("book/<uuid:key>/set/", booking_more.book_set, name="book-set"),
    path("book/<uuid:key>/series/", booking_more.book_series, name="book-series"),
    path("book/<uuid:key>/wait/", booking_more.wait, name="book-wait"),
]
