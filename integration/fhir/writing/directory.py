"""Encounter and Practitioner: what EHRs tell of visits and of people beside their orders."""

from __future__ import annotations

from typing import Any

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.to_domain import encounter, practitioner
from integration.fhir.to_domain.references import Reader
from integration.fhir.writing.request import Writer
from ris.domain.values import Identifier
from ris.selectors.search import Page
from ris.selectors.search.terms import IdentifierTerm

# People with a login here are known by their name at this issuer (CreateUser).
LOGINS = "RIS"


class Encounters:
    """Writes of Encounter resources: the visit of a patient, by its number."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        reader = Reader(resource, writer.incoming.base, writer.systems)
        known = writer.find(encounter.targets(reader))
        patient = encounter.patient(reader, known)
        command = encounter.record_visit(reader, patient.public_id)
        number = encounter.number(reader)
        before = _numbered(writer, number)
        writer.execute(command)
        found = _numbered(writer, number)
        if not found:
            raise HttpError(409, "conflict", "this visit was merged into another one")
        return found, not before

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        reader = Reader(resource, writer.incoming.base, writer.systems)
        patient = encounter.patient(reader, writer.find(encounter.targets(reader)))
        (hit,) = writer.kind.finder.load([writer.public_id])
        if patient.public_id != hit.patient:
            raise HttpError(
                422,
                "business-rule",
                "a visit is given to another patient by ADT messages",
                path="Encounter.subject",
            )
        writer.execute(encounter.update_visit(reader, hit.patient, hit.visit.number))


class Practitioners:
    """Writes of Practitioner resources: people as they are known by a number."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        command = practitioner.register(resource, writer.systems)
        number = practitioner.number(resource, writer.systems)
        _refuse_logins(number)
        known = _numbered(writer, number)
        return writer.execute(command), not known

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        command = practitioner.register(resource, writer.systems)
        (view,) = writer.kind.finder.load([writer.public_id])
        _refuse_logins(view.identifier)
        if command.identifier != Identifier(view.identifier.value, view.identifier.issuer):
            raise HttpError(
                422,
                "business-rule",
                "the number of a practitioner stays: register the other one as a new one",
                path="Practitioner.identifier",
            )
        writer.execute(command)


def _numbered(writer: Writer, number: Identifier) -> str:
    """The public id of what has this number; empty for nothing."""
    term = IdentifierTerm(number.value, number.issuer)
    wanted: dict[str, Any] = {"identifiers": ((term,),)}
    criteria = writer.kind.criteria(**wanted)
    return next(iter(writer.kind.finder.keys(criteria, Page(1)).hits), "")


def _refuse_logins(number: Identifier) -> None:
    if number.issuer == LOGINS:
        raise HttpError(
            405, "not-supported", "people with a login here are changed on the page of their login"
        )
