"""Addresses below ``/dicom-web`` (PS3.18 14.1.1, 15.1.1), each also with a slash at its end."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from worklist.web import views
from worklist.web.capabilities import PERFORMED, SCHEDULED

urlpatterns: list[URLPattern] = [
    re_path(r"^$", views.CapabilitiesView.as_view()),
    re_path(rf"^{SCHEDULED}/?$", views.ScheduledView.as_view()),
    re_path(rf"^{PERFORMED}/(?P<uid>[^/]+)(?P<update>/update)?/?$", views.PerformedView.as_view()),
    re_path(r"^.*$", views.UnknownView.as_view()),
]
