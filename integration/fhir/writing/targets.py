"""What the references of a request lead to, and the numbers a new request names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.resources import KINDS, Kind
from integration.fhir.systems import DICOM_UID, Systems
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.references import Known, Target
from ris.domain.errors import RisError
from ris.selectors import search as selectors
from ris.selectors.search import Page
from ris.selectors.search.index import Indexed, Token
from ris.selectors.search.terms import IdentifierTerm
from ris.selectors.views import PatientView

# What a reference may lead to.
_TARGETS = ("Patient", "Practitioner", "Encounter", "Device", "Location", "Organization")
LOOKED_UP = frozenset(_TARGETS)


def find_targets(targets: frozenset[Target]) -> Known:
    """What the references of a request lead to: one search per type and way of naming."""
    found: dict[Target, Any] = {}
    for name in _TARGETS:
        kind = KINDS[name]
        by_id = {each.id: each for each in targets if each.type == name and each.id}
        for public_id, target in by_id.items():
            for hit in kind.finder.load([public_id]):
                found[target] = living(hit)
        for target in targets:
            if target.type == name and target.identifier is not None:
                hit = _by_number(kind, target)
                if hit is not None:
                    found[target] = living(hit)
    return Known(found)


def load_targets(targets: Iterable[Target]) -> dict[Target, Any]:
    """Those of the targets that are named by id and are there: one question per type and hundred.

    Where some of a hundred are not there, they are left for :func:`find_targets`.
    """
    found: dict[Target, Any] = {}
    for name in _TARGETS:
        ids = sorted({each.id for each in targets if each.type == name and each.id})
        for start in range(0, len(ids), 100):
            some = ids[start : start + 100]
            hits = KINDS[name].finder.load(some)
            if len(hits) == len(some):
                named = (Target(name, id=each) for each in some)
                found.update(zip(named, map(living, hits), strict=True))
    return found


def living(hit: Any) -> Any:
    """The patient's record that stands: whoever names a merged one means the survivor."""
    seen = set()
    while isinstance(hit, PatientView) and hit.merged_into and hit.public_id not in seen:
        seen.add(hit.public_id)
        hit = next(iter(KINDS["Patient"].finder.load([hit.merged_into])), hit)
    return hit


def _by_number(kind: Kind, target: Target) -> Any:
    """The one thing that has this number; a number without issuer names nobody."""
    number = target.identifier
    if number is None or not number.issuer or "identifier" not in kind.parameters:
        return None
    parameter = kind.parameters["identifier"]
    wanted: dict[str, Any] = {}
    if parameter.indexed:
        system = Systems(selectors.issuers()).system(number.issuer)
        test = Token(number.value, system)
        wanted["indexed"] = ((Indexed(kind.name, parameter.name, ((test,),)),),)
    elif parameter.field == "ae_titles":
        wanted["ae_titles"] = ((number.value,),)
    else:
        wanted["identifiers"] = ((IdentifierTerm(number.value, number.issuer),),)
    hits = kind.finder.search(kind.criteria(**wanted), Page(2)).hits
    return hits[0] if len(hits) == 1 else None


def references(resource: Resource) -> list[tuple[str, str]]:
    """The numbers a new request names, to show a refused one beside its order."""
    words = {"PLAC": "placer", "FILL": "filler", "ACSN": "accession"}
    found = []
    for element in resource.get("identifier", []):
        value = str(element.get("value", ""))
        if element.get("system") == DICOM_UID:
            found.append(("study", value.removeprefix("urn:oid:")))
            continue
        try:
            kind = datatypes.identifier_type(element, "ServiceRequest.identifier")
        except RisError:
            continue  # told when the request is translated
        if kind in words and resource["resourceType"] in {"ServiceRequest", "DiagnosticReport"}:
            found.append((words[kind], value))
    return found
