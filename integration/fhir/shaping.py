"""A part of a resource: ``_summary`` and ``_elements`` (FHIR R4 3.1.1.5.8, 3.1.1.5.9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from integration.fhir import elements
from integration.fhir.from_domain.datatypes import Resource

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
_ALWAYS = frozenset({"resourceType", "id", "meta"})
# What can stand beside its element: _birthDate has the extensions of birthDate.
_BESIDE = "_"


def shaped(resource: Resource, summary: str = "", wanted: Iterable[str] = ()) -> Resource:
    """What is asked for; marked so that nobody takes it for the whole, as an update would.

    Elements that may not be missing are kept. Some resources do without: a part of an
    OperationOutcome is no use, and a Bundle keeps its form.
    """
    names = frozenset(wanted)
    kind = resource["resourceType"]
    if (not summary and not names) or kind in {"OperationOutcome", "Bundle"}:
        return resource
    required = elements.mandatory(kind)
    match summary:
        case "true":
            kept = elements.summary(kind) | required
        case "text":
            kept = frozenset({"text"}) | required
        case "data":
            kept = frozenset(resource) - {"text"}
        case _:
            kept = _named(resource, names) | required
    kept |= _ALWAYS
    found = {name: value for name, value in resource.items() if name.removeprefix(_BESIDE) in kept}
    return {**found, "meta": _marked(resource.get("meta", {}))}


def _named(resource: Resource, names: frozenset[str]) -> frozenset[str]:
    """The elements of these names; a choice is named without its type (``effective``)."""
    choices = elements.of(resource["resourceType"]).elements
    return frozenset(
        name
        for name in resource
        if name in names or (name in choices and choices[name].choice in names)
    )


def _marked(meta: dict[str, Any]) -> dict[str, Any]:
    tags = [each for each in meta.get("tag", ()) if each.get("code") != SUBSETTED["code"]]
    return {**meta, "tag": [*tags, SUBSETTED]}
