"""The structural gate for resources that come in: fhir.resources, R4B classes (spec/fhir.md D3).

It knows elements, cardinalities and types of R4. It accepts codes outside required bindings,
coerces some primitives and lets modifiers pass; the translators look at those themselves. Only the
``R4B`` namespace is R4; the package's default one is R5 and refuses most of what peers send.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import BaseModel, ValidationError

from integration.fhir import json
from integration.fhir.outcome import MAX_ISSUES, HttpError
from ris.domain.errors import RisError, SeveralErrors

MODELS: Mapping[str, type[BaseModel]] = {"Patient": Patient, "ServiceRequest": ServiceRequest}


@cache
def model(kind: str) -> type[BaseModel]:
    """The class of a served type; the library loads it when it is first needed."""
    return MODELS.get(kind) or get_fhir_model_class(kind)


# Contained resources that may come with these; the library raises a bare KeyError for any type it
# does not know, and would take types that R4 does not have.
CONTAINED = frozenset(
    {
        "Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Device",
        "Encounter", "Specimen", "Condition", "Observation", "AllergyIntolerance", "Coverage",
        "DocumentReference", "Media", "Medication", "HealthcareService", "RelatedPerson",
        "Provenance", "Endpoint", "CareTeam", "QuestionnaireResponse", "ImagingStudy",
        "DiagnosticReport", "Group",
    }
)  # fmt: skip
_MISSING = frozenset({"missing", "model_field_validation.missing"})
# R4B allows these data types in extensions, R4 does not know them.
_NOT_R4 = frozenset({"valueCodeableReference", "valueRatioRange"})


def check(kind: str, raw: bytes) -> dict[str, Any]:
    """The resource in ``raw`` if it has the structure of R4; raises HttpError or SeveralErrors."""
    return check_value(kind, json.read_object(raw), json.decode(raw))


def check_value(kind: str, value: dict[str, Any], text: str = "") -> dict[str, Any]:
    """Like :func:`check`, for what was read already; ``text`` spares writing it again."""
    said = value.get("resourceType")
    if said != kind:
        raise HttpError(400, "invalid", f"the body is {said!r}, the address says {kind}")
    _refuse_strangers(value, kind)
    try:
        model(kind).model_validate_json(text or json.write(value))
    except ValidationError as error:
        raise _faults(kind, error) from None
    except (KeyError, TypeError, ValueError, RecursionError, AssertionError) as error:
        # What the library raises besides ValidationError depends on where the fault lies.
        raise HttpError(
            400, "structure", f"not a {kind} of R4 ({type(error).__name__})", path=kind
        ) from None
    return value


def _refuse_strangers(value: dict[str, Any], kind: str) -> None:
    contained = value.get("contained") or []
    if isinstance(contained, list):
        for index, inner in enumerate(contained):
            inner_kind = inner.get("resourceType") if isinstance(inner, dict) else None
            if not isinstance(inner_kind, str) or inner_kind not in CONTAINED:
                raise HttpError(
                    422,
                    "not-supported",
                    f"{str(inner_kind)[:64]!r} cannot be contained here",
                    path=f"{kind}.contained[{index}]",
                )
    waiting: list[tuple[Any, str]] = [(value, kind)]
    while waiting:
        item, path = waiting.pop()
        if item in ({}, []):
            raise HttpError(400, "structure", "FHIR has no empty lists and objects", path=path)
        if isinstance(item, dict):
            strange = _NOT_R4 & item.keys()
            if strange:
                raise HttpError(400, "structure", f"R4 has no {min(strange)}", path=path)
            for name, inner in item.items():
                if inner is None:
                    raise HttpError(400, "structure", "FHIR has no null", path=f"{path}.{name}")
                if isinstance(inner, dict | list):
                    waiting.append((inner, f"{path}.{name}"))
        else:
            # In a list null keeps the place of a value that has only extensions.
            waiting.extend(
                (inner, f"{path}[{index}]")
                for index, inner in enumerate(item)
                if isinstance(inner, dict | list)
            )


def _faults(kind: str, error: ValidationError) -> RisError:
    """One error per fault, each with the FHIRPath of its element; the text quotes no values."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    found: list[RisError] = []
    for fault in faults[: MAX_ISSUES + 1]:
        status, issue = (422, "required") if fault["type"] in _MISSING else (400, "structure")
        found.append(HttpError(status, issue, _words(fault), path=_path(kind, fault["loc"])))
    return SeveralErrors(found)


def _words(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "R4 has no such element here"
    return " ".join(str(fault["msg"]).removeprefix("Value error, ").split())[:300]


def _path(kind: str, location: tuple[int | str, ...]) -> str:
    path = kind
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path[:500]
