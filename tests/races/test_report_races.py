"""Two hands at one report at the same moment: one version follows the other, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ris.domain.errors import RisError
from ris.domain.reporting import (
    AmendReport,
    FinalizeReport,
    RetractReport,
    ReturnReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.models import DomainEvent, Order, Report, ReportVersion, User
from ris.selectors.report_seals import Tally, faults
from ris.services import execute
from tests import make, people
from tests.races.at_once import together

pytestmark = pytest.mark.django_db(transaction=True)

CORRECTED = {"findings": "Small bleeding.", "impression": "Bleeding."}


@pytest.fixture
def report() -> Report:
    make.site()
    make.device()
    return make.opened_report(make.performed())


def act(command: Any) -> Callable[[], Any]:
    return lambda: execute(command, actor=people.radiologist)


def final(report: Report, text: dict[str, str] | None = None, **more: Any) -> FinalizeReport:
    return FinalizeReport(report=str(report.public_id), sections=text or dict(make.TEXT), **more)


def correct(report: Report, text: str, version: int) -> AmendReport:
    return AmendReport(
        report=str(report.public_id),
        kind=VersionKind.CORRECTION,
        sections={**CORRECTED, "impression": text},
        reason="seen late",
        expected_version=version,
    )


def add(report: Report, version: int | None = None) -> AmendReport:
    return AmendReport(
        report=str(report.public_id),
        kind=VersionKind.ADDENDUM,
        sections={"addendum": "Seen again."},
        expected_version=version,
    )


def refused(results: list[Any]) -> int:
    return sum(isinstance(one, RisError) for one in results)


def kinds() -> list[str]:
    return list(ReportVersion.objects.order_by("number").values_list("kind", flat=True))


def whole(report: Report) -> None:
    """Numbers without a gap, seals that hold, and one event for each version."""
    assert list(faults(Tally())) == []
    told = DomainEvent.objects.filter(payload__has_key="number").order_by("id")
    numbers = [event.payload["number"] for event in told]
    assert numbers == list(range(1, report.versions.count() + 1))


def test_a_report_signed_by_two_is_final_once(report: Report) -> None:
    results = together(*(act(final(report, CORRECTED)) for _ in range(4)))

    assert refused(results) == 3
    assert kinds() == ["FINAL"]
    whole(report)


def test_preliminary_and_final_at_once_end_final(report: Report) -> None:
    preliminary = SignPreliminary(report=str(report.public_id), sections=dict(make.TEXT))

    results = together(act(preliminary), act(final(report)))

    report.refresh_from_db()
    assert report.status == "FINAL"
    assert (refused(results), kinds()) in [(0, ["PRELIMINARY", "FINAL"]), (1, ["FINAL"])]
    whole(report)


def test_a_save_beside_a_signature_is_in_it_or_refused(report: Report) -> None:
    save = SaveDraft(report=str(report.public_id), sections=CORRECTED, expected_revision=0)

    results = together(act(save), act(final(report, expected_revision=0)))

    report.refresh_from_db()
    assert refused(results) == 1
    assert (report.status, report.draft) in [("FINAL", {}), ("DRAFT", CORRECTED)]


def test_of_two_corrections_of_one_version_one_is_refused(report: Report) -> None:
    execute(final(report), actor=people.radiologist)

    results = together(*(act(correct(report, f"Bleeding {n}.", 1)) for n in range(4)))

    assert refused(results) == 3
    assert kinds() == ["FINAL", "CORRECTION"]
    whole(report)


def test_a_correction_beside_an_addendum_loses_neither_unseen(report: Report) -> None:
    execute(final(report), actor=people.radiologist)

    results = together(act(correct(report, "Bleeding.", 1)), act(add(report, 1)))

    assert refused(results) == 1
    assert kinds() in (["FINAL", "CORRECTION"], ["FINAL", "ADDENDUM"])
    whole(report)


def test_two_addenda_that_were_not_looked_at_together_stand_both(report: Report) -> None:
    execute(final(report), actor=people.radiologist)

    results = together(*(act(add(report)) for _ in range(3)))

    last = ReportVersion.objects.latest("number")
    assert refused(results) == 0
    assert last.sections["addendum"] == "\n\n".join(["Seen again."] * 3)
    whole(report)


def test_a_withdrawal_beside_a_correction_ends_withdrawn_or_is_asked_again(
    report: Report,
) -> None:
    execute(final(report), actor=people.radiologist)
    withdraw = RetractReport(
        report=str(report.public_id), reason="wrong patient", expected_version=1
    )

    results = together(act(withdraw), act(correct(report, "Bleeding.", 1)))

    report.refresh_from_db()
    assert refused(results) == 1
    assert (report.status, kinds()) in [
        ("RETRACTED", ["FINAL", "RETRACTION"]),
        ("AMENDED", ["FINAL", "CORRECTION"]),
    ]
    assert Order.objects.get().status == ("ACTIVE" if report.status == "RETRACTED" else "COMPLETED")
    whole(report)


def test_a_report_is_given_back_or_signed_not_both(report: Report) -> None:
    resident = User.objects.create(username="resident")
    execute(
        SignPreliminary(report=str(report.public_id), sections=dict(make.TEXT)),
        actor=people.resident,
    )
    Report.objects.update(resident=resident)
    back = ReturnReport(report=str(report.public_id), note="Look again.", expected_version=1)

    results = together(act(back), act(final(report)))

    report.refresh_from_db()
    assert not isinstance(results[1], RisError)  # what was given back may still be signed
    assert (report.status, report.return_note) == ("FINAL", "")
    whole(report)
