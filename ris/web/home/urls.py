"""Addresses of the home page and the search."""

from __future__ import annotations

from django.urls import path

from ris.web.home import palette, views

urlpatterns = [
    path("", views.home, name="home"),
    path("search/", views.search, name="search"),
    path("palette/", palette.palette, name="palette"),
]
