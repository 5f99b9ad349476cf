"""Who did something, for AuditEvent.agent and Provenance.agent (FHIR R4 6.3, 6.4)."""

from __future__ import annotations

from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.datatypes import Resource
from ris.selectors.search.journal import ActorView

ACTOR = "urn:ris:actor:"
NOBODY = "unknown"


def who(actor: ActorView) -> Resource:
    """A device or a person by reference where it is registered; the others by what they are called
    here, as a client, an interface and a clock are no resources."""
    name = actor.name or NOBODY
    if actor.device:
        return datatypes.reference("Device", actor.device, name)
    if actor.practitioner:
        return datatypes.reference("Practitioner", actor.practitioner, name)
    return {"identifier": {"system": f"{ACTOR}{actor.kind}", "value": name}, "display": name}
