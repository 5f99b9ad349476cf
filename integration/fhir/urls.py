"""Addresses below ``/fhir/`` (FHIR R4 3.1.0.1.1), each with and without a trailing slash."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from integration.fhir.smart.views import SmartConfigurationView, TokenView
from integration.fhir.views import binary, history, operations, resources, searches, system

_TYPE = r"(?P<kind>[A-Z][A-Za-z]{1,63})"
_ID = r"(?P<public_id>[A-Za-z0-9\-.]{1,64})"
_VERSION = r"(?P<version>[A-Za-z0-9\-.]{1,64})"

_MEMBER = r"(?P<name>\*|[A-Z][A-Za-z]{1,63})"
_NAME = r"\$(?P<name>[A-Za-z0-9\-]{1,64})"

urlpatterns: list[URLPattern] = [
    re_path(r"^$", searches.BaseView.as_view()),
    re_path(r"^_search/?$", searches.SystemSearchView.as_view()),
    re_path(r"^metadata/?$", system.MetadataView.as_view()),
    re_path(r"^\.well-known/smart-configuration/?$", SmartConfigurationView.as_view()),
    re_path(r"^token/?$", TokenView.as_view()),
    re_path(rf"^{_NAME}/?$", operations.OperationView.as_view()),
    re_path(rf"^{_TYPE}/{_NAME}/?$", operations.OperationView.as_view()),
    re_path(rf"^{_TYPE}/{_ID}/{_NAME}/?$", operations.OperationView.as_view()),
    re_path(rf"^{_TYPE}/?$", resources.TypeView.as_view()),
    re_path(rf"^{_TYPE}/_search/?$", resources.SearchFormView.as_view()),
    re_path(rf"^(?P<kind>Binary)/{_ID}/?$", binary.BinaryView.as_view()),
    re_path(r"^_history/?$", history.HistoryView.as_view()),
    re_path(rf"^{_TYPE}/_history/?$", history.HistoryView.as_view()),
    re_path(rf"^{_TYPE}/{_ID}/_history/?$", history.HistoryView.as_view()),
    re_path(rf"^{_TYPE}/{_ID}/?$", resources.InstanceView.as_view()),
    re_path(rf"^{_TYPE}/{_ID}/_history/{_VERSION}/?$", history.VersionView.as_view()),
    re_path(rf"^{_TYPE}/{_ID}/{_MEMBER}/?$", searches.CompartmentView.as_view()),
    re_path(rf"^{_TYPE}/{_ID}/{_MEMBER}/_search/?$", searches.CompartmentFormView.as_view()),
    re_path(r"^.*$", system.UnknownView.as_view()),
]
