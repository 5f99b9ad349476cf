"""Addresses about devices."""

from __future__ import annotations

from django.urls import path

from ris.web.facility import views

urlpatterns = [path("devices/", views.device_list, name="devices")]
