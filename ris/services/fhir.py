"""What FHIR clients gave to be kept, and the versions of resources that were shown."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F, Model, Q
from django.utils import timezone

from ris.domain.actors import Role
from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.domain.fhir import (
    ChangeResource,
    DeleteResource,
    KeepResource,
    Method,
    ResourceChanged,
    ResourceDeleted,
    ResourceKept,
)
from ris.domain.patients import PatientReference
from ris.models import (
    Appointment,
    AppointmentAnswer,
    Device,
    FhirOverlay,
    FhirResource,
    FhirVersion,
    Order,
    Patient,
    Practitioner,
    Room,
    ScheduledProcedureStep,
    Site,
    Visit,
)
from ris.models.base import Versioned, uuid7
from ris.services import patients
from ris.services._context import Context
from ris.services._execute import joining, transactional
from ris.services._locks import lock_orders, public_key
from ris.services._transition import touch

# Called inside the transaction of each write with the type, the row and what it says now; with None
# where it was deleted. Whoever keeps an index of kept resources writes it here.
Indexer = Callable[[str, FhirResource, Mapping[str, Any] | None], None]
_indexers: list[Indexer] = []


def register_indexer(indexer: Indexer) -> None:
    """Called by whoever keeps an index of what is kept; twice is once."""
    if indexer not in _indexers:
        _indexers.append(indexer)


def _index(row: FhirResource) -> None:
    if not _indexers:
        return
    said = None if row.deleted_at else json.loads(row.content, parse_float=Decimal)
    for indexer in _indexers:
        indexer(row.type, row, said)


# --- kept resources


def keep_resource(command: KeepResource, context: Context) -> str:
    row = FhirResource.objects.create(
        public_id=public_key(command.public_id, command.type) if command.public_id else uuid7(),
        type=command.type,
        patient=_patient(command.patient),
        content=command.content,
        source=context.actor.name[:200],
    )
    _index(row)
    _write_version(row, Method.POST)
    context.emit(
        ResourceKept(type=row.type, resource=str(row.public_id), revision=row.version),
        subject=row,
        patient=row.patient,
    )
    return str(row.public_id)


def change_resource(command: ChangeResource, context: Context) -> str:
    row = _locked(command.type, command.resource, command.version)
    if row.deleted_at is None and row.content == command.content:
        context.about(row)  # nothing new: the version stays
        return str(row.public_id)
    row.patient = _patient(command.patient)
    row.content = command.content
    row.source = context.actor.name[:200]
    row.deleted_at = None
    touch(row, "patient", "content", "source", "deleted_at")
    _index(row)
    _write_version(row, command.method)
    context.emit(
        ResourceChanged(type=row.type, resource=str(row.public_id), revision=row.version),
        subject=row,
        patient=row.patient,
    )
    return str(row.public_id)


def delete_resource(command: DeleteResource, context: Context) -> str:
    row = _locked(command.type, command.resource, command.version)
    if row.deleted_at is not None:
        context.about(row)  # said twice
        return str(row.public_id)
    row.deleted_at = context.now
    touch(row, "deleted_at")
    _index(row)
    _write_version(row, Method.DELETE)
    context.emit(
        ResourceDeleted(type=row.type, resource=str(row.public_id), revision=row.version),
        subject=row,
        patient=row.patient,
    )
    return str(row.public_id)


def _locked(type_: str, public_id: str, version: int | None) -> FhirResource:
    key = public_key(public_id, type_)
    rows = FhirResource.objects.select_for_update(of=("self",)).select_related("patient")
    row = rows.filter(type=type_, public_id=key).first()
    if row is None:
        raise UnknownKeyError(f"there is no {type_}/{public_id}")
    if version is not None and version != row.version:
        raise StateConflictError("it was changed meanwhile: read it and try again")
    return row


def _patient(public_id: str) -> Patient | None:
    """Whom a resource is about: the survivor of who was merged."""
    if not public_id:
        return None
    found = patients.find(PatientReference(public_id=public_id))
    if found is None:
        raise UnknownKeyError("no such patient")
    return found


def _write_version(row: FhirResource, method: Method) -> None:
    FhirVersion(
        type=row.type,
        public_id=row.public_id,
        version=str(row.version),
        method=method.value,
        at=row.updated_at,
        patient=row.patient,
        source=row.source,
        content="" if method is Method.DELETE else row.content,
    ).insert_unless_known()


# --- beside the core: no commands, for they change nothing of it


@joining
def keep_overlay(type_: str, public_id: str, *, received: str, shown: str, source: str) -> None:
    """Keep what a client sent of something the core has, and what the core showed of it."""
    row = FhirOverlay(
        type=type_,
        public_id=uuid.UUID(public_id),
        received=received,
        shown=shown,
        source=source[:200],
    )
    if row.insert_unless_known():
        return
    FhirOverlay.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["type", "public_id"],
        update_fields=["received", "shown", "source", "updated_at"],
    )


def lock(type_: str, public_id: str) -> None:
    """Let nobody change an order between a look at its version and what is done by it.

    Clients of FHIR follow each other anyway (``selectors.search.serialize``); people, HL7 and
    scanners lock the order. SQLite's transactions are serial.
    """
    if type_ != "ServiceRequest" or connection.vendor == "sqlite":
        return
    key = uuid.UUID(public_id)
    named = Q(public_id=key) | Q(procedures__public_id=key)
    lock_orders(Order.objects.filter(named).values_list("pk", flat=True))


# Resource type → the table whose row counts its changes.
_COUNTING: Mapping[str, type[Model]] = {
    "Appointment": Appointment,
    "AppointmentResponse": AppointmentAnswer,
    "Device": Device,
    "Encounter": Visit,
    "Location": Room,
    "Organization": Site,
    "Patient": Patient,
    "Practitioner": Practitioner,
    "ServiceRequest": Order,
    "Task": ScheduledProcedureStep,
}


@transactional
def count_change(type_: str, public_id: str) -> None:
    """Let a row be a version further: what is shown beside it changed."""
    model = _COUNTING.get(type_)
    if model is None:
        return
    rows = model._default_manager.filter(public_id=uuid.UUID(public_id))
    if issubclass(model, Versioned):
        rows.update(version=F("version") + 1, updated_at=timezone.now())
    else:
        rows.update(updated_at=timezone.now())


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVersion:
    """A version that was shown and is to be kept."""

    type: str
    public_id: str
    version: str
    method: Method
    at: datetime
    content: str
    source: str = ""


def note_versions(shown: Sequence[ShownVersion]) -> None:
    """Keep versions that were shown; one that is kept already stays as it is.

    In one order for all writers, so that no two of them wait for each other.
    """
    rows = [
        FhirVersion(
            type=each.type,
            public_id=uuid.UUID(each.public_id),
            version=each.version,
            method=each.method.value,
            at=each.at,
            source=each.source[:200],
            content=each.content,
        )
        for each in sorted(shown, key=lambda each: (each.type, each.public_id, each.version))
    ]
    if len(rows) == 1:
        rows[0].insert_unless_known()  # by a statement that is kept
        return
    FhirVersion.objects.bulk_create(rows, batch_size=_ROWS_AT_ONCE, ignore_conflicts=True)


_ROWS_AT_ONCE = 50


HANDLERS = {
    KeepResource: keep_resource,
    ChangeResource: change_resource,
    DeleteResource: delete_resource,
}

PERMISSIONS = {
    KeepResource: {Role.INTERFACE, Role.SYSTEM},
    ChangeResource: {Role.INTERFACE, Role.SYSTEM},
    DeleteResource: {Role.INTERFACE, Role.SYSTEM},
}
