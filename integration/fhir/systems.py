"""Issuers and coding schemes ↔ the URIs FHIR names them by.

HL7 v2 names an assigning authority by a short word or an OID, DICOM a coding scheme by a
designator (PS3.16 Table 8-1); FHIR names both by a URI. The rule is the same both ways, so what
came in by one protocol is found by the other:

====================================  ======================================
issuer as stored                      Identifier.system
====================================  ======================================
an OID ``1.2.3``                      ``urn:oid:1.2.3``
a URI                                 the same URI
any other name ``HOSP``               ``urn:ris:issuer:HOSP`` (percent-encoded)
none, a number this system gave       ``urn:ris:filler-order-number``,
                                      ``urn:ris:accession-number``
====================================  ======================================

A site that knows its word ``HOSP`` under a URI of its own says so in the code map ``issuer``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote, unquote

from ris.domain.errors import InvalidValueError
from ris.selectors.search.terms import UID

ISSUER = "urn:ris:issuer:"
FILLER_NUMBER = "urn:ris:filler-order-number"
ACCESSION_NUMBER = "urn:ris:accession-number"
_OWN = frozenset({FILLER_NUMBER, ACCESSION_NUMBER})
SCHEME = "urn:ris:scheme:"

IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
DICOM_UID = UID
DCM = "http://dicom.nema.org/resources/ontology/DCM"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"

# DICOM PS3.16 Table 8-1 and HL7 table 0396 designators; the first of a system is what is stored,
# the others are found as well.
CODE_SYSTEMS: Mapping[str, tuple[str, ...]] = {
    SNOMED: ("SCT",),  # not SRT, SNM3, 99SDM: they name other code values
    LOINC: ("LN",),
    DCM: ("DCM",),
    UCUM: ("UCUM",),
    "http://www.ama-assn.org/go/cpt": ("C4", "CPT", "CPT4"),
    "http://hl7.org/fhir/sid/icd-10": ("I10", "ICD10"),
    "http://hl7.org/fhir/sid/icd-10-cm": ("I10C", "ICD10CM"),
    "http://hl7.org/fhir/sid/icd-9-cm": ("I9C", "ICD9CM"),
    "http://radlex.org": ("RADLEX",),
    "http://playbook.radlex.org/playbook/SearchRadlexAction": ("RPID",),
    "http://www.nlm.nih.gov/research/umls/rxnorm": ("RXNORM",),
}
_SYSTEM_OF_SCHEME = {
    designator: system for system, names in CODE_SYSTEMS.items() for designator in names
}

_OID = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
ISSUER_LIMIT = 200
SCHEME_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Systems:
    """The rule with this site's own additions: URI → issuer."""

    issuers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def issuer(self, system: str, path: str = "") -> str:
        """The issuer for an Identifier.system."""
        if system in _OWN:
            return ""
        if system in self.issuers:
            return self.issuers[system]
        found = _name(system, ISSUER)
        if len(found) > ISSUER_LIMIT:
            raise InvalidValueError(f"longer than {ISSUER_LIMIT} characters", path=path)
        return found

    def system(self, issuer: str) -> str:
        """The Identifier.system for an issuer; empty for none."""
        for system, name in self.issuers.items():
            if name == issuer:
                return system
        return _uri(issuer, ISSUER)


def scheme(system: str, path: str = "") -> str:
    """The coding scheme designator for a Coding.system."""
    found = CODE_SYSTEMS[system][0] if system in CODE_SYSTEMS else _name(system, SCHEME)
    if len(found) > SCHEME_LIMIT:
        raise InvalidValueError(f"longer than {SCHEME_LIMIT} characters", path=path)
    return found


def schemes(system: str) -> tuple[str, ...]:
    """Every designator that is searched for a Coding.system."""
    return CODE_SYSTEMS.get(system) or (_name(system, SCHEME),)


def coding_system(designator: str) -> str:
    """The Coding.system for a coding scheme designator; empty for none."""
    return _SYSTEM_OF_SCHEME.get(designator) or _uri(designator, SCHEME)


def _name(system: str, prefix: str) -> str:
    if system.startswith(prefix):
        return unquote(system.removeprefix(prefix))
    if system.startswith("urn:oid:") and _OID.fullmatch(system.removeprefix("urn:oid:")):
        return system.removeprefix("urn:oid:")
    return system


def _uri(name: str, prefix: str) -> str:
    if not name:
        return ""
    if _OID.fullmatch(name):
        return f"urn:oid:{name}"
    if _URI.fullmatch(name):
        return name
    return prefix + quote(name, safe="")
