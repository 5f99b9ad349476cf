"""Addresses about reading and reports."""

from __future__ import annotations

from django.urls import path

from ris.web.reporting import (
    archive_views,
    critical_views,
    editor_views,
    history_views,
    presence_views,
    prior_views,
    reading_setup_views,
    reading_views,
    sections,
    signing_views,
    together_views,
    views,
)

urlpatterns = [
    path("reading/", reading_views.reading_list, name="reading"),
    path("reading/open/", reading_views.open_report, name="reading-open"),
    path("reading/next/", reading_views.open_next, name="reading-next"),
    path("reading/skip/", reading_views.skip, name="reading-skip"),
    path("reading/mine/", reading_setup_views.mine, name="reading-mine"),
    path("reading/targets/", reading_setup_views.target_times, name="reading-targets"),
    path("reports/<uuid:key>/presence/", presence_views.presence, name="report-presence"),
    path("reports/<uuid:key>/changed/", presence_views.changed, name="report-changed"),
    path("reports/<uuid:key>/take-over/", presence_views.take_over, name="report-take-over"),
    path("reports/<uuid:key>/release/", presence_views.release, name="report-release"),
    path("reports/<uuid:key>/archive/", archive_views.archive, name="report-archive"),
    path("reports/<uuid:key>/priors/", prior_views.priors, name="report-priors"),
    path("reports/<uuid:key>/prior/", prior_views.prior, name="report-prior"),
    path("images/<uuid:key>/", prior_views.images, name="images"),
    path("reports/<uuid:key>/", views.report, name="report"),
    path("reports/<uuid:key>/print/", views.printed, name="report-print"),
    path("reports/<uuid:key>/exam/", sections.exam, name="report-exam"),
    path("reports/<uuid:key>/receipts/", sections.deliveries, name="report-receipts"),
    path("reports/<uuid:key>/findings/", sections.critical_findings, name="report-findings"),
    path("reports/<uuid:key>/together/", together_views.together, name="report-together"),
    path("reports/<uuid:key>/cover/", together_views.cover, name="report-cover"),
    path("reports/<uuid:key>/draft/", editor_views.autosave, name="report-draft"),
    path("reports/<uuid:key>/sign/", signing_views.sign, name="report-sign"),
    path("reports/<uuid:key>/discard/", views.discard, name="report-discard"),
    path("reports/<uuid:key>/addendum/", signing_views.addendum, name="report-addendum"),
    path("reports/<uuid:key>/correct/", signing_views.correct, name="report-correct"),
    path("reports/<uuid:key>/retract/", signing_views.retract, name="report-retract"),
    path("reports/<uuid:key>/return/", signing_views.give_back, name="report-return"),
    path("reports/<uuid:key>/attending/", signing_views.choose, name="report-attending"),
    path("reports/<uuid:key>/differences/", history_views.compared, name="report-differences"),
    path("reports/<uuid:key>/readers/", history_views.readers, name="report-readers"),
    path("reports/<uuid:key>/critical/", critical_views.critical, name="report-critical"),
    path(
        "critical/<uuid:key>/acknowledge/", critical_views.acknowledge, name="critical-acknowledge"
    ),
]
