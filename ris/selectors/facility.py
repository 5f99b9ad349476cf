"""Sites and devices as read models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from ris.models import Device, Site
from ris.models.prepared import Select
from ris.selectors.kept import Kept
from ris.selectors.resources import site_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    name: str
    institution: str
    time_zone: str
    patient_id_issuer: str
    address: str = ""
    public_id: str = ""  # empty: nothing was registered


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    public_id: str
    ae_title: str
    station_name: str
    modality: str
    room: str
    address: str
    character_sets: tuple[str, ...]
    settings: Mapping[str, Any]
    active: bool
    site: str = ""  # name; of the room's site


_SITES: Kept[SiteView] = Kept()
_SITE = Select(lambda: Site.objects.order_by("id")[:1])


@dataclass(slots=True)
class _Read:
    site: SiteView | None = None
    devices: list[DeviceView] | None = None


_READ: ContextVar[_Read | None] = ContextVar("read", default=None)


@contextmanager
def read_once() -> Iterator[None]:
    """Within, site and devices are read once: an explanation asks for them at every turn."""
    if _READ.get() is not None:
        yield
        return
    token = _READ.set(_Read())
    try:
        yield
    finally:
        _READ.reset(token)


def site() -> SiteView:
    """The site; where nothing was registered, what the settings say."""
    known = _READ.get()
    if known is not None and known.site is not None:
        return known.site
    rows, instances = _SITE.rows()
    found = _SITES.get("", rows, lambda: _site_view(instances()))
    if known is not None:
        known.site = found
    return found


def _site_view(found: Sequence[Site]) -> SiteView:
    if not found:
        return SiteView(
            name=settings.SITE_NAME,
            institution="",
            time_zone=settings.TIME_ZONE,
            patient_id_issuer="RIS",
        )
    return site_view(found[0])


def site_view(row: Site) -> SiteView:
    return SiteView(
        name=row.name,
        institution=row.institution,
        time_zone=row.time_zone or settings.TIME_ZONE,
        patient_id_issuer=row.patient_id_issuer or "RIS",
        address=row.address,
        public_id=str(row.public_id),
    )


def _view(row: Device) -> DeviceView:
    there = site_of(row)
    return DeviceView(
        public_id=str(row.public_id),
        ae_title=row.ae_title,
        station_name=row.station_name,
        modality=row.modality,
        room=row.room.name if row.room else "",
        address=row.address,
        character_sets=tuple(row.character_sets),
        settings=row.settings,
        active=row.active,
        site=there.name if there is not None else "",
    )


def devices() -> list[DeviceView]:
    """All devices, by AE title."""
    known = _READ.get()
    if known is not None and known.devices is not None:
        return list(known.devices)
    rows = Device.objects.select_related("room__site", "resource__site").order_by("ae_title")
    found = [_view(row) for row in rows]
    if known is not None:
        known.devices = list(found)
    return found


def device_by_ae(ae_title: str) -> DeviceView | None:
    if _READ.get() is not None:
        return next((one for one in devices() if one.ae_title == ae_title.strip()), None)
    row = (
        Device.objects.select_related("room__site", "resource__site")
        .filter(ae_title=ae_title.strip())
        .first()
    )
    return _view(row) if row else None
