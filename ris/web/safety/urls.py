"""Addresses of the safety questions."""

from __future__ import annotations

from django.urls import path

from ris.web.safety import catalog, views

urlpatterns = [
    path("safety/<uuid:key>/", views.questions, name="safety"),
    path("safety/<uuid:key>/override/", views.override, name="safety-override"),
    path("catalog/safety/", catalog.question_list, name="safety-catalog"),
    path("catalog/safety/new/", catalog.new, name="safety-question-new"),
    path("catalog/safety/starter/", catalog.starter, name="safety-starter"),
    path("catalog/safety/download/", catalog.download, name="safety-download"),
    path("catalog/safety/upload/", catalog.upload, name="safety-upload"),
    path("catalog/safety/<str:code>/", catalog.question, name="safety-question"),
    path("catalog/safety/<str:code>/retire/", catalog.retire, name="safety-question-retire"),
]
