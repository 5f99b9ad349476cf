"""Every other search parameter of R4: what finds it, or why nothing does (spec/fhir.md S10).

Beside the tables of :mod:`integration.fhir.search` stand here more parameters that the core
answers. What neither has is searched in what clients sent; where the core fills the element as
well, its rows are asked beside (``ris.selectors.search.beside``). What is left is named with its
reason in the CapabilityStatement; a test compares all with the official list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integration.fhir import bindings, elements, systems
from integration.fhir.from_domain.servicerequest import LATERALITY_CODES
from integration.fhir.indexed import NumberedReference, indexed
from integration.fhir.parameters import (
    CodeParameter,
    ConstantParameter,
    ContactParameter,
    Parameter,
    PlainTokenParameter,
    ReferenceParameter,
    StateParameter,
    StringParameter,
)
from ris.selectors import search as selectors
from ris.selectors.search.criteria import (
    Common,
    RequestCriteria,
    StepCriteria,
    StudyCriteria,
)
from ris.selectors.search.engine import Finder

# What every resource has and the index keeps.
COMMON = ("_tag", "_profile", "_security", "_source")

_NO_TEXT = "there is no full text index"
_NO_PHONETIC = "names are compared without regard to accents and case, not by their sound"

NOT_SUPPORTED_ANYWHERE: Mapping[str, str] = {
    "_content": _NO_TEXT,
    "_text": _NO_TEXT,
    "_query": "there are no named queries",
    "_filter": "there is no filter language; parameters can be combined, chained and negated",
    "_list": "there are no lists",
}
NOT_SUPPORTED: Mapping[str, Mapping[str, str]] = {
    "Appointment": {"part-status": "search AppointmentResponse by what participants said"},
    "Patient": {"phonetic": _NO_PHONETIC},
    "Practitioner": {"phonetic": _NO_PHONETIC},
    "Organization": {"phonetic": _NO_PHONETIC},
    "RelatedPerson": {"phonetic": _NO_PHONETIC},
    "Location": {"near": "rooms have no coordinates"},
    "Encounter": {
        "participant-type": "the attending and the referring person are known by name only"
    },
}

# Types of which clients send what the core then adds to.
OVERLAID = frozenset(
    [
        *("Patient", "ServiceRequest", "Task", "Appointment", "Procedure", "ImagingStudy"),
        *("DiagnosticReport", "Encounter", "Practitioner", "Location", "Device", "Organization"),
    ]
)
_ELSEWHERE = "is not searched by here"


def _contact(kind: str) -> tuple[Parameter, ...]:
    return (
        ContactParameter(name="telecom", expression=f"{kind}.telecom", field="telecom"),
        ContactParameter(
            name="phone", expression=f"{kind}.telecom.where(system='phone')", field="phone"
        ),
        ContactParameter(
            name="email", expression=f"{kind}.telecom.where(system='email')", field="email"
        ),
    )


def _address(kind: str) -> Parameter:
    return StringParameter(
        name="address",
        expression=f"{kind}.address",
        field="address",
        documentation="Finds any part of the address as it is written.",
    )


def _requester(
    kind: str, finder: Finder[Any, Any], criteria: type[Common], name: str = "requester"
) -> Parameter:
    """Who placed the order: messages name them by number and name."""
    return NumberedReference(
        name=name,
        expression=f"{kind}.{name}",
        kind=kind,
        targets=tuple(sorted(elements.search_parameters(kind)[name].targets)),
        field="requesters",
        finder=finder,
        criteria=criteria,
        documentation="Of orders that came by message by :identifier.",
    )


MORE: Mapping[str, tuple[Parameter, ...]] = {
    "Patient": (
        *_contact("Patient"),
        _address("Patient"),
        ReferenceParameter(
            name="link",
            expression="Patient.link.other",
            field="links",
            targets=("Patient",),
            element=("link", "other"),
            documentation="The record that this one was merged into.",
        ),
    ),
    "Task": (_requester("Task", selectors.steps, StepCriteria),),
    "ServiceRequest": (
        _requester("ServiceRequest", selectors.requests, RequestCriteria),
        PlainTokenParameter(
            name="order-detail",
            expression="ServiceRequest.orderDetail",
            field="modalities",
            system=systems.DCM,
            documentation="The modality of one of the steps.",
        ),
        ReferenceParameter(
            name="performer",
            expression="ServiceRequest.performer",
            field="stations",
            targets=("Device",),
            element=("performer",),
            documentation="The station that one of the steps is planned at.",
        ),
        StateParameter(
            name="body-site",
            expression="ServiceRequest.bodySite",
            tables={"lateralities": {letter: code for code, letter in LATERALITY_CODES.items()}},
            always=False,
            present="body_site",
            documentation="The side, where one is named.",
        ),
    ),
    "ImagingStudy": (
        _requester("ImagingStudy", selectors.studies, StudyCriteria, "referrer"),
        ReferenceParameter(
            name="performer",
            expression="ImagingStudy.series.performer.actor",
            field="stations",
            targets=("Device",),
            element=("series", "performer", "actor"),
        ),
    ),
    "DiagnosticReport": (
        CodeParameter(
            name="conclusion",
            expression="DiagnosticReport.conclusionCode",
            field="conclusions",
            documentation="The overall assessment of a breast exam.",
        ),
        ReferenceParameter(
            name="imagingStudy",
            expression="DiagnosticReport.imagingStudy",
            field="studies",
            targets=("ImagingStudy",),
            element=("imagingStudy",),
            documentation="Of IHE RAD IMR (RAD-143); R4 itself has no such parameter.",
        ),
        ReferenceParameter(
            name="performer",
            expression="DiagnosticReport.performer",
            field="performers",
            targets=("Organization", "Practitioner"),
            element=("performer",),
            documentation="The institution, and a resident whose text an attending signed.",
        ),
    ),
    "Encounter": (
        StateParameter(
            name="status",
            expression="Encounter.status",
            tables={"statuses": bindings.VISIT_STATUS},
        ),
    ),
    "Practitioner": (
        StringParameter(name="family", expression="Practitioner.name.family", field="family"),
        StringParameter(name="given", expression="Practitioner.name.given", field="given"),
        *_contact("Practitioner"),
    ),
    "Location": (
        ConstantParameter(
            name="status",
            expression="Location.status",
            codes=(("http://hl7.org/fhir/location-status", "active"),),
        ),
    ),
}


def parameters(kind: str, own: Iterable[Parameter], *, kept: bool = False) -> tuple[Parameter, ...]:
    """All parameters of a type: ``own`` of its table, those above, and those of the index."""
    added = {each.name: each for each in MORE.get(kind, ())}
    found = {each.name: each for each in own if each.name not in added} | added
    names = list(COMMON)
    if kept or kind in OVERLAID:
        names += _official(kind)
    left_out = NOT_SUPPORTED.get(kind, {})
    rest = [name for name in names if name not in found and name not in left_out]
    return (*found.values(), *indexed(kind, *rest))


def unsupported(kind: str, known: Iterable[str]) -> Mapping[str, str]:
    """Official parameters of a type that nothing answers, with the reason."""
    reasons = {**NOT_SUPPORTED_ANYWHERE, **NOT_SUPPORTED.get(kind, {})}
    missing = {name: _ELSEWHERE for name in _official(kind) if name not in known}
    return {**missing, **{name: why for name, why in reasons.items() if name not in known}}


def _official(kind: str) -> list[str]:
    """The parameters that are the type's own."""
    return sorted(name for name in elements.search_parameters(kind) if not name.startswith("_"))


def dates(found: Iterable[Parameter], sorts: Iterable[str]) -> list[str]:
    """Dates of the index that a type of the core is sorted by, beside its own ``sorts``."""
    return [
        each.name
        for each in found
        if each.indexed and each.type == "date" and each.name not in sorts
    ]


def sorts(found: Iterable[Parameter]) -> Mapping[str, str]:
    """Parameters of the index that a kept type is sorted by, with the column they sort by."""
    columns = {"date": "low", "string": "text", "token": "code", "uri": "code"}
    return {
        each.name: columns[each.type]
        for each in found
        if each.indexed and each.type in columns and each.name not in COMMON
    }
