"""Addresses of logins and one's own account; password and second factor are allauth's."""

from __future__ import annotations

from django.urls import path

from ris.web.accounts import logins, views

urlpatterns = [
    path("account/", views.account, name="account"),
    path("users/", logins.logins, name="users"),
    path("users/<int:key>/", logins.login, name="user"),
    path("users/<int:key>/password/", logins.give_password, name="user-password"),
    path("users/<int:key>/lock/", logins.lock_out, name="user-lock"),
    path("session/", views.session, name="session"),
]
