"""Addresses of follow-up recommendations."""

from __future__ import annotations

from django.urls import path

from ris.web.follow_ups import parts, views

urlpatterns = [
    path("follow-ups/", views.follow_up_list, name="follow-ups"),
    path("follow-ups/<uuid:key>/letter/", views.letter, name="recommendation-letter"),
    path("follow-ups/<uuid:key>/link/", views.link, name="recommendation-link"),
    path("follow-ups/<uuid:key>/unlink/", views.unlink, name="recommendation-unlink"),
    path("follow-ups/<uuid:key>/remind/", views.remind, name="recommendation-remind"),
    path("follow-ups/<uuid:key>/decline/", views.decline, name="recommendation-decline"),
    path("follow-ups/<uuid:key>/reopen/", views.reopen, name="recommendation-reopen"),
    path("reports/<uuid:key>/after/", parts.after_report, name="report-after"),
    path("reports/<uuid:key>/recommend/", views.recommend, name="recommendation-add"),
]
