"""Addresses about devices."""

from __future__ import annotations

from django.urls import path

from ris.web.facility import device, explaining, views

urlpatterns = [
    path("devices/", views.device_list, name="devices"),
    path("devices/why/", explaining.why, name="device-why"),
    path("devices/queries/<int:number>/", explaining.query, name="device-query"),
    # An AE title may hold a slash.
    path("devices/<path:ae_title>/echo/", device.echo, name="device-echo"),
    path("devices/<path:ae_title>/", device.device, name="device"),
]
