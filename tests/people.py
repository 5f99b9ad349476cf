"""The cast: one actor per role, and an outsider who may do nothing."""

from __future__ import annotations

from ris.domain.actors import Actor, ActorKind, Role, device_actor, endpoint_actor


def _user(name: str, *roles: Role) -> Actor:
    return Actor(ActorKind.USER, name, frozenset(roles), address="127.0.0.1")


scheduler = _user("scheduler", Role.SCHEDULER)
frontdesk = _user("frontdesk", Role.FRONTDESK)
technologist = _user("technologist", Role.TECHNOLOGIST)
radiologist = _user("radiologist", Role.RADIOLOGIST)
resident = _user("resident", Role.RESIDENT)
manager = _user("manager", Role.MANAGER)
admin = _user("admin", Role.ADMIN)
outsider = _user("outsider")
ehr = endpoint_actor("EHR", None, "127.0.0.1")
ct1 = device_actor("CT1", "127.0.0.1")

EVERYBODY = (
    scheduler,
    frontdesk,
    technologist,
    radiologist,
    resident,
    manager,
    admin,
    outsider,
    ehr,
    ct1,
)
