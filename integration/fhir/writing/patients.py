"""Patient: register and update."""

from __future__ import annotations

from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.to_domain import patient
from integration.fhir.writing.request import Writer
from ris.domain.errors import StateConflictError


class Patients:
    """Writes of Patient resources."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        return writer.execute(patient.register_patient(resource, writer.systems)), True

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        if not before["active"]:
            survivor = before["link"][0]["other"]["reference"]
            raise StateConflictError(f"this record was merged into {survivor}")
        version = int(before["meta"]["versionId"])
        command = patient.update_patient(resource, writer.public_id, version, writer.systems)
        writer.execute(command)
