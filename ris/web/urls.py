"""The pages' addresses, area by area."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("ris.web.home.urls")),
    path("", include("ris.web.orders.urls")),
    path("", include("ris.web.scheduling.urls")),
    path("", include("ris.web.frontdesk.urls")),
    path("", include("ris.web.wall.urls")),
    path("", include("ris.web.live.urls")),
    path("", include("ris.web.performing.urls")),
    path("", include("ris.web.reporting.urls")),
    path("", include("ris.web.reporting.editor_urls")),
    path("", include("ris.web.report_templates.urls")),
    path("", include("ris.web.critical.urls")),
    path("", include("ris.web.follow_ups.urls")),
    path("", include("ris.web.peer_review.urls")),
    path("", include("ris.web.documents.urls")),
    path("", include("ris.web.mammography.urls")),
    path("", include("ris.web.dose.urls")),
    path("", include("ris.web.exchange.urls")),
    path("", include("ris.web.mapping.urls")),
    path("", include("ris.web.patients.urls")),
    path("", include("ris.web.facility.urls")),
    path("", include("ris.web.catalog.urls")),
    path("", include("ris.web.letterhead.urls")),
    path("", include("ris.web.resources.urls")),
    path("", include("ris.web.patient_link.urls")),
    path("", include("ris.web.analytics.urls")),
    path("", include("ris.web.safety.urls")),
    path("", include("ris.web.protocoling.urls")),
    path("", include("ris.web.journal.urls")),
    path("", include("ris.web.referrer.urls")),
    path("", include("ris.web.accounts.urls")),
    path("", include("ris.web.undo")),
    path("", include("ris.web.views_saved")),
]
