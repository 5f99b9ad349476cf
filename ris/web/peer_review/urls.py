"""Addresses of peer review."""

from __future__ import annotations

from django.urls import path

from ris.web.peer_review import rules, views

urlpatterns = [
    path("peer-review/", views.overview, name="peer-review"),
    path("peer-review/rules/", rules.rules, name="peer-review-rules"),
    path("peer-review/next/", views.take, name="peer-review-next"),
    path("peer-review/<uuid:key>/", views.review, name="peer-review-one"),
    path("peer-review/<uuid:key>/score/", views.score, name="peer-review-score"),
    path("peer-review/<uuid:key>/return/", views.give_back, name="peer-review-return"),
    path("peer-review/<uuid:key>/drop/", views.drop, name="peer-review-drop"),
    path("peer-review/<uuid:key>/read/", views.acknowledge, name="peer-review-read"),
    path("reports/<uuid:key>/discrepancy/", views.discrepancy, name="peer-review-flag"),
    path("reports/<uuid:key>/difference/", views.difference, name="peer-review-grade"),
]
