"""Addresses; the edges are named by string only (DESIGN 4)."""

from __future__ import annotations

from importlib.util import find_spec

from allauth.account import views as account_views
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

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
    # Also without the slash: clients POST to the base itself, and a redirect would lose the body.
    (r"^fhir(?:/|$)", "integration.fhir.urls"),
    (r"^api/v1(?:/|$)", "integration.rest.urls"),
    (r"^api/v1(?:/|$)", "integration.rest.urls"),
    (r"^dicom-web(?:/|$)", "worklist.web.urls"),
    (r"^", "ris.web.urls"),
):
    package, _, _ = module.rpartition(".")
    if find_spec(package) is not None and find_spec(module) is not None:
        urlpatterns.append(re_path(route, include(module)))

# With the number under which the log has it; Django's own page cannot know that.
handler500 = "ris.web.errors.server_error"
