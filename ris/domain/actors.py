"""Who asks: a person, a peer system, a device, an API client, a timer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ActorKind(StrEnum):
    USER = "user"  # a person at a page
    ENDPOINT = "endpoint"  # an HL7 or FHIR peer
    DEVICE = "device"  # a modality, by AE title
    CLIENT = "client"  # an API token
    TIMER = "timer"  # our own clock
    OPERATOR = "operator"  # the command line
    PATIENT = "patient"  # whoever holds the link of an appointment and knows the birth date


class Role(StrEnum):
    """What an actor may be; a user can have several."""

    SCHEDULER = "scheduler"
    FRONTDESK = "frontdesk"
    TECHNOLOGIST = "technologist"
    RADIOLOGIST = "radiologist"
    RESIDENT = "resident"  # reads and writes; an attending radiologist signs final
    MANAGER = "manager"
    ADMIN = "admin"
    REFERRER = "referrer"  # a doctor who orders: own patients' orders and results, nothing else
    INTERFACE = "interface"  # an HL7 or FHIR peer
    MODALITY = "modality"  # a DICOM device
    SYSTEM = "system"  # timers and the command line
    PATIENT = "patient"  # at the page of one appointment


# Nobody logs in as one of these: machines, our own clock, and patients, who have a link.
NO_LOGINS = frozenset({Role.INTERFACE, Role.MODALITY, Role.SYSTEM, Role.PATIENT})

# Whoever logs in at all.
LOGINS = frozenset(Role) - NO_LOGINS
# Whoever has one of these sees nothing but its own pages, whatever else the login may be.
CONFINED = frozenset({Role.REFERRER})


@dataclass(frozen=True, slots=True)
class Actor:
    """``name`` is what the audit shows: a login, an endpoint name, an AE title."""

    kind: ActorKind
    name: str
    roles: frozenset[Role] = field(default_factory=frozenset)
    user_id: int | None = None
    endpoint_id: int | None = None
    address: str = ""
    display: str = ""
    appointment: str = ""  # a patient's: the only one that may be acted on, by public id

    def has(self, *roles: Role) -> bool:
        return not self.roles.isdisjoint(roles)

    @property
    def is_confined(self) -> bool:
        return not self.roles.isdisjoint(CONFINED)


TIMER = Actor(ActorKind.TIMER, "timer", frozenset({Role.SYSTEM}))
OPERATOR = Actor(ActorKind.OPERATOR, "command line", frozenset({Role.SYSTEM}))


def endpoint_actor(name: str, endpoint_id: int | None, address: str = "") -> Actor:
    """The actor for a message from an HL7 or FHIR peer."""
    return Actor(
        ActorKind.ENDPOINT,
        name,
        frozenset({Role.INTERFACE}),
        endpoint_id=endpoint_id,
        address=address,
    )


def device_actor(ae_title: str, address: str = "") -> Actor:
    """The actor for a DICOM association."""
    return Actor(ActorKind.DEVICE, ae_title, frozenset({Role.MODALITY}), address=address)


def patient_actor(appointment: str, address: str = "") -> Actor:
    """The actor at the page of one appointment; the door lets it act on that one only."""
    return Actor(
        ActorKind.PATIENT,
        "patient",
        frozenset({Role.PATIENT}),
        address=address,
        appointment=appointment,
    )
