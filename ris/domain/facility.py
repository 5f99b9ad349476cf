"""Sites, rooms, devices and practitioners: commands and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ris.domain.commands import Command, Event
from ris.domain.values import Identifier, PersonName


class ResourceKind(StrEnum):
    ROOM = "ROOM"
    DEVICE = "DEVICE"
    STAFF = "STAFF"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSite(Command[str]):
    name: str
    institution: str = ""
    time_zone: str = ""
    address: str = ""
    patient_id_issuer: str = ""
    # Times that would leave a gap too short for any exam are not offered; None: as it is.
    avoids_gaps: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRoom(Command[str]):
    """Create or change a room; returns its public id."""

    name: str
    site: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterDevice(Command[str]):
    """Create or change a modality, by its AE title; returns its public id."""

    ae_title: str
    modality: str
    station_name: str = ""
    room: str = ""
    address: str = ""  # allowed source address or network (CIDR); empty: any
    character_sets: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPractitioner(Command[str]):
    name: PersonName
    identifier: Identifier | None = None
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRegistered(Event):
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRegistered(Event):
    room: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRegistered(Event):
    device: str
    ae_title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PractitionerRegistered(Event):
    practitioner: str
