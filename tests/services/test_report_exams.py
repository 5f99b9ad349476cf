"""What a report is about: exams that are taken away while it is written, and several in one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ris.domain.critical import FlagCriticalResult, NoteCriticalAttempt
from ris.domain.errors import StateConflictError
from ris.domain.patients import MergePatients
from ris.domain.reporting import (
    AmendReport,
    CoverExams,
    FinalizeReport,
    OpenReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
)
from ris.models import DomainEvent, FollowUp, Order, Report, ReportVersion
from ris.services import execute
from tests import make, people
from tests.services.exams import begin, stop

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _device() -> None:
    make.device()


def another(patient: str) -> Order:
    return make.booked(make.NOON + timedelta(hours=3), patient=make.patient(patient))


def written(order: Order) -> str:
    key = str(make.opened_report(order).public_id)
    execute(SaveDraft(report=key, sections=dict(make.TEXT)), actor=people.radiologist)
    return key


# --- the exam is taken away while its report is written


@pytest.mark.parametrize("sign", [SignPreliminary, FinalizeReport])
def test_what_was_seen_in_another_patients_images_is_not_signed(
    sign: type[SignPreliminary | FinalizeReport],
) -> None:
    order, right = make.performed(patient=make.patient("A")), another("B")
    key = written(order)
    make.relink(order.performed.get(), right)

    with pytest.raises(StateConflictError, match="has no exam any more"):
        execute(sign(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    report = Report.objects.get()
    assert (report.status, report.draft, report.versions.count()) == ("DRAFT", make.TEXT, 0)


def test_a_wrong_worklist_entry_keeps_the_text_from_being_signed() -> None:
    order = make.booked(patient=make.patient("A"))
    performed = begin(order)
    key = written(order)
    stop(performed, "110514")

    with pytest.raises(StateConflictError, match="has no exam any more"):
        execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)


def test_an_exam_that_was_tied_again_is_signed() -> None:
    order, right = make.performed(patient=make.patient("A")), another("A")
    key = written(order)
    performed = order.performed.get()
    make.relink(performed, right)
    make.relink(performed, order)

    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    assert Report.objects.get().status == "FINAL"


def test_what_was_stopped_half_way_is_signed_all_the_same() -> None:
    order = make.booked(patient=make.patient("A"))
    performed = begin(order)
    key = written(order)
    stop(performed, "110513")

    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    assert Report.objects.get().status == "FINAL"


def test_of_two_exams_read_together_the_one_that_went_is_named() -> None:
    first = make.performed(patient=make.patient("A"))
    second = make.performed(start_at=make.NOON + timedelta(hours=2), patient=make.patient("A"))
    keys = [str(each.procedures.get().public_id) for each in (first, second)]
    key = execute(OpenReport(procedures=tuple(keys)), actor=people.radiologist)
    make.relink(second.performed.get(), another("B"))

    with pytest.raises(StateConflictError, match=second.accession_number):
        execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)


# --- the report becomes another patient's while it is written


def test_who_saw_another_name_does_not_sign() -> None:
    order = make.performed(patient=make.patient("A"))
    key, seen = written(order), str(order.patient.public_id)
    execute(MergePatients(survivor=make.patient("B"), subsumed=make.patient("A")), actor=people.ehr)
    sign = FinalizeReport(report=key, sections=dict(make.TEXT), patient=seen)

    with pytest.raises(StateConflictError, match="another patient's since you opened it"):
        execute(sign, actor=people.radiologist)

    order.refresh_from_db()
    now = replace(sign, patient=str(order.patient.public_id))
    execute(now, actor=people.radiologist)
    assert list(ReportVersion.objects.values_list("number", "kind")) == [(1, "FINAL")]


def test_who_saw_another_name_adds_nothing() -> None:
    order = make.performed(patient=make.patient("A"))
    seen = str(order.patient.public_id)
    report = make.final_report(order)
    execute(MergePatients(survivor=make.patient("B"), subsumed=make.patient("A")), actor=people.ehr)

    with pytest.raises(StateConflictError, match="another patient's since you opened it"):
        execute(
            AmendReport(
                report=str(report.public_id),
                kind=VersionKind.ADDENDUM,
                sections={"addendum": "Compared with 2024."},
                patient=seen,
            ),
            actor=people.radiologist,
        )

    assert report.versions.count() == 1


# --- several exams in one report


def of_patient(count: int) -> list[Order]:
    return [
        make.performed(start_at=make.NOON + timedelta(hours=each), patient=make.patient("A"))
        for each in range(count)
    ]


def exam_of(order: Order) -> str:
    return str(order.procedures.get().public_id)


def covered(key: str) -> list[str]:
    rows = Report.objects.get(public_id=key).procedures.order_by("id")
    return [str(each.public_id) for each in rows]


def test_who_reads_two_in_one_reads_both_though_one_was_begun() -> None:
    first, second = of_patient(2)
    begun = written(first)

    key = execute(
        OpenReport(procedures=(exam_of(first), exam_of(second))), actor=people.radiologist
    )

    assert key == begun
    assert covered(key) == [exam_of(first), exam_of(second)]
    assert Report.objects.get().draft == make.TEXT


def test_an_exam_is_not_read_in_a_report_that_is_signed() -> None:
    first, second = of_patient(2)
    key = str(make.final_report(first).public_id)
    together = OpenReport(procedures=(exam_of(first), exam_of(second)))

    with pytest.raises(StateConflictError, match="has a signed report already"):
        execute(together, actor=people.radiologist)
    with pytest.raises(StateConflictError, match="stays a report on the same exams"):
        execute(CoverExams(report=key, also=(exam_of(second),)), actor=people.radiologist)

    assert covered(key) == [exam_of(first)]


def test_exams_with_reports_of_their_own_are_not_read_in_one() -> None:
    orders = of_patient(2)
    keys = [written(each) for each in orders]

    with pytest.raises(StateConflictError, match="separate reports"):
        execute(OpenReport(procedures=tuple(map(exam_of, orders))), actor=people.radiologist)
    with pytest.raises(StateConflictError, match="has a report of its own"):
        execute(CoverExams(report=keys[0], also=(exam_of(orders[1]),)), actor=people.radiologist)

    assert [covered(key) for key in keys] == [[exam_of(each)] for each in orders]


def test_an_exam_is_taken_in_while_the_report_is_written_and_signed_with_it() -> None:
    first, second = of_patient(2)
    key = written(first)

    execute(CoverExams(report=key, also=(exam_of(second),)), actor=people.radiologist)
    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    for each in (first, second):
        each.refresh_from_db()
    assert [first.status, second.status] == ["COMPLETED", "COMPLETED"]
    event = DomainEvent.objects.get(name="ExamsCovered")
    number = second.accession_number
    assert event.payload["also"] == [f"CT head without contrast ({number})"]


def test_the_exam_that_went_is_left_out_and_the_other_one_signed() -> None:
    first, second = of_patient(2)
    keys = (exam_of(first), exam_of(second))
    key = execute(OpenReport(procedures=keys), actor=people.radiologist)
    make.relink(second.performed.get(), another("B"))

    execute(CoverExams(report=key, without=(exam_of(second),)), actor=people.radiologist)
    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    second.refresh_from_db()
    assert (covered(key), second.status) == ([exam_of(first)], "ACTIVE")
    assert make.step_of(second).procedure.stage == "SCHEDULED"


def test_an_exam_that_is_left_out_waits_to_be_read_again() -> None:
    first, second = of_patient(2)
    keys = (exam_of(first), exam_of(second))
    key = execute(OpenReport(procedures=keys), actor=people.radiologist)

    execute(CoverExams(report=key, without=(exam_of(second),)), actor=people.radiologist)

    other = execute(OpenReport(procedures=(exam_of(second),)), actor=people.radiologist)
    assert other != key
    assert (covered(key), covered(other)) == ([exam_of(first)], [exam_of(second)])


def test_the_exam_a_report_began_with_stays_in_it() -> None:
    first, second = of_patient(2)
    keys = (exam_of(first), exam_of(second))
    key = execute(OpenReport(procedures=keys), actor=people.radiologist)

    with pytest.raises(StateConflictError, match="began with this exam"):
        execute(CoverExams(report=key, without=(exam_of(first),)), actor=people.radiologist)


def test_another_patients_exam_is_not_read_in_the_report() -> None:
    (first,) = of_patient(1)
    key = written(first)
    other = make.performed(start_at=make.NOON + timedelta(hours=5), patient=make.patient("B"))

    with pytest.raises(StateConflictError, match="different patients"):
        execute(CoverExams(report=key, also=(exam_of(other),)), actor=people.radiologist)

    assert covered(key) == [exam_of(first)]


def test_an_exam_that_was_not_done_is_not_read_in_the_report() -> None:
    (first,) = of_patient(1)
    key = written(first)

    with pytest.raises(StateConflictError, match="nothing to report on yet"):
        execute(CoverExams(report=key, also=(exam_of(another("A")),)), actor=people.radiologist)


# --- a report that was signed before its exam turned out to be none


@pytest.mark.parametrize(("reason", "images"), [("110514", True), ("110501", False)])
def test_a_signed_report_without_an_exam_is_for_somebody_to_decide(
    reason: str, images: bool
) -> None:
    order = make.booked(patient=make.patient("A"))
    performed = begin(order)
    key = written(order)
    execute(SignPreliminary(report=key, sections=dict(make.TEXT)), actor=people.radiologist)

    stop(performed, reason, images=images)

    row = FollowUp.objects.get(settled_at=None)
    assert (row.kind, row.order, row.detail) == (
        "NOTE",
        order,
        "a report was signed on it: if it speaks of these images, it is to be withdrawn",
    )
    with pytest.raises(StateConflictError, match="has no exam any more"):
        execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=people.radiologist)


def test_a_wrong_worklist_entry_that_nobody_reported_leaves_nothing_to_decide() -> None:
    order = make.booked(patient=make.patient("A"))
    performed = begin(order)
    written(order)

    stop(performed, "110514")

    assert not FollowUp.objects.exists()


@pytest.mark.parametrize("was_told", [False, True])
def test_a_critical_finding_on_an_exam_of_somebody_else_is_for_somebody_to_decide(
    was_told: bool,
) -> None:
    order, right = make.performed(patient=make.patient("A")), another("B")
    finding = execute(
        FlagCriticalResult(finding="Bleeding.", category="RED", procedure=exam_of(order)),
        actor=people.radiologist,
    )
    if was_told:
        execute(
            NoteCriticalAttempt(critical_result=finding, who="Dr. Holm", reached=True),
            actor=people.radiologist,
        )

    make.relink(order.performed.get(), right)

    row = FollowUp.objects.get(settled_at=None)
    assert (row.kind, row.order) == ("NOTE", order)
    assert row.detail.startswith("a critical finding was flagged on it")


def test_a_critical_finding_on_an_exam_that_was_stopped_is_flagged() -> None:
    order = make.booked(patient=make.patient("A"))
    stop(begin(order), "110505")

    execute(
        FlagCriticalResult(finding="Bleeding.", category="RED", procedure=exam_of(order)),
        actor=people.radiologist,
    )

    assert order.critical_findings.get().status == "OPEN"
