"""Addresses of the referring doctor's pages, and of the page that says who sees what."""

from __future__ import annotations

from django.urls import path

from ris.web.referrer import access, notices, ordering, views

urlpatterns = [
    path("referrer/", views.own_orders, name="referrer"),
    path("referrer/orders/<uuid:key>/", views.order, name="referrer-order"),
    path("referrer/orders/<uuid:key>/cancel/", views.withdraw, name="referrer-withdraw"),
    path("referrer/questions/<uuid:key>/answer/", views.answer, name="referrer-answer"),
    path("referrer/reports/<uuid:key>/print/", views.printed, name="referrer-print"),
    path("referrer/reports/<uuid:key>/seen/", views.acknowledge, name="referrer-seen"),
    path("referrer/findings/<uuid:key>/known/", views.acknowledge_finding, name="referrer-known"),
    path("referrer/new/", ordering.request_exams, name="referrer-new"),
    path("referrer/new/safety/", ordering.safety_questions, name="referrer-safety"),
    path("referrer/notices/", notices.notices, name="referrer-notices"),
    path("referrers/", access.access, name="referrers"),
    path("referrers/<uuid:key>/end/", access.end, name="referrer-end"),
]
