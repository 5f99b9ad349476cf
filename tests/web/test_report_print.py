"""A signed report as PDF from its page."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from django.test import Client

from ris.domain.reporting import AmendReport, VersionKind
from ris.models import AuditEvent, Order
from ris.services import execute
from tests import make, people
from tests.web.department import opened

As = Callable[[str], Client]


def test_a_signed_report_is_printed_and_that_is_audited(as_: As, exam: Order) -> None:
    report = make.final_report(exam)
    client = as_("radiologist")
    page = client.get(f"/reports/{report.public_id}/").content.decode()

    response = client.get(f"/reports/{report.public_id}/print/")

    assert f'href="/reports/{report.public_id}/print/"' in page
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == (
        f'inline; filename="report {exam.accession_number} v1.pdf"'
    )
    assert response["Cache-Control"] == "private, no-store"
    assert response.content.startswith(b"%PDF-1.")
    audit = AuditEvent.objects.filter(action="PrintReport").get()
    assert audit.patients == [str(exam.patient.public_id)]


def test_each_version_can_be_printed(as_: As, exam: Order) -> None:
    report = make.final_report(exam)
    amend = AmendReport(
        report=str(report.public_id), kind=VersionKind.ADDENDUM, sections={"addendum": "Seen."}
    )
    execute(amend, actor=people.radiologist)
    client = as_("radiologist")
    address = f"/reports/{report.public_id}/print/"

    first, second = (client.get(f"{address}?version={number}").content for number in (1, 2))

    assert first != second
    assert client.get(address).content == second
    assert client.get(f"{address}?version=3").status_code == 404


def test_a_draft_is_not_printed(as_: As, exam: Order) -> None:
    client = as_("radiologist")
    draft = opened(client, exam)
    client.post(f"/reports/{draft.public_id}/draft/", {"impression": "?", "revision": "0"})

    assert client.get(f"/reports/{draft.public_id}/print/").status_code == 404
    assert client.get(f"/reports/{uuid4()}/print/").status_code == 404
    assert AuditEvent.objects.filter(action="PrintReport").count() == 0
