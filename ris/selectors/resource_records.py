"""Resources, holidays and kept time as the rows of a file."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, time, timezone, tzinfo
from typing import Any

from django.db.models import Prefetch

from ris.domain.facility import ResourceKind
from ris.domain.local_time import comes_twice
from ris.domain.opening_hours import DAYS, by_day
from ris.models import Block, Holiday, Resource, ResourceGroup, ResourceHours
from ris.selectors.resources import zone_of

Record = dict[str, Any]


def resources(*kinds: ResourceKind) -> list[Record]:
    """Those of these kinds with their weekly hours, also what is out of use."""
    hours: dict[int, list[tuple[int, time, time]]] = defaultdict(list)
    words = [kind.value for kind in kinds]
    for each in ResourceHours.objects.filter(resource__kind__in=words):
        hours[each.resource_id].append((each.weekday, each.opens, each.closes))
    rows = (
        Resource.objects.filter(kind__in=words)
        .select_related("site", "staff__practitioner")
        .prefetch_related(Prefetch("groups", queryset=ResourceGroup.objects.order_by("name")))
        .order_by("kind", "name")
    )
    return [
        {
            **dict(zip(DAYS, by_day(hours[row.pk]), strict=True)),
            "kind": row.kind,
            "name": row.name,
            "site": row.site.name if row.site else "",
            "open_on_holidays": row.open_on_holidays,
            "gap_minutes": row.gap_minutes,
            "buffer_before_minutes": row.buffer_before_minutes,
            "buffer_after_minutes": row.buffer_after_minutes,
            "groups": tuple(group.name for group in row.groups.all()),
            "note": row.note,
            "in_use": row.active,
            **(_person(row) if row.kind == ResourceKind.STAFF.value else {}),
        }
        for row in rows
    ]


def _person(row: Resource) -> Record:
    practitioner = row.staff.practitioner
    return {
        "staff": str(row.staff.public_id),
        "skills": tuple(row.staff.skills),
        "practitioner": str(practitioner.public_id) if practitioner else "",
    }


def holidays() -> list[Record]:
    return [
        {
            "id": str(row.public_id),
            "date": row.date,
            "name": row.name,
            "site": row.site.name if row.site else "",
            "closed": True,
        }
        for row in Holiday.objects.select_related("site").order_by("date", "site__name")
    ]


def blocks() -> list[Record]:
    """Kept time; what was once is on the wall of the resource's site."""
    rows = Block.objects.select_related("resource__site").order_by(
        "resource__kind", "resource__name", "weekday", "opens", "start_at"
    )
    return [
        {
            "id": str(row.public_id),
            "kind": row.resource.kind,
            "resource": row.resource.name,
            "label": row.label,
            "weekday": row.weekday,
            "opens": row.opens,
            "closes": row.closes,
            "valid_from": row.valid_from,
            "valid_until": row.valid_until,
            "starts": _wall(row.start_at, zone_of(row.resource.site)),
            "ends": _wall(row.end_at, zone_of(row.resource.site)),
            "priorities": tuple(row.priorities),
            "modalities": tuple(row.modalities),
            "procedures": tuple(row.procedures),
            "departments": tuple(row.groups),
            "release_hours_before": row.release_hours_before,
            "reserved": True,
        }
        for row in rows
    ]


def _wall(at: datetime | None, zone: tzinfo) -> datetime | None:
    """Of a time that comes twice with its offset, which tells it from the other."""
    if at is None:
        return None
    wall = at.astimezone(zone).replace(second=0, microsecond=0)
    offset = wall.utcoffset() if comes_twice(at, zone) else None
    return wall.replace(tzinfo=None if offset is None else timezone(offset), fold=0)


def zone(kind: str, name: str) -> tzinfo:
    """The time zone of a resource; of one that is not there, that of the settings."""
    row = Resource.objects.select_related("site").filter(kind=kind, name=name).first()
    return zone_of(row.site if row else None)
