"""Where another scheduler put an exam: its names of devices and rooms, as devices of ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ris.domain.errors import (
    InvalidValueError,
    SlotTakenError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.local_time import ended
from ris.domain.places import Place
from ris.domain.scheduling import ScheduledService
from ris.models import Appointment, Device, ScheduledProcedureStep
from ris.services.scheduling.resources import is_taken, resources_of


def devices_of(service: ScheduledService) -> list[Device]:
    """Those that the service names, by station or else by room."""
    if not service.stations and not service.rooms:
        return []
    active = active_devices()
    rooms = {name.casefold() for name in service.rooms}
    named = called(active, service.stations)
    named = named or [device for device in active if _rooms(device) & rooms]
    return [device for device in named if not _taken_out(service, device)]


def active_devices() -> list[Device]:
    return list(
        Device.objects.filter(active=True)
        .select_related("resource", "room__resource", "room__site")
        .order_by("ae_title")
    )


def called(devices: Sequence[Device], names: Sequence[str]) -> list[Device]:
    """Those whose AE title is one of ``names``, else those whose station name is: maybe several."""
    wanted = {name.casefold() for name in names}
    by_title = [device for device in devices if device.ae_title.casefold() in wanted]
    return by_title or [device for device in devices if device.station_name.casefold() in wanted]


def _names(device: Device) -> set[str]:
    return {device.ae_title.casefold(), device.station_name.casefold()}


def _rooms(device: Device) -> set[str]:
    return {device.room.name.casefold()} if device.room else set()


def _taken_out(service: ScheduledService, device: Device) -> str:
    """By which of its names a device was taken out of the service; the place of that."""
    if _names(device) & {name.casefold() for name in service.no_stations}:
        return Place.STATION
    return "room" if _rooms(device) & {name.casefold() for name in service.no_rooms} else ""


def device_for(
    service: ScheduledService,
    step: ScheduledProcedureStep,
    start_at: datetime,
    minutes: int,
    *,
    present: Appointment | None = None,
    overbook: bool,
) -> Device:
    """The device of the service, else where it is booked, else the first suitable that is free.

    Where it is booked over, the first suitable one if none is free. Raises StateConflictError if
    the one where it is booked was taken out and no other one is named.
    """
    kept = present.device if present is not None else None
    if service.stations or service.rooms:
        devices = devices_of(service)
        path = Place.STATION if service.stations else "room"
        if not devices and kept is not None:
            _require_kept(service, kept)
        if not devices:
            raise UnknownKeyError("no device of ours goes by this name", path=path)
        suited = [device for device in devices if device.modality == step.modality]
        if not suited:
            raise InvalidValueError(
                f"{devices[0].ae_title} is {devices[0].modality}, the exam needs {step.modality}",
                path=path,
            )
        suited.sort(key=lambda device: device != kept)  # of several in a room the one it has
        return _free(suited, start_at, minutes, but=present) or suited[0]
    if kept is not None:
        _require_kept(service, kept)
        return kept
    suited = [
        device
        for device in active_devices()
        if device.modality == step.modality and not _taken_out(service, device)
    ]
    if not suited:
        raise UnknownKeyError(f"no device of ours is {step.modality}", path=Place.STATION)
    free = _free(suited, start_at, minutes)
    if free is None and not overbook:
        raise SlotTakenError("every suitable device is taken at that time", path=Place.START_AT)
    return free or suited[0]


def _require_kept(service: ScheduledService, device: Device) -> None:
    if path := _taken_out(service, device):
        raise StateConflictError(
            f"the exam needs {device.ae_title}: name another device instead, or take the service"
            " out",
            path=path,
        )


def _free(
    devices: Sequence[Device],
    start_at: datetime,
    minutes: int,
    *,
    but: Appointment | None = None,
) -> Device | None:
    end_at = ended(start_at, minutes)
    for device in devices:
        if not is_taken(resources_of(device), start_at, end_at, but=but):
            return device
    return None
