"""AuditHit → AuditEvent (FHIR R4 6.4), shaped as IHE BALP has RESTful activities."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from integration.fhir import systems
from integration.fhir.from_domain import datatypes
from integration.fhir.from_domain.agents import who
from integration.fhir.from_domain.datatypes import Resource, Shown, compact
from ris.selectors.search.journal import OTHER, AuditHit, activity_of, outcome_of

EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"

REST = (EVENT_TYPE, "rest", "RESTful Operation")
_AUTHENTICATION = (systems.DCM, "110114", "User Authentication")
_ALERT = (systems.DCM, "110113", "Security Alert")
_QUERY = (systems.DCM, "110112", "Query")
_RECORD = (systems.DCM, "110110", "Patient Record")

# Activity → AuditEvent.type, .subtype of restful-interaction (or none), .action.
CODES: Mapping[str, tuple[tuple[str, str, str], str, str]] = {
    "token": (_AUTHENTICATION, "", "E"),
    "vread": (REST, "vread", "R"),
    "read": (REST, "read", "R"),
    "history": (REST, "history-instance", "R"),
    "search": (REST, "search", "E"),
    "operation": (REST, "operation", "E"),
    "create": (REST, "create", "C"),
    "update": (REST, "update", "U"),
    "patch": (REST, "patch", "U"),
    "delete": (REST, "delete", "D"),
    "transaction": (REST, "transaction", "E"),
    "view": (_RECORD, "", "R"),
    "query": (_QUERY, "", "E"),
    "refused": (_ALERT, "", "E"),
    "new": (_RECORD, "", "C"),
    "removal": (_RECORD, "", "D"),
    "run": (_RECORD, "", "E"),
    OTHER: (_RECORD, "", "U"),
    "client new": (REST, "create", "C"),
    "client removal": (REST, "delete", "D"),
    "client change": (REST, "update", "U"),
}
OUTCOMES: Mapping[str, str] = {"success": "0", "refusal": "4", "fault": "8"}

TYPES: Mapping[str, str] = {activity: row[0][1] for activity, row in CODES.items()}
SUBTYPES: Mapping[str, str] = {activity: row[1] for activity, row in CODES.items()}
ACTIONS: Mapping[str, str] = {activity: row[2] for activity, row in CODES.items()}

# Table of the core → type of its rows over FHIR.
RESOURCES: Mapping[str, str] = {
    "Appointment": "Appointment",
    "Device": "Device",
    "Order": "ServiceRequest",
    "Patient": "Patient",
    "PerformedProcedureStep": "Procedure",
    "Practitioner": "Practitioner",
    "Report": "DiagnosticReport",
    "Room": "Location",
    "ScheduledProcedureStep": "Task",
    "Site": "Organization",
    "Visit": "Encounter",
}
MOST_PATIENTS = 100


def audit_event(hit: AuditHit, shown: Shown) -> Resource:
    (system, code, display), interaction, action = CODES[activity_of(hit.action, hit.actor.kind)]
    outcome = outcome_of(hit.outcome)
    reason = str(hit.detail.get("reason", ""))
    return datatypes.resource(
        "AuditEvent",
        hit.public_id,
        "1",
        hit.at,
        type={"system": system, "code": code, "display": display},
        subtype=[{"system": INTERACTION, "code": interaction}] if interaction else [],
        action=action,
        recorded=datatypes.instant(hit.at),
        outcome=OUTCOMES[outcome],
        outcomeDesc=reason or (hit.outcome if outcome != "success" else ""),
        agent=[_agent(hit)],
        source={
            "observer": _observer(shown),
            "type": [{"system": SOURCE_TYPE, "code": "4", "display": "Application Server"}],
        },
        entity=[*_patients(hit), *_subject(hit), *_query(hit), *_details(hit)],
    )


def _observer(shown: Shown) -> Resource:
    known = shown.directory
    if not known.site:
        return {"display": "RIS"}
    return datatypes.reference("Organization", known.site, known.site_name)


def _agent(hit: AuditHit) -> Resource:
    return compact(
        {
            "type": datatypes.coded(systems.DCM, "110153"),
            "who": who(hit.actor),
            "altId": hit.actor.name,
            "name": hit.actor.name,
            "requestor": True,
            "network": {"address": hit.actor.address, "type": "2"} if hit.actor.address else None,
        }
    )


def _patients(hit: AuditHit) -> list[Resource]:
    return [
        {
            "what": datatypes.reference("Patient", key),
            "type": {"system": ENTITY_TYPE, "code": "1", "display": "Person"},
            "role": {"system": OBJECT_ROLE, "code": "1", "display": "Patient"},
        }
        for key in hit.patients[:MOST_PATIENTS]
    ]


def _subject(hit: AuditHit) -> list[Resource]:
    """What it was about: as the view names it (``Task/…``), or as the core does (``Order …``)."""
    table, blank, key = hit.subject.partition(" ")
    kind = RESOURCES.get(table, "") if blank else ""
    if not kind:
        kind, slash, key = hit.subject.partition("/")
        kind = kind if slash and key and kind.isalpha() else ""
    named = {(kind, key)} if kind else set()
    if hit.order:
        named.add(("ServiceRequest", hit.order))
    return [
        {
            "what": datatypes.reference(*each),
            "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
            "role": {"system": OBJECT_ROLE, "code": "4", "display": "Domain Resource"},
        }
        for each in sorted(named)
        if each[0] != "Patient" or each[1] not in hit.patients
    ]


def _query(hit: AuditHit) -> list[Resource]:
    query = hit.detail.get("query")
    if not query or not hit.action.startswith("FHIR "):
        return []
    kind = hit.action.split()[-1]
    text = f"{kind}?{query}"
    return [
        {
            "type": {"system": ENTITY_TYPE, "code": "2", "display": "System Object"},
            "role": {"system": OBJECT_ROLE, "code": "24", "display": "Query"},
            "query": base64.b64encode(text.encode()).decode(),
        }
    ]


def _details(hit: AuditHit) -> list[Resource]:
    """What the core calls it, and the request it belongs to."""
    details = [{"type": "action", "valueString": hit.action}]
    if hit.correlation and " " not in hit.correlation:  # no header has one: it is ours
        details.append({"type": "X-Request-Id", "valueString": hit.correlation})
    if hit.detail.get("count"):
        details.append({"type": "count", "valueString": str(hit.detail["count"])})
    return [
        {
            "type": {"system": ENTITY_TYPE, "code": "4", "display": "Other"},
            "name": hit.action,
            "detail": details,
        }
    ]
