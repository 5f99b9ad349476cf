"""Addresses about breast exams."""

from __future__ import annotations

from django.urls import path

from ris.web.mammography import letter_views, report_views, setup_views, views

urlpatterns = [
    path("mammography/", views.recalls, name="mammography"),
    path("mammography/outcomes/", views.outcomes, name="mammography-outcomes"),
    path("mammography/exams/<uuid:key>/", views.exam, name="mammography-exam"),
    path("mammography/exams/<uuid:key>/pathology/", views.pathology, name="mammography-pathology"),
    path("mammography/pathology/<uuid:key>/withdraw/", views.withdraw_pathology,
         name="mammography-pathology-withdraw"),
    path("mammography/recalls/<uuid:key>/close/", views.close, name="mammography-close"),
    path("mammography/recalls/<uuid:key>/reopen/", views.reopen, name="mammography-reopen"),
    path("mammography/letters/", letter_views.letters, name="mammography-letters"),
    path("mammography/letters/print/", letter_views.printed, name="mammography-letters-print"),
    path("mammography/letters/sent/", letter_views.sent, name="mammography-letters-sent"),
    path("mammography/letters/<uuid:key>/stop/", letter_views.stop, name="mammography-letter-stop"),
    path("mammography/letters/<uuid:key>/", letter_views.letter, name="mammography-letter"),
    path("mammography/patients/<uuid:key>/choice/", letter_views.choice,
         name="mammography-choice"),
    path("mammography/setup/", setup_views.setup, name="mammography-setup"),
    path("mammography/setup/rules/", setup_views.rules, name="mammography-rules"),
    path("mammography/setup/texts/<slug:kind>/<slug:language>/", setup_views.text,
         name="mammography-text"),
    path("reports/<uuid:key>/assessment/", report_views.assess, name="report-assessment"),
    path("reports/<uuid:key>/reassessment/", report_views.reassess, name="report-reassessment"),
]  # fmt: skip
