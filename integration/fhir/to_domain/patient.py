"""Patient → RegisterPatient, UpdatePatient (FHIR R4 8.1)."""

from __future__ import annotations

from integration.fhir import bindings
from integration.fhir.systems import Systems
from integration.fhir.to_domain import datatypes
from integration.fhir.to_domain.datatypes import Json
from ris.domain.errors import MissingValueError, UnsupportedError
from ris.domain.patients import (
    Demographics,
    PatientReference,
    RegisterPatient,
    Sex,
    UpdatePatient,
)
from ris.domain.values import Identifier, PartialDate, PersonName


def register_patient(resource: Json, known: Systems) -> RegisterPatient:
    _refuse(resource, "Patient")
    return RegisterPatient(
        identifiers=identifiers(resource, "Patient", known),
        demographics=demographics(resource, "Patient"),
    )


def update_patient(
    resource: Json, public_id: str, version: int | None, known: Systems
) -> UpdatePatient:
    """PUT replaces: what the resource leaves out is emptied."""
    _refuse(resource, "Patient")
    said = demographics(resource, "Patient")
    return UpdatePatient(
        patient=PatientReference(
            public_id=public_id, identifiers=identifiers(resource, "Patient", known)
        ),
        demographics=Demographics(
            name=said.name if said.name is not None else PersonName(),
            birth_date=said.birth_date or PartialDate(""),
            sex=said.sex if said.sex is not None else Sex.UNKNOWN,
            deceased=bool(said.deceased),
            phone=said.phone or "",
            email=said.email or "",
            address=said.address or "",
            language=said.language or "",
        ),
        replace_identifiers=True,
        expected_version=version,
    )


def identifiers(resource: Json, path: str, known: Systems) -> tuple[Identifier, ...]:
    """The identifiers in use; those of an earlier time are not taken as this patient's number.

    One without a value, such as a number that is masked, is nobody's number either.
    """
    return tuple(
        datatypes.identifier(element, where, known)
        for element, where in datatypes.several(resource, "identifier", path)
        if "value" in element and datatypes.text(element, "use", where) != "old"
    )


def demographics(resource: Json, path: str) -> Demographics:
    """What the resource says; what it leaves out is None."""
    contacts = datatypes.several(resource, "telecom", path)
    gender = datatypes.text(resource, "gender", path)
    birth_date = datatypes.date_text(resource, "birthDate", path)
    name = datatypes.person_name(datatypes.several(resource, "name", path))
    return Demographics(
        name=name or None,
        birth_date=PartialDate.parse(birth_date, f"{path}.birthDate") if birth_date else None,
        sex=bindings.gender(gender, f"{path}.gender") if gender else None,
        deceased=_deceased(resource, path),
        phone=datatypes.telecom(contacts, "phone") or None,
        email=datatypes.telecom(contacts, "email") or None,
        address=datatypes.address(datatypes.several(resource, "address", path)) or None,
        language=_language(resource, path) or None,
    )


def _deceased(resource: Json, path: str) -> bool | None:
    if datatypes.when(resource, "deceasedDateTime", path):
        return True
    return datatypes.boolean(resource, "deceasedBoolean", path)


def _language(resource: Json, path: str) -> str:
    spoken = datatypes.several(resource, "communication", path)
    spoken.sort(key=lambda each: each[0].get("preferred") is not True)
    for element, where in spoken:
        concept = datatypes.single(element, "language", where)
        if concept:
            found = datatypes.code(concept, f"{where}.language")
            return found.value or found.meaning
    return ""


def _refuse(resource: Json, path: str) -> None:
    """Modifier elements that this server does not act on must not pass unnoticed."""
    datatypes.refuse_modifiers(resource, path)
    if datatypes.boolean(resource, "active", path) is False:
        raise UnsupportedError("patients are not deactivated here", path=f"{path}.active")
    if resource.get("link"):
        raise UnsupportedError("records are merged by people or by ADT", path=f"{path}.link")
    if not resource.get("name"):
        raise MissingValueError("a patient needs a name", path=f"{path}.name")
