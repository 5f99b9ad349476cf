"""Addresses below ``/fhir/`` (FHIR R4 3.1.0.1.1), each with and without a trailing slash."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from integration.fhir import views

_TYPE = r"(?P<kind>[A-Z][A-Za-z]{1,63})"
_ID = r"(?P<public_id>[A-Za-z0-9\-.]{1,64})"
_VERSION = r"(?P<version>[A-Za-z0-9\-.]{1,64})"

urlpatterns: list[URLPattern] = [
    re_path(r"^metadata/?$", views.MetadataView.as_view()),
    re_path(rf"^{_TYPE}/?$", views.TypeView.as_view()),
    re_path(rf"^{_TYPE}/_search/?$", views.SearchFormView.as_view()),
    re_path(rf"^{_TYPE}/{_ID}/?$", views.InstanceView.as_view()),
    re_path(rf"^{_TYPE}/{_ID}/_history/{_VERSION}/?$", views.VersionView.as_view()),
    re_path(r"^.*$", views.UnknownView.as_view()),
]
