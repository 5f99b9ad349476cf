"""The gate for resources that come in: the R4 element table, then fhir.resources (spec/fhir.md D3).

The table (:mod:`structure`) says what R4 says, with codes, references and invariants, and finds all
faults at once. The R4B classes of fhir.resources stand behind it as a second, independent opinion
on the structure of single resources; of bundles they would cost more than everything else. Only the
``R4B`` namespace is near R4; the package's default one is R5 and refuses most of what peers send.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import BaseModel, ValidationError

from integration.fhir import json, structure
from integration.fhir.outcome import HttpError
from ris.domain.errors import RisError, SeveralErrors

# Loaded with the module, so that a worker's first request does not wait for them.
MODELS: Mapping[str, type[BaseModel]] = {"Patient": Patient, "ServiceRequest": ServiceRequest}

# What holds other resources by the thousand is left to the table, and what R4B has changed.
_TABLE_ONLY = frozenset({"Bundle", "Parameters", "Evidence", "EvidenceVariable"})


@cache
def model(kind: str) -> type[BaseModel] | None:
    """The class of a type; R4B lost a dozen types of R4."""
    if kind in _TABLE_ONLY:
        return None
    try:
        return MODELS.get(kind) or get_fhir_model_class(kind)
    except (KeyError, ValueError):
        return None


def check(kind: str, raw: bytes) -> dict[str, Any]:
    """The resource in ``raw`` if it is one of R4; raises HttpError or SeveralErrors."""
    return check_value(kind, json.read_object(raw), json.decode(raw))


def check_entry(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """By the table alone: for one of the thousand resources of a bundle."""
    said = value.get("resourceType")
    if said != kind:
        raise HttpError(400, "invalid", f"the body is {said!r}, the address says {kind}")
    try:
        faults = structure.faults(kind, value)
    except RecursionError:
        raise HttpError(400, "structure", "nested too deeply", path=kind) from None
    if faults:
        # The answer has the status of its first fault: what is no R4 at all comes before what R4
        # forbids, otherwise the order is that of the body.
        raise SeveralErrors([*sorted(faults, key=lambda fault: fault.status)])
    return value


def check_value(kind: str, value: dict[str, Any], text: str = "") -> dict[str, Any]:
    """Like :func:`check`, for what was read already; ``text`` spares writing it again."""
    check_entry(kind, value)
    second_opinion = model(kind)
    contained = (model(each["resourceType"]) for each in value.get("contained", ()))
    if second_opinion is not None and None not in contained:
        try:
            second_opinion.model_validate_json(text or json.write(value))
        except ValidationError as error:
            raise _faults(kind, error) from None
        except (KeyError, TypeError, ValueError, RecursionError, AssertionError) as error:
            # What the library raises besides ValidationError depends on where the fault lies.
            raise HttpError(
                400, "structure", f"not a {kind} of R4 ({type(error).__name__})", path=kind
            ) from None
    return value


def _faults(kind: str, error: ValidationError) -> RisError:
    """One error per fault, each with the FHIRPath of its element; the text quotes no values."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return SeveralErrors(
        [
            HttpError(400, "structure", _words(fault), path=_path(kind, fault["loc"]))
            for fault in faults[: structure.MAX_FAULTS]
        ]
    )


def _words(fault: Any) -> str:
    return " ".join(str(fault["msg"]).removeprefix("Value error, ").split())[:300]


def _path(kind: str, location: tuple[int | str, ...]) -> str:
    path = kind
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path[:500]
