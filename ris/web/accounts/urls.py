"""Addresses of one's own account; password and second factor are allauth's."""

from __future__ import annotations

from django.urls import path

from ris.web.accounts import views

urlpatterns = [
    path("account/", views.account, name="account"),
    path("session/", views.session, name="session"),
]
