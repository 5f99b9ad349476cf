"""``[type]/$validate``: what is wrong with a resource, all at once (FHIR R4 Resource/$validate).

The answer is 200 with an OperationOutcome, whatever it says. A resource may come bare as well as in
Parameters: some clients send it so (spec/fhir.md 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integration.fhir import elements, gate
from integration.fhir.criteria import allowed
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.operations.inputs import parameters_of
from integration.fhir.operations.interface import Call, Input, Operation, Result
from integration.fhir.outcome import HttpError, Issue, expression, outcome, status_and_issue
from integration.fhir.reading import load, shown_for
from integration.fhir.resources import KINDS
from ris.domain.errors import RisError, SeveralErrors

MODES = ("create", "update", "delete", "profile")
_CORE = "http://hl7.org/fhir/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class _Asked:
    resource: Any
    mode: str
    profile: str


def run(call: Call) -> Result:
    asked = _read(call)
    issues: list[Issue] = []
    present = _present(call) if call.public_id else None
    resource = asked.resource
    if call.public_id and present is None:
        issues.append(Issue("error", "not-found", f"there is no {call.kind}/{call.public_id}"))
    elif resource is None and asked.mode != "delete":
        resource = present  # of an instance without a body: what is stored
    if resource is None and not issues and asked.mode != "delete":
        raise HttpError(400, "required", "there is no resource to look at")
    if resource is not None:
        issues += _faults(call.kind, resource)
    issues += _of_mode(call, asked, resource)
    if asked.profile and asked.profile.partition("|")[0] != _CORE + call.kind:
        issues.append(
            Issue(
                "warning",
                "not-supported",
                f"the profile {asked.profile[:200]} is not known here; looked at as R4 has it",
            )
        )
    if not any(issue.severity in {"error", "fatal"} for issue in issues):
        issues.insert(0, Issue("information", "informational", "no fault was found"))
    return Result(outcome(issues), [present] if present is not None else [])


def _faults(kind: str, resource: Any) -> list[Issue]:
    try:
        gate.check_value(kind, resource)
    except RisError as error:
        found = error.errors if isinstance(error, SeveralErrors) else [error]
        return [
            Issue("error", status_and_issue(each)[1], each.message, expression(each.path))
            for each in found
        ]
    return []


def _of_mode(call: Call, asked: _Asked, resource: Any) -> list[Issue]:
    """What stands against doing that here."""
    kind = KINDS.get(call.kind)
    interactions = kind.interactions if kind is not None else ()
    issues = []
    if asked.mode in {"create", "update", "delete"} and asked.mode not in interactions:
        issues.append(
            Issue("error", "not-supported", f"{call.kind} resources have no {asked.mode} here")
        )
    if asked.mode == "update" and isinstance(resource, dict):
        own = resource.get("id")
        if not own or (call.public_id and own != call.public_id):
            issues.append(
                Issue(
                    "error",
                    "invalid",
                    "an update needs the id it has in its address",
                    f"{call.kind}.id",
                )
            )
    if asked.mode == "delete" and not call.public_id:
        issues.append(Issue("error", "required", "a delete is of one resource: ask it there"))
    return issues


def _present(call: Call) -> Resource | None:
    """The stored resource, if the client may see it."""
    kind = KINDS.get(call.kind)
    if kind is None or not call.client.may(call.kind, "r"):
        return None
    filters = call.client.filters(call.kind, "r")
    if not allowed(kind, [call.public_id], filters, call.reading):
        return None
    found = load(kind, [call.public_id], shown_for([kind], call.reading.systems))
    return found[0] if found else None


def _read(call: Call) -> _Asked:
    said = dict(call.query)
    resource: Any = call.body
    if call.body is not None and call.body.get("resourceType") == "Parameters":
        named = _named(call, call.body)
        if call.kind != "Parameters" or "resource" in named:
            resource = named.get("resource", {}).get("resource")
        for name in ("mode", "profile"):
            values = [
                value for key, value in named.get(name, {}).items() if key.startswith("value")
            ]
            if values:
                said[name] = str(values[0])
    mode = said.get("mode", "")
    if mode and mode not in MODES:
        raise HttpError(400, "code-invalid", f"mode is one of {', '.join(MODES)}")
    if resource is not None and not isinstance(resource, dict):
        raise HttpError(400, "structure", "the resource is no object")
    return _Asked(resource, mode, said.get("profile", ""))


def _named(call: Call, body: Resource) -> dict[str, Any]:
    """The parameters by name; none where broken Parameters are what is to be looked at."""
    try:
        return {each["name"]: each for each in parameters_of(body)}
    except HttpError:
        if call.kind != "Parameters":
            raise
        return {}


OPERATION = Operation(
    name="validate",
    run=run,
    types=tuple(sorted(elements.resource_types())),
    on_type=True,
    on_instance=True,
    letter="",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-validate",
    inputs=(
        Input("resource", "Resource", "Bare as well; of an instance what is stored."),
        Input("mode", "code", ", ".join(MODES)),
        Input("profile", "uri"),
    ),
    returns="OperationOutcome",
    documentation="What is wrong with a resource by the definitions of R4, all at once; mode "
    "create, update and delete say as well whether that is served.",
)
