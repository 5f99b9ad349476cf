"""The address of the stream."""

from __future__ import annotations

from django.urls import path

from ris.web.live import views

urlpatterns = [path("live/", views.live, name="live")]
