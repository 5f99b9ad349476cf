"""The page of a report and the parts that it fetches: bounded queries, one audit, no script."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ris import config
from ris.domain.exchange import Subscription
from ris.domain.reporting import AmendReport, VersionKind
from ris.models import AuditEvent, Report
from ris.models.base import uuid7
from ris.services import execute, outbox
from tests import make, people
from tests.web.department import Department, whole

As = Callable[[str], Client]
BUDGETS: dict[str, int] = json.loads((Path(__file__).parent.parent / "budgets.json").read_text())
PARTS = {
    "": "page_report",
    "exam/": "page_report_exam",
    "receipts/": "page_report_receipts",
    "findings/": "page_report_findings",
    "priors/": "page_report_priors",
    "after/": "page_report_after",
}
ASKED = {"HX-Request": "true"}


def address(report: Report, part: str = "") -> str:
    return f"/reports/{report.public_id}/{part}"


def counts(client: Client, report: Report) -> dict[str, int]:
    found = {}
    for part, budget in PARTS.items():
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address(report, part), headers=ASKED).status_code == 200
        found[budget] = len(asked)
    return found


def looks(report: Report) -> int:
    return AuditEvent.objects.filter(action="ViewReport", order=report.order).count()


@pytest.mark.parametrize("name", ["draft", "preliminary", "final"])
def test_page_and_parts_ask_few_times(as_: As, full: Department, name: str) -> None:
    report: Report = getattr(full, name)
    client = as_("radiologist")
    client.get(address(report))

    asked = counts(client, report)

    assert {key: number for key, number in asked.items() if number > BUDGETS[key]} == {}
    assert all(BUDGETS[key] <= 15 for key in asked)


@pytest.fixture
def code_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RIS_REPORTS__SIGN_WITH", "second-factor")
    config.load.cache_clear()
    yield
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.mark.usefixtures("code_asked")
def test_an_empty_draft_that_is_signed_with_a_code_asks_most(as_: As, full: Department) -> None:
    """Templates are offered, and the page looks whether there is an app to sign with."""
    Report.objects.filter(pk=full.draft.pk).update(draft={})
    client = as_("radiologist")
    client.get(address(full.draft))

    with CaptureQueriesContext(connection) as asked:
        client.get(address(full.draft))

    assert len(asked) <= BUDGETS["page_report"]


def test_number_does_not_grow_with_what_happened(as_: As, full: Department) -> None:
    client, report = as_("radiologist"), full.final
    make.endpoint("Registry", sends=(Subscription.RESULTS,))
    happen(client, report)
    client.get(address(report))
    before = counts(client, report)

    for number in range(3):
        happen(client, report, number)

    assert counts(client, report) == before


def happen(client: Client, report: Report, number: int = 9) -> None:
    """A finding and an addendum that leaves to a receiver."""
    client.post(address(report, "critical/flag/"), {"finding": f"Air {number}", "category": "RED"})
    amend = AmendReport(
        report=str(report.public_id),
        kind=VersionKind.ADDENDUM,
        sections={"addendum": f"Seen {number}."},
    )
    execute(amend, actor=people.radiologist)
    outbox.fan_out()


def test_parts_of_a_page_are_audited_with_it(as_: As, full: Department) -> None:
    whole(as_("radiologist"), address(full.final))
    with_page = looks(full.final)
    as_("manager").get(address(full.final, "findings/"))

    assert (with_page, looks(full.final)) == (1, 2)


def test_each_part_is_a_page_of_its_own_without_script(as_: As, full: Department) -> None:
    report = full.final
    number = report.order.patient.identifiers.get(primary=True).value
    client = as_("radiologist")
    page = client.get(address(report)).content.decode()

    for part in filter(None, PARTS):
        alone = client.get(address(report, part)).content.decode()
        assert f'<a href="{address(report, part)}">' in page
        assert "<title>" in alone
        assert number in alone
        assert f'<a href="{address(report)}">' in alone


def test_who_reads_no_reports_is_offered_no_earlier_ones(as_: As, full: Department) -> None:
    page = whole(as_("frontdesk"), address(full.final))

    assert f'"{address(full.final, "priors/")}"' not in page
    assert "Sent to" in page


def test_part_of_no_report_is_refused(as_: As, rooms: None) -> None:
    client = as_("radiologist")

    for part in filter(None, PARTS):
        assert client.get(f"/reports/{uuid7()}/{part}").status_code == 404
