"""``Patient/[id]/$everything``: all that is here about one patient (FHIR R4 Patient/$everything).

The patient compartment, page by page, and beside each page what it refers to outside of it: people,
places, devices, the institution. Of every type only what the client's scopes reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from integration.fhir.compartments import COMPARTMENTS
from integration.fhir.criteria import allowed
from integration.fhir.date_parameters import interval
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.operations.inputs import PATH, Inputs
from integration.fhir.operations.interface import Call, Input, Operation, Result
from integration.fhir.outcome import HttpError
from integration.fhir.parameters import Criteria, Reading, ReferenceParameter, local
from integration.fhir.query import CURSOR
from integration.fhir.reading import load, shown_for
from integration.fhir.resources import KINDS, Kind
from integration.fhir.searching import MAX_INCLUDED, search_limited
from ris.selectors.search import Matching
from ris.selectors.search.terms import Chosen

MEMBERS = COMPARTMENTS["Patient"]
# Who looked and who changed what is about the record, not about the patient: only if asked for.
ON_DEMAND = frozenset({"AuditEvent", "Provenance"})
# What is brought beside the compartment.
BESIDE = (
    *("Device", "Endpoint", "HealthcareService", "Location", "Organization", "Practitioner"),
    "PractitionerRole",
)
# The date of care by type, for ``start`` and ``end``; a type without one is not limited by them.
CARE_DATE: Mapping[str, str] = {
    "Appointment": "date",
    "Condition": "onset-date",
    "DiagnosticReport": "date",
    "DocumentReference": "date",
    "Encounter": "date",
    "ImagingStudy": "started",
    "Media": "created",
    "Observation": "date",
    "Procedure": "date",
    "ServiceRequest": "authored",
    "Specimen": "collected",
}
INPUTS = (
    Input("start", "date", "Care from this day."),
    Input("end", "date", "Care until this day."),
    Input("_since", "instant"),
    Input("_type", "code", many=True),
    Input("_count", "integer"),
)
_KNOWN = frozenset({CURSOR, *(each.name for each in INPUTS)})


def run(call: Call) -> Result:
    inputs = Inputs.of(call)
    inputs.refuse_others(_KNOWN)
    if not load(KINDS["Patient"], [call.public_id], shown_for([], call.reading.systems)):
        raise HttpError(404, "not-found", f"there is no Patient/{call.public_id}")
    wanted = list(_types(inputs))
    kinds = _kinds(wanted, call.reading)
    care = [
        (prefix, text)
        for name, prefix in (("start", "ge"), ("end", "le"))
        if (text := inputs.text(name))
    ]
    limits = {kind.name: _limits(kind, call, care) for kind in kinds}
    pairs = [("_count", str(value)) for value in inputs.given.get("_count", ())]
    for value in inputs.texts("_since"):
        interval("_since", value, call.reading.zone)  # is refused by the name it was given
        pairs.append(("_lastUpdated", f"ge{value}"))
    pairs += [(CURSOR, value) for value in inputs.texts(CURSOR)]
    bundle = search_limited(kinds, pairs, call.reading, limits)
    matches = [each["resource"] for each in bundle.get("entry", ())]
    beside = _beside(matches, wanted, call)
    for resource in beside:
        bundle.setdefault("entry", []).append(
            {
                "fullUrl": f"{call.reading.base}/{resource['resourceType']}/{resource['id']}",
                "resource": resource,
                "search": {"mode": "include"},
            }
        )
    bundle["link"] = [_link(each, call, inputs) for each in bundle["link"]]
    return Result(bundle, [each for each in (*matches, *beside) if "id" in each])


def _types(inputs: Inputs) -> Iterator[str]:
    for text in inputs.texts("_type"):
        for name in filter(None, text.split(",")):
            if name not in KINDS:
                message = f"_type: there are no {name[:64]} resources here"
                raise HttpError(400, "not-supported", message, path=PATH)
            yield name


def _kinds(wanted: list[str], reading: Reading) -> list[Kind]:
    """The types of the compartment that are asked for and may be shown."""
    members = ["Patient", *(name for name in MEMBERS if name not in ON_DEMAND)]
    names = dict.fromkeys(
        name for name in (wanted or members) if name in {"Patient", *MEMBERS} and name in KINDS
    )
    found = [KINDS[name] for name in names if reading.readable(name)]
    found = [kind for kind in found if kind.finder.sources and _links(kind)]
    if not found:
        raise HttpError(403, "forbidden", "the token may not see any of these types")
    return found


def _links(kind: Kind) -> list[ReferenceParameter]:
    """The parameters that put a resource into the compartment."""
    if kind.name == "Patient":
        return [each for each in kind.parameters.values() if isinstance(each, ReferenceParameter)]
    return [
        parameter
        for name in MEMBERS[kind.name]
        if isinstance(parameter := kind.parameters.get(name), ReferenceParameter)
        and parameter.may_be("Patient")
    ]


def _limits(kind: Kind, call: Call, care: list[tuple[str, str]]) -> tuple[Chosen, ...]:
    """What of a type is shown: what any of its references puts there, of the time of care."""
    unlimited = replace(call.reading, access=None)
    if kind.name == "Patient":
        return (Matching(kind.finder, kind.criteria(public_ids=((call.public_id,),))),)
    date = kind.parameters.get(CARE_DATE.get(kind.name, ""))
    found: list[Chosen] = []
    for parameter in _links(kind):
        criteria: Criteria = {}
        parameter.apply([f"Patient/{call.public_id}"], "", unlimited, criteria)
        if date is not None:
            for prefix, text in care:
                date.apply([f"{prefix}{text}"], "", unlimited, criteria)
        found.append(Matching(kind.finder, kind.criteria(**criteria)))
    return tuple(found)


def _beside(matches: list[Resource], wanted: list[str], call: Call) -> list[Resource]:
    """What the page refers to outside of the compartment, each once."""
    named: dict[str, dict[str, None]] = {}
    for resource in matches:
        for text in _references(resource):
            target, public_id = local(text) if ":" not in text else ("", "")
            if target in BESIDE and target in KINDS and (not wanted or target in wanted):
                named.setdefault(target, {})[public_id] = None
    found: list[Resource] = []
    for name, ids in named.items():
        if not call.reading.readable(name):
            continue
        kind = KINDS[name]
        own = list(ids)[:MAX_INCLUDED]
        limits = call.client.filters(name, "rs")
        if limits is not None:
            reached = allowed(kind, own, limits, call.reading)
            own = [each for each in own if each in reached]
        found += load(kind, own, shown_for([kind], call.reading.systems))
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        text = value.get("reference")
        if isinstance(text, str):
            yield text
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _link(link: Mapping[str, str], call: Call, inputs: Inputs) -> dict[str, str]:
    """The address of a page, as it is asked for here."""
    cursor = _cursor_in(link["url"])
    pairs: list[tuple[str, str]] = [
        (name, str(value))
        for name in (each.name for each in INPUTS)
        for value in inputs.given.get(name, ())
    ]
    if cursor:
        pairs.append((CURSOR, cursor))
    address = f"{call.reading.base}/Patient/{call.public_id}/$everything"
    return {**link, "url": f"{address}?{urlencode(pairs)}" if pairs else address}


def _cursor_in(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query)).get(CURSOR, "")


OPERATION = Operation(
    name="everything",
    run=run,
    types=("Patient",),
    on_instance=True,
    definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
    inputs=INPUTS,
    documentation=(
        "start and end (dates of care), _since, _type, _count; pages by links. The patient's "
        "compartment, and beside it people, places and devices that it refers to. AuditEvent and "
        "Provenance only if _type names them."
    ),
)
