"""OperationDefinition, SearchParameter and CodeSystem, each made from its table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from integration.fhir import elements, json
from integration.fhir.from_domain.datatypes import Resource, compact
from integration.fhir.from_domain.task import STEP_STATUS
from integration.fhir.parameters import Parameter, ReferenceParameter
from ris.domain.orders import StepStatus

if TYPE_CHECKING:
    from integration.fhir.operations.interface import Operation

# The day the tables were last changed in meaning; raise it with them.
DATE = "2026-03-01"
OWN_PARAMETER = "urn:ris:search-parameter:"

_COMPARED = frozenset({"date", "number", "quantity"})
_COMPARATORS = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
# Modifiers under the names of value set search-modifier-code, where those are others.
_MODIFIERS = {"of-type": "ofType"}


def definition(resource_type: str, own_id: str, /, **said: object) -> Resource:
    """A definition; its version is what it says."""
    told = compact(said)
    version = hashlib.sha256(json.write(told)).hexdigest()[:16]
    meta = {"versionId": version, "lastUpdated": f"{DATE}T00:00:00Z"}
    return {"resourceType": resource_type, "id": own_id, "meta": meta, **told}


# --- operations


MANY_TYPES = 20  # of more of them no list is told


def operation_definitions(operations: Iterable[Operation]) -> Iterator[Resource]:
    for each in operations:
        everywhere = len(each.types) > MANY_TYPES
        types = ["Resource"] if everywhere else list(each.types)
        yield definition(
            "OperationDefinition",
            f"{types[0] if types else 'System'}-{each.name}",
            url=each.definition,
            name=f"{types[0] if types else 'System'}{each.name.title()}",
            title=f"${each.name}",
            status="active",
            kind="operation",
            date=DATE,
            description=each.documentation,
            affectsState=each.changes,
            code=each.name,
            resource=types,
            system=not each.types,
            type=each.on_type,
            instance=each.on_instance,
            parameter=[
                *(
                    compact(
                        {
                            "name": said.name,
                            "use": "in",
                            "min": 1 if said.required else 0,
                            "max": "*" if said.many else "1",
                            "documentation": said.words,
                            "type": said.type,
                            "searchType": said.search,
                        }
                    )
                    for said in each.inputs
                ),
                {"name": "return", "use": "out", "min": 1, "max": "1", "type": each.returns},
            ],
        )


# --- search parameters


def parameter_url(kind: str, parameter: Parameter) -> str:
    """The canonical of a parameter: the official one, or one of our own."""
    official = elements.search_parameters(kind).get(parameter.name)
    return official.url if official else f"{OWN_PARAMETER}{kind}-{parameter.name}"


def search_parameters(kinds: Iterable[tuple[str, Iterable[Parameter]]]) -> Iterator[Resource]:
    """One for each canonical: several types may share it."""
    found: dict[str, list[tuple[str, Parameter]]] = {}
    for kind, parameters in kinds:
        for each in parameters:
            found.setdefault(parameter_url(kind, each), []).append((kind, each))
    for url, uses in found.items():
        yield _search_parameter(url, uses)


def _search_parameter(url: str, uses: list[tuple[str, Parameter]]) -> Resource:
    first_kind, first = uses[0]
    official = elements.search_parameters(first_kind).get(first.name)
    types = sorted({kind for kind, _ in uses})
    words = dict.fromkeys(each.documentation for _, each in uses if each.documentation)
    expressions = dict.fromkeys(_expression(kind, each) for kind, each in uses)
    expression = " | ".join(filter(None, expressions))
    return definition(
        "SearchParameter",
        official.id if official else url.removeprefix(OWN_PARAMETER),
        url=url,
        name=first.name,
        status="active",
        date=DATE,
        description=" ".join(words) or f"As R4 has it: {expression or first.name}",
        code=first.name,
        base=types,
        type=official.type if official else first.type,
        expression=expression,
        target=sorted({target for kind, each in uses for target in _targets(kind, each)}),
        multipleOr=True,
        multipleAnd=True,
        comparator=_COMPARATORS if first.type in _COMPARED else [],
        modifier=sorted({name for _, each in uses for name in _modifiers(each)}),
        component=[
            {
                "definition": elements.search_parameters(first_kind)[part.parameter].url,
                "expression": part.expression,
            }
            for part in (official.components if official else ())
        ],
    )


def _expression(kind: str, parameter: Parameter) -> str:
    official = elements.search_parameters(kind).get(parameter.name)
    return official.expression if official else parameter.expression


def _targets(kind: str, parameter: Parameter) -> Iterable[str]:
    if not isinstance(parameter, ReferenceParameter):
        return ()
    official = elements.search_parameters(kind).get(parameter.name)
    return official.targets if official and official.targets else parameter.targets


def _modifiers(parameter: Parameter) -> Iterator[str]:
    """``:Patient`` and other types are one modifier, "type"."""
    for each in parameter.modifiers:
        yield "type" if each in elements.resource_types() else _MODIFIERS.get(each, each)


# --- codes


def code_systems() -> Iterator[Resource]:
    yield definition(
        "CodeSystem",
        STEP_STATUS.rpartition(":")[2],
        url=STEP_STATUS,
        name="ScheduledProcedureStepStatus",
        title="State of a scheduled procedure step",
        status="active",
        date=DATE,
        description=(
            "Task.businessStatus: the state of the scheduled procedure step as the department "
            "knows it, finer than Task.status."
        ),
        caseSensitive=True,
        content="complete",
        count=len(StepStatus),
        concept=[{"code": each.value, "display": each.value.capitalize()} for each in StepStatus],
    )
