"""An archive of some thousand exams, for tests that read what PostgreSQL means to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Model
from pytest_django import DjangoDbBlocker

from benchmarks.dataset import Item, items
from benchmarks.fill import Table, Values, tables

_EXAMS = 3_000
_OPEN = 60  # of them, the last ones; the others are over
_LAST = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def archive(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """What PostgreSQL plans by, the same until the module's tests are done.

    A plan follows from how many rows there are. Empty tables would show plans that no hospital
    gets, and others whenever autovacuum has been by; ANALYZE within a transaction keeps it away.
    SQLite plans by its indexes alone.
    """
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")  # what was rolled back before still takes room
        with transaction.atomic():
            _fill()
            yield
            transaction.set_rollback(True)


def _fill() -> None:
    """Exams of eight years, performed and reported, of which one was last changed on each day."""
    everything = list(items(_EXAMS))
    filled = [Table(model, _dated(model, values)) for model, values in _tables()]
    for table in filled:
        table.insert(everything)
    ids = connection.ops.sequence_reset_sql(no_style(), [table.model for table in filled])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ris_scheduledprocedurestep SET appointment_id = id")
        for statement in [*ids, "ANALYZE"]:
            cursor.execute(statement)
    # Once, and not again at the end of each test.
    connection.check_constraints()


def _dated(model: type[Model], values: Values) -> Values:
    """The same rows as if an exam had come on each day, with ids in no table's order."""
    names = {field.name for field in model._meta.fields}
    over = {
        "Order": {"status": "COMPLETED"},
        "RequestedProcedure": {"stage": "REPORTED"},
        "ScheduledProcedureStep": {"status": "COMPLETED"},
    }.get(model.__name__, {})

    def said(item: Item) -> dict[str, Any]:
        own: dict[str, Any] = {}
        if "updated_at" in names:
            own["updated_at"] = _LAST - timedelta(days=_EXAMS - item.number)
        if "public_id" in names:
            own["public_id"] = uuid5(NAMESPACE_OID, f"{model.__name__} {item.number}")
        return {**values(item), **own, **(over if item.number <= _EXAMS - _OPEN else {})}

    return said


def _tables() -> list[tuple[Any, Values]]:
    from ris import models  # Django stands only after conftests are read

    performed, report = models.PerformedProcedureStep, models.Report
    return [
        *tables(),
        (
            models.Appointment,
            lambda item: {
                "patient_id": item.number,
                "order_id": item.number,
                "status": "FULFILLED",
                "start_at": item.at,
                "end_at": item.at + timedelta(minutes=20),
            },
        ),
        (
            performed,
            lambda item: {
                "sop_instance_uid": f"{item.study_uid}.1",
                "order_id": item.number,
                "patient_id": item.number,
                "status": "COMPLETED",
                "match": "MATCHED",
                "started_at": item.at,
                "station_ae_title": item.station,
                "study_instance_uid": item.study_uid,
            },
        ),
        (
            performed.steps.through,
            lambda item: {
                "performedprocedurestep_id": item.number,
                "scheduledprocedurestep_id": item.number,
            },
        ),
        (
            models.DoseRecord,
            lambda item: {
                "source": "RDSR",
                "source_uid": f"{item.study_uid}.2",
                "kind": "CT",
                "match": "MATCHED",
                "started_at": item.at,
                "study_instance_uid": item.study_uid,
                "performed_id": item.number,
                "order_id": item.number,
                "procedure_id": item.number,
            },
        ),
        (
            models.ExamDose,
            lambda item: {"order_id": item.number, "started_at": item.at},
        ),
        (
            models.PatientObservation,
            lambda item: {
                "patient_id": item.number,
                "code": "2160-0" if item.number % 100 == 0 else "33914-3",
                "value": "0.9",
                "observed_at": item.at,
                "source": "HL7",
            },
        ),
        (report, lambda item: {"order_id": item.number, "status": "FINAL"}),
        (
            models.ReportVersion,
            lambda item: {
                "report_id": item.number,
                "number": 1,
                "kind": "FINAL",
                "sections": {},
                "signed_at": item.at,
                "content_hash": f"{item.number:064x}",
            },
        ),
        (
            models.DomainEvent,
            lambda item: {
                "name": "report.final",
                "subject_type": "report",
                "subject_id": f"{item.number}",
                "order_id": item.number,
                "patient_id": item.number,
                "actor_kind": "user",
                "actor_name": "reader",
                "at": item.at,
            },
        ),
        (
            models.AuditEvent,
            lambda item: {
                "at": item.at,
                "actor_kind": "user",
                "actor_name": "reader",
                "action": "SignReport",
                "order_id": item.number,
                "patient_id": item.number,
                "patients": [],
                "outcome": "ok",
            },
        ),
        (
            models.CriticalResult,
            lambda item: {
                "report_id": item.number,
                "finding": "Air below the diaphragm",
                "told": "Ward 3",
                "told_at": item.at,
            },
        ),
        (
            report.procedures.through,
            lambda item: {"report_id": item.number, "requestedprocedure_id": item.number},
        ),
    ]
