"""Searches that are made all day look rows up by an index, on both databases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integration.fhir.parameters import Reading
from integration.fhir.query import parse
from integration.fhir.resources import KINDS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("archive")]

ID = "01890000-0000-7000-8000-000000000001"


def plans(kind: str, query: str) -> list[str]:
    """What the database says of each statement that looks for keys."""
    served = KINDS[kind]
    pairs = [tuple(each.split("=", 1)) for each in query.split("&")]
    asked = parse(served, pairs, Reading("http://localhost/fhir"))  # type: ignore[arg-type]
    with CaptureQueriesContext(connection) as captured:
        served.finder.keys(asked.criteria, asked.page)
    return explained(each["sql"] for each in captured.captured_queries)


def explained(statements: Iterable[str]) -> list[str]:
    """How the database means to find what each of them asks."""
    postgresql = connection.vendor == "postgresql"
    found = []
    with connection.cursor() as cursor:
        if postgresql:
            # Some tables stay small, and would be read whole unless that is made dear.
            cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in statements:
            cursor.execute(("EXPLAIN " if postgresql else "EXPLAIN QUERY PLAN ") + statement)
            rows: list[Any] = cursor.fetchall()
            found.append("\n".join(str(row[-1]) for row in rows))
    return found


def whole(plan: str) -> list[str]:
    """The steps of a plan that look at every row of a table, or of an index."""
    if connection.vendor == "sqlite":
        return [line for line in plan.splitlines() if line.startswith("SCAN") and "ris_" in line]
    found = []
    lines = plan.splitlines()
    for number, line in enumerate(lines):
        if " on ris_" not in line or "Bitmap Heap" in line or "ris_site" in line:
            continue
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        if "Scan" in line and not following.startswith("Index Cond"):
            found.append(line.strip())
    return found


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("Patient", "identifier=urn:oid:1.2|4711"),
        ("Patient", "identifier=4711&birthdate=1970-05-03"),
        ("Patient", "_lastUpdated=ge2026-03-02T12:00:00Z"),
        ("ServiceRequest", "identifier=urn:oid:1.2|ACC1"),
        ("ServiceRequest", f"patient={ID}&authored=ge2026-03-01"),
        ("ServiceRequest", "patient.identifier=urn:oid:1.2|4711"),
        ("ServiceRequest", "_lastUpdated=ge2026-03-02T12:00:00Z"),
        ("Task", f"patient={ID}&status=ready"),
        ("Task", f"based-on={ID}"),
        ("Task", "based-on.identifier=ACC1"),
        ("Task", "_lastUpdated=ge2026-03-02T12:00:00Z"),
        ("Appointment", "status=booked&date=2026-03-02"),
        ("Appointment", f"patient={ID}&date=2026-03-02"),
        ("Appointment", f"based-on={ID}"),
        ("Appointment", "based-on.identifier=ACC1"),
        ("Appointment", "_lastUpdated=ge2026-03-02T12:00:00Z"),
        ("Procedure", f"patient={ID}&date=2026-03-02"),
        ("Procedure", f"patient={ID}"),
        ("Procedure", f"based-on={ID}"),
        ("Procedure", "_lastUpdated=ge2026-03-02T12:00:00Z"),
        ("ImagingStudy", f"patient={ID}&started=2026-03-02"),
        ("ImagingStudy", "identifier=urn:dicom:uid|urn:oid:1.2.3"),
        ("DiagnosticReport", f"patient={ID}&issued=2026-03-02"),
        ("ImagingStudy", f"basedon={ID}"),
        ("DiagnosticReport", "identifier=ACC1"),
        ("DiagnosticReport", f"patient={ID}"),
        ("DiagnosticReport", f"based-on={ID}"),
        ("DiagnosticReport", "status=final&_lastUpdated=ge2026-03-02"),
        ("Encounter", "identifier=urn:oid:1.2|V1"),
        ("Observation", "identifier=urn:oid:1.2|L1"),
        ("Observation", f"patient={ID}&date=ge2026-03-02"),
        ("Observation", f"patient={ID}&code=http://loinc.org|2160-0"),
        ("Observation", "code=2160-0&value-quantity=gt5"),
        ("Observation", "_lastUpdated=ge2026-03-02T12:00:00Z"),
        ("Observation", "date=ge2026-03-02"),
        ("DocumentReference", f"patient={ID}"),
        ("DocumentReference", f"related={ID}"),
        ("DocumentReference", "_lastUpdated=ge2026-03-02T12:00:00Z"),
        ("AuditEvent", f"patient={ID}"),
        ("AuditEvent", f"entity={ID}"),
        ("Provenance", f"target={ID}"),
        ("Provenance", f"patient={ID}"),
        ("AllergyIntolerance", "_lastUpdated=ge2026-03-02T12:00:00Z"),
        ("AllergyIntolerance", "patient.identifier=urn:oid:1.2|4711"),
        ("RelatedPerson", "name=berg"),
        ("Patient", "_has:Observation:patient:code=2160-0"),
    ],
)
def test_no_table_is_read_whole(kind: str, query: str) -> None:
    read_whole = [line for plan in plans(kind, query) for line in whole(plan)]

    assert read_whole == []
