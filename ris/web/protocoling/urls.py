"""Addresses of protocoling and authorization."""

from __future__ import annotations

from django.urls import path

from ris.web.protocoling import authorization, catalog, sheet, views

urlpatterns = [
    path("protocoling/", views.queue, name="protocoling"),
    path("protocoling/next/", views.next_one, name="protocoling-next"),
    path("protocoling/<uuid:key>/", views.procedure, name="protocoling-procedure"),
    path("protocoling/<uuid:key>/<str:action>/", views.act, name="protocoling-act"),
    path("catalog/protocols/", catalog.protocol_list, name="protocols"),
    path("catalog/protocols/new/", catalog.new, name="protocol-new"),
    path("catalog/protocols/starter/", catalog.starter, name="protocol-starter"),
    path("catalog/protocols/protocols.csv", sheet.download, name="protocol-download"),
    path("catalog/protocols/upload/", sheet.upload, name="protocol-upload"),
    path("catalog/protocols/needs/", catalog.needs, name="protocol-needs"),
    path("catalog/protocols/<uuid:key>/", catalog.protocol, name="protocol"),
    path("catalog/protocols/<uuid:key>/retire/", catalog.retire, name="protocol-retire"),
    path("authorization/", authorization.order_list, name="authorizations"),
    path("authorization/rules/", authorization.rules, name="authorization-rules"),
    path("authorization/<uuid:key>/request/", authorization.ask, name="authorization-request"),
    path("authorization/<uuid:key>/record/", authorization.record, name="authorization-record"),
]
