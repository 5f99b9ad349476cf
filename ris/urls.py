"""Addresses; the edges are named by string only (DESIGN 4)."""

from __future__ import annotations

from importlib.util import find_spec

from allauth.account import views as account_views
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from ris import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("account/", include("allauth.urls")),
    path("login/", account_views.login, name="account_login"),
    path("logout/", account_views.logout, name="account_logout"),
    path("admin/", admin.site.urls),
]

for route, module in (
    ("fhir/", "integration.fhir.urls"),
    ("dicom-web/", "worklist.web.urls"),
    ("", "ris.web.urls"),
):
    package, _, _ = module.rpartition(".")
    if find_spec(package) is not None and find_spec(module) is not None:
        urlpatterns.append(path(route, include(module)))
