"""The stored configuration as the tables of a site file."""

from __future__ import annotations

import hashlib

from django.db.models import F

from ris.domain.actors import Role
from ris.domain.configuration_file import TABLE, Record, Tables, render
from ris.domain.discontinuation import FOLLOW_UPS
from ris.domain.opening_hours import format_hours
from ris.models import (
    CodeMap,
    ConfigurationVersion,
    Device,
    Endpoint,
    MappingVersion,
    ProcedureDefinition,
    ResourceHours,
    Room,
    Site,
    StepTemplate,
    User,
)


def stored() -> Tables:
    """Everything a site file can say, as it is now; each record has every name."""
    mappings = {
        (row.endpoint_id, row.number): row.content
        for row in MappingVersion.objects.filter(number=F("endpoint__mapping_version"))
    }
    return {
        "site": [_plain("site", row) for row in Site.objects.order_by("name")],
        "room": _rooms(),
        "device": [
            {**_plain("device", row), "room": row.room.name if row.room else ""}
            for row in Device.objects.select_related("room").order_by("ae_title")
        ],
        "procedure": _procedures(),
        "follow_up": [
            {
                "code": row.source_value,
                "scheme": row.source_scheme,
                "then": row.target.get("value", ""),
            }
            for row in CodeMap.objects.filter(table=FOLLOW_UPS, endpoint=None).order_by(
                "source_scheme", "source_value"
            )
        ],
        "endpoint": [
            {
                **_plain("endpoint", row),
                "sends": sorted(row.sends),
                "mapping": mappings.get((row.pk, row.mapping_version), {}),
            }
            # Those of subscriptions are their clients', who make them anew where they need them.
            for row in Endpoint.objects.filter(subscription=None).order_by(
                "protocol", "direction", "name"
            )
        ],
        "user": _users(),
    }


def digest(tables: Tables) -> str:
    """One number for a configuration, so that a plan is applied only to what it was made for."""
    return hashlib.sha256(render(tables).encode()).hexdigest()


def previous() -> str | None:
    """The file that puts back what was there before the last one was applied."""
    row = ConfigurationVersion.objects.order_by("-id").first()
    return row.content if row else None


def _plain(table: str, row: object) -> Record:
    return {name: getattr(row, name) for name in TABLE[table].fields if hasattr(row, name)}


def _rooms() -> list[Record]:
    hours: dict[int, list[ResourceHours]] = {}
    for row in ResourceHours.objects.all():
        hours.setdefault(row.resource_id, []).append(row)
    return [
        {
            "name": room.name,
            "hours": format_hours(
                [(row.weekday, row.opens, row.closes) for row in hours.get(room.resource_id, [])]
            ),
        }
        for room in Room.objects.order_by("name")
    ]


def _procedures() -> list[Record]:
    steps: dict[int, list[Record]] = {}
    for step in StepTemplate.objects.order_by("position"):
        steps.setdefault(step.definition_id, []).append(
            {
                "modality": step.modality,
                "description": step.description,
                "duration_minutes": step.duration_minutes,
                "protocol_codes": step.protocol_codes,
            }
        )
    return [
        {
            **_plain("procedure", row),
            "version": row.code_version,
            "name": row.meaning,
            "steps": steps.get(row.pk, []),
        }
        for row in ProcedureDefinition.objects.order_by("scheme", "code", "code_version")
    ]


def _users() -> list[Record]:
    known = {role.value for role in Role}
    return [
        {
            **_plain("user", row),
            "roles": sorted(group.name for group in row.groups.all() if group.name in known),
            "active": row.is_active,
        }
        for row in User.objects.prefetch_related("groups").order_by("username")
    ]
