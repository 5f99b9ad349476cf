"""Signed versions stay what they are: the database refuses, hashes and seals tell."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.db.models import F

from ris import reports
from ris.domain.reporting import AmendReport, VersionKind
from ris.models import Report, ReportVersion
from ris.models.guards import lifted, versions_are_guarded
from ris.selectors.report_seals import Tally, faults
from ris.services import execute
from tests import ground, make, people

pytestmark = pytest.mark.django_db


def _two_reports() -> tuple[Report, Report]:
    make.device()
    first = make.final_report(make.performed())
    for text in ("Seen again.", "And again."):
        execute(
            AmendReport(
                report=str(first.public_id),
                kind=VersionKind.ADDENDUM,
                sections={"addendum": text},
            ),
            actor=people.radiologist,
        )
    later = make.performed(start_at=make.NOON + timedelta(hours=2))
    return first, make.final_report(later)


@pytest.fixture
def report() -> Report:
    """Of three versions; there is another report of one."""
    found, _ = ground.begin("two signed reports", _two_reports)
    return found[0]


def changed(report: Report, number: int, **values: Any) -> None:
    """Past the database's guard, as somebody with the right of its owner could."""
    with lifted():
        ReportVersion.objects.filter(report=report, number=number).update(**values)


def found() -> list[tuple[str, int, str]]:
    return [(fault.report, fault.number, fault.what) for fault in faults(Tally(), batch=1)]


def test_a_version_is_not_changed(report: Report) -> None:
    with pytest.raises(IntegrityError, match="report_version_stays"), transaction.atomic():
        ReportVersion.objects.filter(report=report, number=1).update(reason="better")

    assert ReportVersion.objects.get(report=report, number=1).reason == ""


def test_a_version_is_not_deleted(report: Report) -> None:
    with pytest.raises(IntegrityError, match="report_version_stays"), transaction.atomic():
        ReportVersion.objects.filter(report=report, number=3).delete()

    assert report.versions.count() == 3


def test_the_guard_is_there_again_after_a_database_was_emptied(report: Report) -> None:
    with lifted():
        lifted_there = versions_are_guarded()

    assert (lifted_there, versions_are_guarded()) == (False, True)


def test_what_was_signed_is_found_whole(report: Report) -> None:
    tally = Tally()

    assert list(faults(tally, batch=1)) == []
    assert (tally.reports, tally.versions, tally.unsealed) == (2, 4, 0)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ({"sections": {"findings": "All is well."}}, [(2, "its text is not what was signed")]),
        ({"signed_at": F("signed_at") - timedelta(hours=1)}, [2]),
        ({"reason": "asked to"}, [2]),
        ({"communications": [{"told": "Ward 3"}]}, [(2, "its text is not what was signed")]),
        ({"seal": ""}, [(2, "its seal is missing"), 3]),
    ],
    ids=["text", "time", "reason", "who was told", "seal taken off"],
)
def test_what_was_changed_past_the_guard_is_found(
    report: Report, values: dict[str, Any], numbers: list[Any]
) -> None:
    changed(report, 2, **values)

    key = str(report.public_id)
    other = "its signer, time or kind, or the version before it, is not what was signed"
    assert found() == [
        (key, *((number, other) if isinstance(number, int) else number)) for number in numbers
    ]


def test_a_changed_text_with_a_hash_that_fits_is_found_by_the_seals(report: Report) -> None:
    from ris.selectors.report_seals import hash_of

    version = ReportVersion.objects.get(report=report, number=2)
    version.sections = {"findings": "All is well."}
    changed(report, 2, sections=version.sections, content_hash=hash_of(version))

    assert [number for _, number, _ in found()] == [2]


def test_a_version_that_was_taken_out_is_missed(report: Report) -> None:
    with lifted():
        ReportVersion.objects.filter(report=report, number=2).delete()

    assert found() == [(str(report.public_id), 3, "a version before it is missing")]


def test_versions_of_earlier_releases_have_no_seal_and_are_no_fault(report: Report) -> None:
    changed(report, 1, seal="")
    changed(report, 2, seal="")
    changed(report, 3, seal="")
    tally = Tally()

    assert list(faults(tally)) == []
    assert (tally.versions, tally.unsealed) == (4, 3)


def test_the_command_says_which_and_fails(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = reports.verify([])
    changed(report, 3, reason="asked to")
    differing = reports.verify(["--batch", "1"])

    out, err = capsys.readouterr()
    assert (whole, differing) == (0, 1)
    assert out.splitlines() == [
        "4 versions of 2 reports: all are what was signed",
        "4 versions of 2 reports: 1 differ",
    ]
    assert err.startswith(f"ris: report {report.public_id} version 3: its signer")


@pytest.mark.django_db(transaction=True)
def test_a_whole_database_can_be_emptied() -> None:
    make.device()
    make.final_report(make.performed())

    call_command("flush", verbosity=0, interactive=False)

    assert ReportVersion.objects.count() == 0
    assert versions_are_guarded()
