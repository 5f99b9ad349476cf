"""Sites, rooms, devices, practitioners."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from ris.domain.actors import Role
from ris.domain.errors import InvalidValueError, MissingValueError, UnknownKeyError
from ris.domain.facility import (
    DeviceRegistered,
    PractitionerRegistered,
    RegisterDevice,
    RegisterPractitioner,
    RegisterRoom,
    RegisterSite,
    ResourceKind,
    RoomRegistered,
    SiteRegistered,
)
from ris.domain.values import require_text
from ris.models import Device, Practitioner, Resource, Room, Site
from ris.services._context import Context


def _anything(settings: Mapping[str, Any], character_sets: Sequence[str]) -> None:
    """Without an edge that speaks to devices nothing is known of their settings."""


# Raises InvalidValueError for settings that mean nothing; the DICOM edge sets it when it starts.
check_device: Callable[[Mapping[str, Any], Sequence[str]], None] = _anything


def register_site(command: RegisterSite, context: Context) -> str:
    if command.time_zone:
        try:
            ZoneInfo(command.time_zone)
        except (KeyError, ValueError, OSError):
            raise InvalidValueError("no such time zone", path="time_zone") from None
    site, _ = Site.objects.update_or_create(
        name=require_text(command.name, path="name", limit=100, name="name"),
        defaults={
            "institution": require_text(
                command.institution, path="institution", limit=64, name="institution"
            ),
            "time_zone": command.time_zone,
            "address": command.address,
            "patient_id_issuer": command.patient_id_issuer,
            **({} if command.avoids_gaps is None else {"avoids_gaps": command.avoids_gaps}),
        },
    )
    context.emit(SiteRegistered(site=str(site.public_id)), subject=site)
    return str(site.public_id)


def register_room(command: RegisterRoom, context: Context) -> str:
    return str(_room(command.name, command.site, context).public_id)


def _room(name: str, site_name: str, context: Context) -> Room:
    name = require_text(name, path="room", limit=64, name="room")
    if not name:
        raise MissingValueError("a room needs a name", path="room")
    room = Room.objects.filter(name=name).first()
    if room is not None:
        return room
    site = (
        Site.objects.filter(name=site_name).first()
        if site_name
        else Site.objects.order_by("id").first()
    )
    if site_name and site is None:
        raise UnknownKeyError("no such site", path="site")
    resource = Resource.objects.create(kind=ResourceKind.ROOM.value, name=name, site=site)
    room = Room.objects.create(name=name, site=site, resource=resource)
    context.emit(RoomRegistered(room=str(room.public_id)), subject=room)
    return room


def register_device(command: RegisterDevice, context: Context) -> str:
    ae_title = require_text(command.ae_title, path="ae_title", limit=16, name="AE title")
    if not ae_title or not ae_title.isascii():
        raise InvalidValueError("an AE title is 1 to 16 ASCII characters", path="ae_title")
    modality = require_text(command.modality, path="modality", limit=16, name="modality").upper()
    if not modality:
        raise MissingValueError("a device needs a modality", path="modality")
    if command.address:
        try:
            ipaddress.ip_network(command.address, strict=False)
        except ValueError:
            raise InvalidValueError(
                "the address is an IP address or a network like 10.1.2.0/24", path="address"
            ) from None
    check_device(command.settings, command.character_sets)
    values = {
        "modality": modality,
        "station_name": require_text(
            command.station_name, path="station_name", limit=16, name="station name"
        ),
        "room": _room(command.room, "", context) if command.room else None,
        "address": command.address,
        "character_sets": list(command.character_sets),
        "settings": command.settings,
        "active": command.active,
    }
    device = Device.objects.filter(ae_title=ae_title).first()
    if device is None:
        resource = Resource.objects.create(kind=ResourceKind.DEVICE.value, name=ae_title)
        device = Device(ae_title=ae_title, resource=resource)
    for name, value in values.items():
        setattr(device, name, value)
    device.save()
    _keep_in_step(device)
    context.emit(DeviceRegistered(device=str(device.public_id), ae_title=ae_title), subject=device)
    return str(device.public_id)


def _keep_in_step(device: Device) -> None:
    """What is booked is in use while the device is, and where its room is."""
    site = device.room.site if device.room is not None else None
    resource = device.resource
    if (resource.active, resource.site_id) != (device.active, site.pk if site else None):
        resource.active, resource.site = device.active, site
        resource.save(update_fields=["active", "site", "updated_at"])


def register_practitioner(command: RegisterPractitioner, context: Context) -> str:
    identifier = command.identifier
    if not command.name:
        raise MissingValueError("a practitioner needs a name", path="name")
    values = {"name": str(command.name), "phone": command.phone, "email": command.email}
    if identifier is not None and identifier.value:
        row, _ = Practitioner.objects.update_or_create(
            identifier=identifier.value, issuer=identifier.issuer, defaults=values
        )
    else:
        row = Practitioner.objects.create(
            name=values["name"], phone=values["phone"], email=values["email"]
        )
    context.emit(PractitionerRegistered(practitioner=str(row.public_id)), subject=row)
    return str(row.public_id)


HANDLERS = {
    RegisterSite: register_site,
    RegisterRoom: register_room,
    RegisterDevice: register_device,
    RegisterPractitioner: register_practitioner,
}

_SETUP = {Role.ADMIN, Role.SYSTEM}

PERMISSIONS = {
    RegisterSite: _SETUP,
    RegisterRoom: _SETUP | {Role.MANAGER},
    RegisterDevice: _SETUP,
    RegisterPractitioner: _SETUP | {Role.MANAGER, Role.INTERFACE},
}
