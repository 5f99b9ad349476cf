"""Addresses of mapping without code."""

from __future__ import annotations

from django.urls import path

from ris.web.mapping import bench, editor

urlpatterns = [
    path("interfaces/mappings/", editor.mapping_list, name="mappings"),
    path("interfaces/try/", bench.bench, name="try-message"),
    path("interfaces/<uuid:key>/mapping/", editor.edit, name="mapping"),
    path("interfaces/<uuid:key>/mapping/export/", editor.export, name="mapping-export"),
    path("interfaces/<uuid:key>/mapping/dry-run/", bench.dry_run, name="mapping-dry-run"),
    path(
        "interfaces/<uuid:key>/mapping/<int:version>/",
        editor.roll_back,
        name="mapping-roll-back",
    ),
]
