"""Practitioner → RegisterPractitioner (FHIR R4 8.4)."""

from __future__ import annotations

from integration.fhir.systems import Systems
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.datatypes import Json
from ris.domain.errors import MissingValueError
from ris.domain.facility import RegisterPractitioner
from ris.domain.values import Identifier

PATH = "Practitioner"


def number(resource: Json, known: Systems) -> Identifier:
    """The first number in use, without which nobody is told from another of the same name."""
    for element, path in datatypes.several(resource, "identifier", PATH):
        if datatypes.text(element, "use", path) != "old":
            found = datatypes.identifier(element, path, known)
            if found.value:
                return Identifier(found.value, found.issuer)
    raise MissingValueError("a practitioner needs an identifier", path=f"{PATH}.identifier")


def register(resource: Json, known: Systems) -> RegisterPractitioner:
    datatypes.refuse_modifiers(resource, PATH)
    name = datatypes.person_name(datatypes.several(resource, "name", PATH))
    if not name:
        raise MissingValueError("a practitioner needs a name", path=f"{PATH}.name")
    contacts = datatypes.several(resource, "telecom", PATH)
    return RegisterPractitioner(
        name=name,
        identifier=number(resource, known),
        phone=datatypes.telecom(contacts, "phone"),
        email=datatypes.telecom(contacts, "email"),
    )
