"""Who and which visit a ServiceRequest names: requester, performer, encounter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from integration.fhir import bindings, json
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.datatypes import Json
from integration.fhir.to_domain.references import Known, Named, Reader
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.patients import PatientClass, VisitDetails
from ris.domain.values import Identifier, PersonName
from ris.selectors.search.views import (
    InstitutionView,
    KeptHit,
    PractitionerView,
    StationView,
    VisitHit,
)

PATH = "ServiceRequest"
REQUESTERS = frozenset(
    {"Practitioner", "PractitionerRole", "Organization", "Patient", "RelatedPerson", "Device"}
)
PERFORMERS = frozenset(
    {
        "Practitioner", "PractitionerRole", "Organization", "CareTeam", "HealthcareService",
        "Patient", "Device", "RelatedPerson",
    }
)  # fmt: skip
VISITS = frozenset({"Encounter"})
PEOPLE = frozenset({"Practitioner"})
ORGANIZATIONS = frozenset({"Organization"})

SERVICE_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Who:
    name: PersonName = field(default_factory=PersonName)
    identifier: Identifier | None = None
    service: str = ""
    phone: str = ""


def references(reader: Reader) -> Iterator[Named]:
    for name, allowed, default in (
        ("requester", REQUESTERS, "Practitioner"),
        ("encounter", VISITS, "Encounter"),
    ):
        element = datatypes.single(reader.resource, name, PATH)
        if element is not None:
            named = reader.named(element, f"{PATH}.{name}", allowed, default)
            yield named
            if named.type == "PractitionerRole" and named.contained is not None:
                yield from (part for part in _parts(reader, named.contained) if part)
    yield from performers(reader)


def performers(reader: Reader) -> list[Named]:
    return [
        reader.named(element, path, PERFORMERS, default="Practitioner")
        for element, path in datatypes.several(reader.resource, "performer", PATH)
    ]


def requester(reader: Reader, known: Known) -> Who:
    element = datatypes.single(reader.resource, "requester", PATH)
    if element is None:
        return Who()
    named = reader.named(element, f"{PATH}.requester", REQUESTERS, default="Practitioner")
    return _who(reader, named, known)


def performing_physician(reader: Reader, known: Known) -> PersonName:
    for named in performers(reader):
        if named.type in {"Practitioner", "PractitionerRole"}:
            found = _who(reader, named, known).name
            if found:
                return found
    return PersonName()


def _who(reader: Reader, named: Named, known: Known) -> Who:
    if named.contained is not None:
        return _contained(reader, named.contained, named.path, known)
    person = known.find(named.target, PractitionerView)
    if person is not None:
        number = person.identifier if person.identifier.value else named.logical
        return Who(person.name, number, phone=person.phone)
    site = known.find(named.target, InstitutionView)
    if site is not None:
        return Who(service=(site.institution or site.name)[:SERVICE_LIMIT])
    sent = known.find(named.target, KeptHit)
    if sent is not None and sent.type == "Organization":
        return _contained(reader, json.read_stored(sent.content.encode()), named.path, known)
    if known.find(named.target, StationView) is not None:
        return Who()
    if not named.display and named.logical is None:
        raise InvalidValueError(
            "not known here; send a display, an identifier or the resource contained",
            path=named.path,
            details={"issue": "not-found"},
        )
    if named.type == "Organization":
        return Who(service=_service(named.display, named.path))
    name = datatypes.name_from_display(named.display, f"{named.path}.display")
    return Who(name, _number(named.logical))


def _contained(reader: Reader, inner: Json, path: str, known: Known) -> Who:
    kind = str(inner.get("resourceType"))
    if kind == "Organization":
        return Who(service=_service(datatypes.text(inner, "name", kind), path))
    if kind == "PractitionerRole":
        return _role(reader, inner, known)
    if kind == "Device":
        return Who()
    numbers = datatypes.several(inner, "identifier", kind)
    return Who(
        datatypes.person_name(datatypes.several(inner, "name", kind)),
        _number(datatypes.identifier(*numbers[0], reader.systems)) if numbers else None,
        phone=datatypes.telecom(datatypes.several(inner, "telecom", kind), "phone"),
    )


def _role(reader: Reader, inner: Json, known: Known) -> Who:
    """A PractitionerRole: the person and the organization it ties together."""
    kind = "PractitionerRole"
    phone = datatypes.telecom(datatypes.several(inner, "telecom", kind), "phone")
    person, organization = _parts(reader, inner)
    found = _who(reader, person, known) if person else Who()
    service = _who(reader, organization, known).service if organization else ""
    return Who(found.name, found.identifier, service, phone or found.phone)


def _parts(reader: Reader, role: Json) -> tuple[Named | None, Named | None]:
    """The practitioner and the organization of a role."""
    kind = "PractitionerRole"
    person = datatypes.single(role, "practitioner", kind)
    organization = datatypes.single(role, "organization", kind)
    return (
        reader.named(person, f"{kind}.practitioner", PEOPLE, "Practitioner") if person else None,
        reader.named(organization, f"{kind}.organization", ORGANIZATIONS, "Organization")
        if organization
        else None,
    )


def _number(identifier: Identifier | None) -> Identifier | None:
    return Identifier(identifier.value, identifier.issuer) if identifier else None


def _service(words: str, path: str) -> str:
    clean = " ".join(words.split())
    if len(clean) > SERVICE_LIMIT:
        raise InvalidValueError(f"longer than {SERVICE_LIMIT} characters", path=path)
    return clean


def visit(reader: Reader, known: Known) -> VisitDetails | None:
    """The encounter as a visit; one we know is named as it stands, so nothing of it is lost."""
    element = datatypes.single(reader.resource, "encounter", PATH)
    if element is None:
        return None
    path = f"{PATH}.encounter"
    named = reader.named(element, path, VISITS, default="Encounter")
    hit = known.find(named.target, VisitHit)
    if hit is not None:
        found = hit.visit
        return VisitDetails(
            number=found.number,
            patient_class=found.patient_class,
            location=found.location,
            attending=found.attending,
            referring=found.referring,
        )
    if named.contained is not None:
        return _contained_visit(reader, named.contained)
    if named.logical is not None:
        return VisitDetails(number=Identifier(named.logical.value, named.logical.issuer))
    raise InvalidValueError(
        "this encounter is not known here; send its identifier or the resource contained",
        path=path,
        details={"issue": "not-found"},
    )


def _contained_visit(reader: Reader, inner: Json) -> VisitDetails:
    numbers = datatypes.several(inner, "identifier", "Encounter")
    if not numbers:
        raise MissingValueError("an encounter needs an identifier", path="Encounter.identifier")
    number = datatypes.identifier(*numbers[0], reader.systems)
    kind = datatypes.single(inner, "class", "Encounter") or {}
    places = datatypes.several(inner, "location", "Encounter")
    place = datatypes.single(places[0][0], "location", places[0][1]) if places else None
    return VisitDetails(
        number=Identifier(number.value, number.issuer),
        patient_class=bindings.PATIENT_CLASS_IN.get(
            datatypes.text(kind, "code", "Encounter.class"), PatientClass.UNKNOWN
        ),
        location=datatypes.one_line(place, "display", "Encounter.location") if place else None,
    )
