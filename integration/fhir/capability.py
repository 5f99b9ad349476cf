"""The CapabilityStatement (FHIR R4 5.1), made from the tables that do the work."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings

from integration.fhir import search
from integration.fhir.definitions.resources import DATE, parameter_url
from integration.fhir.formats import FHIR_JSON, FHIR_VERSION, FHIR_XML, JSON_PATCH, MERGE_PATCH
from integration.fhir.from_domain.datatypes import Resource, compact
from integration.fhir.operations import OPERATIONS
from integration.fhir.parameters import Parameter, ReferenceParameter
from integration.fhir.resources import KINDS, Kind, reverse_includes
from integration.fhir.subscriptions.topics import TOPICS
from integration.fhir.versions import is_versioned
from ris.version import version

SECURITY = (
    "Bearer tokens (RFC 6750): given by the token endpoint to clients with a key of their own "
    "(SMART App Launch 2.2 backend services, private_key_jwt by RS384 or ES384), or by the "
    "operator; with SMART on FHIR scopes such as system/ServiceRequest.cruds (version 2), the same "
    "narrowed to rows (system/ServiceRequest.rs?status=active) or system/Patient.read (version 1)."
)
_SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
# Where tokens come from is told by .well-known/smart-configuration only. The oauth-uris extension
# of SMART 1 makes clients such as fhirclient refuse to work with a token they were given.
_SECURITY = {
    "service": [
        {
            "coding": [
                {
                    "system": _SECURITY_SERVICE,
                    "code": "SMART-on-FHIR",
                    "display": "SMART-on-FHIR",
                }
            ]
        }
    ],
    "description": SECURITY,
}
SYSTEM = {
    "transaction": (
        "POST [base]: as a whole or not at all; entries refer to each other by fullUrl, or to what "
        "a search by identifier finds. The answer names what was written; with "
        "Prefer: return=representation it holds it."
    ),
    "batch": "POST [base]: each entry for itself; reads, searches and operations as well.",
    "history-system": "Newest first, of all types the token may read; _since, _at, _count.",
    "search-system": (
        "GET [base]?_type=A,B and POST [base]/_search; in a compartment [base]/Patient/[id]/*."
    ),
}
_DOCUMENTATION = {
    "vread": "Each version that was written over FHIR, or that this server has shown.",
    "history-instance": "Each committed change within a second; _since, _at, _count.",
    "patch": (
        "JSON Patch (RFC 6902), JSON Merge Patch (RFC 7396), and FHIRPath Patch with paths of "
        "elements, indexes, first(), last() and where() by equality."
    ),
}


def capability_statement(base: str) -> Resource:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "RIS", "version": version()},
        "implementation": {"description": "Radiology Information System", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": [FHIR_JSON, FHIR_XML, "json", "xml"],
        "patchFormat": [JSON_PATCH, MERGE_PATCH, FHIR_JSON],
        "rest": [
            {
                "mode": "server",
                "security": {**_SECURITY, "cors": bool(settings.CONFIG.fhir.cors_origins)},
                "resource": [dict(each) for each in _resources()],
                "interaction": [
                    {"code": code, "documentation": words} for code, words in SYSTEM.items()
                ],
                "searchParam": [
                    row for parameter in search.COMMON for row in _rows(KINDS["Patient"], parameter)
                ],
                **compact({"operation": _operations("")}),
            }
        ],
    }


@cache
def _resources() -> tuple[Resource, ...]:
    return tuple(_resource(KINDS[name]) for name in sorted(KINDS))


def _resource(kind: Kind) -> Resource:
    creates = "create" in kind.interactions
    return compact(
        {
            "extension": _topics() if kind.name == "Subscription" else [],
            "type": kind.name,
            "documentation": _words(kind),
            "interaction": [
                compact({"code": code, "documentation": _DOCUMENTATION.get(code)})
                for code in kind.interactions
            ],
            "versioning": "versioned",
            "readHistory": is_versioned(kind),
            "updateCreate": False,
            "conditionalCreate": creates,
            "conditionalRead": "full-support",
            "conditionalUpdate": creates and "update" in kind.interactions,
            "conditionalDelete": "single" if "delete" in kind.interactions else "not-supported",
            "referencePolicy": ["literal", "logical", "local"] if creates else ["literal"],
            "searchInclude": sorted(kind.includes),
            "searchRevInclude": sorted(reverse_includes(kind.name)),
            "searchParam": [
                row
                for name in sorted(kind.parameters)
                for row in _rows(kind, kind.parameters[name])
            ],
            "operation": _operations(kind.name),
        }
    )


def _words(kind: Kind) -> str:
    """What the type is here, and which parameters of R4 are not searched by, with the reason."""
    missing = [f"{name} ({why})" for name, why in sorted(kind.unsupported.items())]
    words = [kind.documentation, f"Not searched by: {'; '.join(missing)}." if missing else ""]
    return " ".join(word for word in words if word)


_TOPIC = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
    "capabilitystatement-subscriptiontopic-canonical"
)


def _topics() -> list[Resource]:
    """What can be subscribed to: R4 has no resource that could say it."""
    return [{"url": _TOPIC, "valueCanonical": canonical} for canonical in TOPICS]


def _operations(kind: str) -> list[Resource]:
    """The operations of a type and its instances; of the whole server for no type."""
    return [
        compact(
            {
                "name": each.name,
                "definition": each.definition,
                "documentation": each.documentation,
            }
        )
        for each in OPERATIONS
        if (kind in each.types if kind else not each.types)
    ]


def _rows(kind: Kind, parameter: Parameter) -> list[dict[str, Any]]:
    """A parameter, and each chain through it as a parameter of its own name."""
    words = [parameter.documentation]
    if parameter.modifiers:
        words.append(f"Modifiers: {', '.join(sorted(parameter.modifiers))}.")
    rows = [
        compact(
            {
                "name": parameter.name,
                "definition": parameter_url(kind.name, parameter),
                "type": parameter.type,
                "documentation": " ".join(word for word in words if word),
            }
        )
    ]
    if isinstance(parameter, ReferenceParameter):
        rows += [
            {"name": f"{parameter.name}.{chain}", "type": "token"} for chain in parameter.chains
        ]
    return rows
