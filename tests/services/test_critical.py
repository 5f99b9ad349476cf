"""Critical findings: the clock, the calls, the escalation, and what a report says of them."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.utils import timezone

from ris.domain.actors import TIMER
from ris.domain.critical import (
    CategoryDetails,
    EscalateCriticalResults,
    FlagCriticalResult,
    NoteCriticalAttempt,
    SetCriticalCategories,
    WaiveCriticalTelling,
    WithdrawCriticalResult,
    communication_line,
    escalates_at,
)
from ris.domain.errors import InvalidValueError, MissingValueError, StateConflictError
from ris.domain.reporting import (
    AcknowledgeCriticalResult,
    AmendReport,
    CommunicateCriticalResult,
    DiscardDraft,
    FinalizeReport,
    OpenReport,
    RetractReport,
    SignPreliminary,
    VersionKind,
)
from ris.models import CriticalFinding, CriticalResult, DomainEvent, Order, Report
from ris.selectors import critical as selected
from ris.selectors.reports import report_view
from ris.services import critical, execute
from tests import ground, make, people

pytestmark = pytest.mark.django_db


@pytest.fixture
def order() -> Order:
    """An exam that waits to be read."""

    def build() -> Order:
        make.device()
        return make.performed()

    return ground.begin("critical: exam", build)[0]


@pytest.fixture
def report(order: Order) -> Report:
    return make.opened_report(order)


def flag(report: Report | None = None, **said: Any) -> str:
    fields: dict[str, Any] = {"finding": "Aortic dissection", "category": "RED", **said}
    if report is not None:
        fields["report"] = str(report.public_id)
    return execute(FlagCriticalResult(**fields), actor=people.radiologist)


def call(key: str, **said: Any) -> None:
    fields: dict[str, Any] = {"who": "Olga Ordonez", "read_back": True, **said}
    execute(NoteCriticalAttempt(critical_result=key, **fields), actor=people.frontdesk)


def finalize(report: Report) -> None:
    execute(
        FinalizeReport(report=str(report.public_id), sections=dict(make.TEXT)),
        actor=people.radiologist,
    )


def events() -> list[str]:
    return list(DomainEvent.objects.order_by("id").values_list("name", flat=True))


def test_a_flag_starts_the_clock_and_names_who_asked_for_the_exam(report: Report) -> None:
    flag(report)

    row = CriticalFinding.objects.get()
    assert (row.status, row.tell, row.minutes) == ("OPEN", "ORDONEZ, Olga", 60)
    assert row.due_at - row.flagged_at == timedelta(minutes=60)
    assert row.escalates_at == row.flagged_at + timedelta(minutes=30)
    assert events()[-1] == "CriticalFindingFlagged"


def test_a_finding_without_words_or_of_no_category_is_refused(report: Report) -> None:
    with pytest.raises(MissingValueError):
        flag(report, finding="  ")
    with pytest.raises(InvalidValueError):
        flag(report, category="PURPLE")


def test_who_reads_it_back_closes_the_loop(report: Report) -> None:
    key = flag(report)

    call(key, reached=False, read_back=False)
    call(key)

    row = CriticalFinding.objects.get()
    told = CriticalResult.objects.get()
    assert (row.status, row.closed_by, row.escalates_at) == ("ACKNOWLEDGED", "Olga Ordonez", None)
    assert str(told.public_id) == key
    assert (told.told, told.told_by, told.read_back) == ("Olga Ordonez", "frontdesk", True)
    assert told.acknowledged_by == "Olga Ordonez"
    assert events()[-3:] == [
        "CriticalAttemptNoted",
        "CriticalResultCommunicated",
        "CriticalResultAcknowledged",
    ]


def test_who_was_only_told_still_has_to_acknowledge(report: Report) -> None:
    key = flag(report)

    call(key, read_back=False)
    before = CriticalFinding.objects.get()
    execute(
        AcknowledgeCriticalResult(critical_result=key, acknowledged_by="Dr. Ordonez"),
        actor=people.frontdesk,
    )

    assert (before.status, before.escalates_at is not None) == ("TOLD", True)
    assert CriticalFinding.objects.get().status == "ACKNOWLEDGED"


def test_the_next_one_is_asked_until_the_list_ends(report: Report) -> None:
    flag(report)
    begun = CriticalFinding.objects.get().flagged_at

    asked = []
    for minutes in (29, 31, 45, 61, 600):
        with time_machine.travel(begun + timedelta(minutes=minutes), tick=False):
            critical.run_due()
        row = CriticalFinding.objects.get()
        asked.append((row.level, row.asked))

    assert asked == [
        (0, ""),
        (1, "radiologist"),
        (1, "radiologist"),
        (2, "manager"),
        (2, "manager"),
    ]
    assert events().count("CriticalFindingEscalated") == 2


def test_what_was_acknowledged_asks_nobody(report: Report) -> None:
    key = flag(report)
    begun = CriticalFinding.objects.get().flagged_at
    call(key)

    with time_machine.travel(begun + timedelta(hours=2), tick=False):
        assert execute(EscalateCriticalResults(), actor=TIMER) == 0


def test_a_call_is_told_at_the_order_whose_exam_it_was_about() -> None:
    make.device()
    reference = make.patient("4712")
    first = make.performed(patient=reference)
    second = make.performed(patient=reference, start_at=make.NOON + timedelta(hours=2))
    procedures = [str(each.procedures.get().public_id) for each in (first, second)]
    report = execute(OpenReport(procedures=tuple(procedures)), actor=people.radiologist)
    flag(procedure=procedures[1])

    execute(
        CommunicateCriticalResult(
            report=report, finding="Aortic dissection", told="Olga Ordonez", read_back=True
        ),
        actor=people.radiologist,
    )

    told = DomainEvent.objects.filter(name__startswith="CriticalResult").order_by("id")
    assert [each.name for each in told] == [
        "CriticalResultCommunicated",
        "CriticalResultAcknowledged",
    ]
    assert {each.order for each in told} == {second}


def test_a_report_waits_to_be_final_until_somebody_was_called(report: Report) -> None:
    key = flag(report)

    with pytest.raises(StateConflictError, match="nobody was called about “Aortic dissection”"):
        finalize(report)
    call(key, reached=False, read_back=False)
    finalize(report)

    report.refresh_from_db()
    assert report.status == "FINAL"


def test_a_reason_lets_a_report_be_signed_and_is_printed(report: Report) -> None:
    key = flag(report)

    execute(
        WaiveCriticalTelling(critical_result=key, reason="ward closed"), actor=people.radiologist
    )
    finalize(report)

    view = report_view(str(report.public_id))
    assert view.versions[0].sections["communication"] == (
        "Aortic dissection: told to nobody when this was signed. Reason: ward closed"
    )
    assert CriticalFinding.objects.get().status == "OPEN"


def test_a_site_may_do_without_that_rule(report: Report) -> None:
    red = CategoryDetails(code="RED", name="Red", minutes=30, escalation=("manager",))
    execute(SetCriticalCategories(categories=[red], holds_final=False), actor=people.manager)
    flag(report)

    finalize(report)

    report.refresh_from_db()
    assert (report.status, CriticalFinding.objects.get().minutes) == ("FINAL", 30)


def test_a_version_says_who_was_told_and_its_hash_covers_it(report: Report) -> None:
    make.site("Europe/Vienna")
    call(flag(report))
    finalize(report)

    stored = report.versions.get()
    said = stored.communications[0]
    assert (said["to"], said["by"], said["how"], said["read_back"]) == (
        "Olga Ordonez",
        "frontdesk",
        "phone",
        True,
    )
    assert (
        report_view(str(report.public_id))
        .versions[0]
        .text.endswith(f"COMMUNICATION\n{communication_line(said)}")
    )
    other = type(stored).objects.get(pk=stored.pk)
    other.communications = []
    from ris.selectors.report_seals import hash_of

    assert hash_of(stored) == stored.content_hash != hash_of(other)


def test_what_is_told_after_signing_is_in_the_addendum(report: Report) -> None:
    finalize(report)
    call(flag(report))

    execute(
        AmendReport(
            report=str(report.public_id),
            kind=VersionKind.ADDENDUM,
            sections={"addendum": "See Communication."},
        ),
        actor=people.radiologist,
    )

    told = [len(version.communications) for version in report.versions.all()]
    assert told == [0, 1]


def test_a_finding_flagged_before_there_is_a_report_joins_it(order: Order) -> None:
    procedure = str(order.procedures.get().public_id)
    key = flag(procedure=procedure)
    call(key)
    before = CriticalResult.objects.count()

    report = make.opened_report(order)
    finalize(report)

    row = CriticalFinding.objects.get()
    assert (before, row.report, CriticalResult.objects.get().acknowledged_by) == (
        0,
        report,
        "Olga Ordonez",
    )
    assert len(report.versions.get().communications) == 1


def test_what_was_flagged_on_the_exam_is_told_at_once_on_its_report(order: Order) -> None:
    key = flag(procedure=str(order.procedures.get().public_id), finding="Bleeding")
    report = make.opened_report(order)

    told = execute(
        CommunicateCriticalResult(
            report=str(report.public_id), finding="Bleeding", told="Dr. Ordonez"
        ),
        actor=people.radiologist,
    )

    row = CriticalFinding.objects.get()
    assert (told, row.report, row.status) == (key, report, "TOLD")


def test_a_finding_outlives_a_draft_that_was_thrown_away(order: Order, report: Report) -> None:
    call(flag(report), read_back=False)
    execute(DiscardDraft(report=str(report.public_id)), actor=people.radiologist)

    second = make.opened_report(order)
    finalize(second)

    assert (CriticalFinding.objects.get().report, CriticalResult.objects.get().report) == (
        second,
        second,
    )
    assert len(second.versions.get().communications) == 1


def test_a_finding_outlives_a_report_that_was_withdrawn(order: Order, report: Report) -> None:
    flag(report)
    execute(
        SignPreliminary(report=str(report.public_id), sections=dict(make.TEXT)),
        actor=people.radiologist,
    )
    execute(
        RetractReport(report=str(report.public_id), reason="Wrong patient"),
        actor=people.radiologist,
    )
    left = selected.of_report(report.pk, timezone.now())

    second = make.opened_report(order)
    with pytest.raises(StateConflictError, match="nobody was called about “Aortic dissection”"):
        finalize(second)
    call(str(CriticalFinding.objects.get().public_id))
    finalize(second)

    assert [line.is_report_withdrawn for line in left] == [True]
    assert (CriticalFinding.objects.get().report, CriticalResult.objects.get().report) == (
        second,
        second,
    )
    assert [said["to"] for said in second.versions.get().communications] == ["Olga Ordonez"]


def test_what_was_told_is_not_withdrawn(report: Report) -> None:
    first, second = flag(report), flag(report, finding="Pneumothorax")
    call(first, read_back=False)

    execute(
        WithdrawCriticalResult(critical_result=second, reason="artifact"), actor=people.radiologist
    )
    with pytest.raises(StateConflictError, match="somebody was told"):
        execute(
            WithdrawCriticalResult(critical_result=first, reason="artifact"),
            actor=people.radiologist,
        )

    states = CriticalFinding.objects.order_by("id").values_list("status", flat=True)
    assert list(states) == ["TOLD", "WITHDRAWN"]


@pytest.mark.parametrize(
    ("level", "steps", "minutes"), [(0, 2, 30), (1, 2, 60), (2, 2, None), (0, 0, 30), (1, 0, None)]
)
def test_each_step_comes_after_another_share(level: int, steps: int, minutes: int | None) -> None:
    at = escalates_at(make.NOON, 60, 50, level, steps)

    assert at == (make.NOON + timedelta(minutes=minutes) if minutes else None)


def test_what_was_told_before_there_were_clocks_has_a_finding(report: Report) -> None:
    told = CriticalResult.objects.create(
        report=report, finding="Bleeding", told="Dr. Lee", read_back=True, told_at=make.NOON
    )
    migration = importlib.import_module("ris.migrations.0051_results_told_before_have_a_finding")

    migration.give_findings(apps, None)
    migration.give_findings(apps, None)

    row = CriticalFinding.objects.get()
    assert (row.public_id, row.status, row.escalates_at, row.result) == (
        told.public_id,
        "TOLD",
        None,
        told,
    )
    assert [(each.who, each.read_back) for each in row.attempts.all()] == [("Dr. Lee", True)]


def test_a_finding_of_an_exam_that_is_reported_on_stands_on_its_report(
    order: Order, report: Report
) -> None:
    finalize(report)

    call(flag(procedure=str(order.procedures.get().public_id)))

    assert CriticalFinding.objects.get().report == report
    assert CriticalResult.objects.get().acknowledged_by == "Olga Ordonez"


def test_nothing_is_found_on_an_exam_that_was_not_begun(order: Order) -> None:
    waiting = make.order()

    with pytest.raises(StateConflictError, match="the exam was not begun"):
        flag(procedure=str(waiting.procedures.get().public_id))


def test_a_finding_stands_once_though_an_earlier_draft_was_thrown_away(report: Report) -> None:
    execute(DiscardDraft(report=str(report.public_id)), actor=people.radiologist)
    second = make.opened_report(report.order)
    key = flag(second)

    lines = selected.of_report(second.pk, timezone.now())

    assert [line.public_id for line in lines] == [key]
