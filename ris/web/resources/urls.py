"""Addresses about resources."""

from __future__ import annotations

from django.urls import path

from ris.web.resources import blocks, closing, files, grouping, views

urlpatterns = [
    path("resources/", views.resource_list, name="resources"),
    path("resources/new/room/", views.new, {"kind": "room"}, name="room-new"),
    path("resources/new/staff/", views.new, {"kind": "staff"}, name="staff-new"),
    path("resources/groups/", grouping.groups, name="resource-groups"),
    path("resources/groups/<uuid:key>/", grouping.groups, name="resource-group"),
    path("resources/groups/<uuid:key>/remove/", grouping.remove_group, name="group-remove"),
    path("resources/holidays/", grouping.holidays, name="holidays"),
    path("resources/holidays/<uuid:key>/remove/", grouping.remove_holiday, name="holiday-remove"),
    path("resources/files/", files.files, name="resource-files"),
    path("resources/files/<slug:name>.csv", files.download, name="resource-download"),
    path("resources/files/<slug:name>/", files.upload, name="resource-upload"),
    path("resources/blocks/<uuid:key>/", blocks.block, name="block"),
    path("resources/blocks/<uuid:key>/release/", blocks.release, name="block-release"),
    path("resources/blocks/<uuid:key>/remove/", blocks.remove, name="block-remove"),
    path("resources/<uuid:key>/", views.show_resource, name="resource"),
    path("resources/<uuid:key>/hours/", views.save_hours, name="resource-hours"),
    path("resources/<uuid:key>/details/", views.save_details, name="resource-details"),
    path("resources/<uuid:key>/retire/", views.retire, name="resource-retire"),
    path("resources/<uuid:key>/restore/", views.restore, name="resource-restore"),
    path("resources/<uuid:key>/close/", closing.close, name="resource-close"),
    path(
        "resources/<uuid:key>/closures/<int:closure>/remove/",
        closing.reopen,
        name="closure-remove",
    ),
    path("resources/<uuid:key>/down/", closing.down, name="resource-down"),
    path("resources/<uuid:key>/up/", closing.up, name="resource-up"),
    path("resources/<uuid:key>/reserve/", blocks.reserve, name="resource-reserve"),
]
