"""ChangeHit → Provenance (FHIR R4 6.3): who changed what, when, because of which message."""

from __future__ import annotations

from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.agents import who
from integration.fhir.from_domain.auditevent import RESOURCES
from integration.fhir.from_domain.datatypes import Resource, Shown
from ris.selectors.search.journal import ChangeHit

OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
AGENT_TYPE = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

_CREATES = ("Added", "Booked", "Created", "Kept", "Opened", "Placed", "Registered", "Started")
_DELETES = ("Deleted", "Removed")


def provenance(hit: ChangeHit, shown: Shown) -> Resource:
    table, key = hit.target
    kind = RESOURCES.get(table, table)
    targets = [datatypes.reference(kind, key)]
    if hit.patient and (kind, key) != ("Patient", hit.patient):
        targets.append(datatypes.reference("Patient", hit.patient))
    return datatypes.resource(
        "Provenance",
        hit.public_id,
        "1",
        hit.at,
        target=targets,
        recorded=datatypes.instant(hit.at),
        activity={
            "coding": [{"system": OPERATION, "code": _operation(hit.name)}],
            "text": hit.name,
        },
        agent=[
            {
                "type": datatypes.coded(AGENT_TYPE, "author"),
                "who": who(hit.actor),
            }
        ],
        entity=[_message(hit)] if hit.message else [],
    )


def _operation(name: str) -> str:
    if name.endswith(_CREATES):
        return "CREATE"
    return "DELETE" if name.endswith(_DELETES) else "UPDATE"


def _message(hit: ChangeHit) -> Resource:
    """The message as it came; messages are no FHIR resources, so by its number here."""
    return {
        "role": "source",
        "what": {
            "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{hit.message}"},
            "display": hit.message_type,
        },
    }
