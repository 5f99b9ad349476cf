"""Recommended exams: from the report until the exam happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from ris.domain.errors import InvalidValueError, StateConflictError
from ris.domain.follow_ups import (
    DeclineFollowUp,
    Fit,
    LinkFollowUpOrder,
    NoteFollowUpReminder,
    RecommendFollowUp,
    Reminder,
    ReopenFollowUp,
    UnlinkFollowUpOrder,
    Wanted,
    fit,
)
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.patients import MergePatients, PatientReference, UnmergePatients
from ris.domain.reporting import DiscardDraft, RetractReport
from ris.models import (
    DomainEvent,
    FollowUpRecommendation,
    Order,
    PerformedProcedureStep,
    ProcedureDefinition,
)
from ris.services import execute, follow_ups
from ris.services._locks import lock_orders
from tests import ground, make, people

pytestmark = pytest.mark.django_db


def recommended(order: Order, **said: Any) -> str:
    report = order.procedures.get().reports.get()
    fields: dict[str, Any] = {
        "words": "CT head in six months",
        "due_to": timezone.localdate() + timedelta(days=180),
        "procedure": str(ProcedureDefinition.objects.get(code="CTHEAD").public_id),
        **said,
    }
    return execute(
        RecommendFollowUp(report=str(report.public_id), **fields), actor=people.radiologist
    )


@pytest.fixture
def order() -> Order:
    """An exam with its final report."""

    def build() -> Order:
        make.device()
        make.definition(body_part="HEAD")
        order = make.performed()
        make.final_report(order)
        return order

    return ground.begin("follow-ups: report", build)[0]


def same_patient(order: Order) -> PatientReference:
    return PatientReference(public_id=str(order.patient.public_id))


def row() -> FollowUpRecommendation:
    return FollowUpRecommendation.objects.get()


def last_event() -> str:
    return DomainEvent.objects.order_by("-id")[0].name


def test_a_recommendation_is_open_until_an_order_comes(order: Order) -> None:
    recommended(order)
    follow_ups.run_due()

    assert (row().status, row().code_value, row().modality) == ("OPEN", "CTHEAD", "CT")


def test_a_day_that_is_over_is_refused(order: Order) -> None:
    with pytest.raises(InvalidValueError):
        recommended(order, due_to=date(2020, 1, 1))


def test_an_order_of_the_same_procedure_links_itself_and_its_exam_closes_it(order: Order) -> None:
    recommended(order)
    later = make.booked(start_at=make.NOON + timedelta(hours=4), patient=same_patient(order))
    follow_ups.run_due()
    booked = row()

    execute(start := make.start(later), actor=people.ct1)
    from ris.domain.performing import CompletePerformedStep, PerformedDetails

    execute(
        CompletePerformedStep(
            sop_instance_uid=start.sop_instance_uid,
            details=PerformedDetails(ended_at=start.started_at + timedelta(minutes=9)),
        ),
        actor=people.ct1,
    )
    follow_ups.run_due()

    assert (booked.status, booked.linked) == ("BOOKED", later)
    assert (row().status, last_event()) == ("DONE", "FollowUpMoved")


def test_looking_twice_changes_and_writes_nothing(order: Order) -> None:
    recommended(order)
    make.order(patient=same_patient(order))
    follow_ups.run_due()
    before = DomainEvent.objects.count()

    follow_ups.run_due()

    assert (row().status, DomainEvent.objects.count()) == ("ORDERED", before)


def test_an_order_that_only_may_be_the_one_waits_for_a_person(order: Order) -> None:
    key = recommended(order, procedure="", modality="CT", words="CT chest")
    first = make.order(patient=same_patient(order))
    follow_ups.run_due()
    proposed = row().proposed

    execute(UnlinkFollowUpOrder(follow_up=key, order=str(first.public_id)), actor=people.scheduler)
    follow_ups.run_due()

    assert (proposed, row().proposed, row().status) == (first, None, "OPEN")


def test_a_person_confirms_what_was_proposed(order: Order) -> None:
    key = recommended(order, procedure="", modality="CT", words="CT chest")
    later = make.order(patient=same_patient(order))
    follow_ups.run_due()

    execute(LinkFollowUpOrder(follow_up=key, order=str(later.public_id)), actor=people.scheduler)

    assert (row().status, row().linked, row().proposed) == ("ORDERED", later, None)


def test_another_patients_order_is_not_linked(order: Order) -> None:
    key = recommended(order)
    other = make.order()

    with pytest.raises(StateConflictError):
        execute(
            LinkFollowUpOrder(follow_up=key, order=str(other.public_id)), actor=people.scheduler
        )


def test_a_canceled_order_lets_it_wait_again(order: Order) -> None:
    recommended(order)
    later = make.order(patient=same_patient(order))
    follow_ups.run_due()

    execute(
        CancelOrder(order=OrderReference(public_id=str(later.public_id)), reason="moved away"),
        actor=people.scheduler,
    )
    follow_ups.run_due()

    assert (row().status, row().linked) == ("OPEN", None)


def test_an_order_found_to_be_another_patients_does_not_answer_it(order: Order) -> None:
    recommended(order)
    later = make.booked(start_at=make.NOON + timedelta(hours=4), patient=same_patient(order))
    follow_ups.run_due()
    linked = row().linked

    Order.objects.filter(pk=later.pk).update(patient=make.order().patient)
    follow_ups.run_due()

    assert (linked, row().status, row().linked) == (later, "OPEN", None)


def done(order: Order) -> Order:
    """Its recommended exam, which was performed."""
    recommended(order)
    later = make.performed(start_at=make.NOON + timedelta(hours=4), patient=same_patient(order))
    # Booked, then performed: one step at each look.
    follow_ups.run_due()
    follow_ups.run_due()
    assert row().status == "DONE"
    return later


def reopened() -> list[str]:
    found = DomainEvent.objects.filter(name="FollowUpReopened")
    return [event.payload["reason"] for event in found]


def test_an_exam_taken_from_the_order_is_to_be_done_again(order: Order) -> None:
    later = done(order)
    performed = PerformedProcedureStep.objects.get(order=later)

    make.relink(performed)

    assert (row().status, row().linked) == ("BOOKED", later)
    assert reopened() == ["its exam was not done after all"]


def test_what_was_done_for_a_patient_who_was_another_is_open_again(order: Order) -> None:
    other = make.performed(start_at=make.NOON + timedelta(hours=4))
    merged = MergePatients(survivor=same_patient(order), subsumed=same_patient(other), reason="x")
    execute(merged, actor=people.manager)
    recommended(order)
    execute(
        LinkFollowUpOrder(follow_up=str(row().public_id), order=str(other.public_id)),
        actor=people.scheduler,
    )
    before = row().status

    subsumed = DomainEvent.objects.get(name="PatientsMerged").payload["subsumed"]
    execute(UnmergePatients(subsumed_id=subsumed, reason="two persons"), actor=people.manager)

    assert (before, row().status, row().linked) == ("DONE", "OPEN", None)
    assert reopened() == ["its order is another patient's"]


def test_a_withdrawn_report_recommends_nothing_any_more(order: Order) -> None:
    recommended(order)
    report = order.procedures.get().reports.get()

    execute(
        RetractReport(report=str(report.public_id), reason="wrong patient"),
        actor=people.radiologist,
    )

    assert (row().status, row().closed_reason) == ("DECLINED", "the report was withdrawn")
    assert "FollowUpDeclined" in DomainEvent.objects.values_list("name", flat=True)


def test_a_draft_that_was_thrown_away_recommends_nothing() -> None:
    make.device()
    make.definition(body_part="HEAD")
    other = make.performed()
    report = make.opened_report(other)
    recommended(other)

    execute(DiscardDraft(report=str(report.public_id)), actor=people.radiologist)

    assert (row().status, row().closed_reason) == ("DECLINED", "the draft was thrown away")


def test_orders_are_locked_by_their_keys_when_several_are_overdue(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommended(order, due_to=timezone.localdate() + timedelta(days=3))
    first = make.performed(start_at=make.NOON + timedelta(hours=4))
    make.final_report(first)
    recommended(first, due_to=timezone.localdate() + timedelta(days=2))
    locked: list[list[int]] = []

    def lock(keys: Iterable[int]) -> list[Order]:
        locked.append(list(keys))
        return lock_orders(locked[-1])

    monkeypatch.setattr(follow_ups, "lock_orders", lock)

    with time_machine.travel(timezone.now() + timedelta(days=5), tick=False):
        follow_ups.run_due()

    assert set(locked[0]) == {order.pk, first.pk}
    assert FollowUpRecommendation.objects.filter(status="OVERDUE").count() == 2


def test_what_nobody_ordered_in_time_is_overdue(order: Order) -> None:
    recommended(order, due_to=timezone.localdate() + timedelta(days=2))

    with time_machine.travel(timezone.now() + timedelta(days=4), tick=False):
        follow_ups.run_due()

    assert (row().status, last_event()) == ("OVERDUE", "FollowUpMoved")


def test_it_is_declined_with_a_reason_and_taken_up_again(order: Order) -> None:
    key = recommended(order)

    execute(DeclineFollowUp(follow_up=key, reason="done elsewhere"), actor=people.frontdesk)
    declined = row().status
    execute(ReopenFollowUp(follow_up=key, reason="was not done"), actor=people.frontdesk)

    assert (declined, row().status, row().closed_reason) == ("DECLINED", "OPEN", "")


def test_reminders_are_kept(order: Order) -> None:
    key = recommended(order)

    execute(
        NoteFollowUpReminder(follow_up=key, how=Reminder.PHONE, who="Dr. Ordonez"),
        actor=people.frontdesk,
    )

    assert [(each["how"], each["who"], each["by"]) for each in row().reminders] == [
        ("PHONE", "Dr. Ordonez", "frontdesk")
    ]


@pytest.mark.parametrize(
    ("wanted", "exam", "expected"),
    [
        (Wanted(code="A"), Wanted(code="A"), Fit.SAME),
        (Wanted(code="A", modality="CT"), Wanted(code="B", modality="CT"), Fit.MAYBE),
        (
            Wanted(modality="CT", body_part="chest"),
            Wanted(modality="CT", body_part="CHEST"),
            "MAYBE",
        ),
        (Wanted(modality="CT", body_part="CHEST"), Wanted(modality="CT", body_part="HEAD"), Fit.NO),
        (Wanted(modality="CT"), Wanted(modality="MR"), Fit.NO),
        (Wanted(), Wanted(modality="MR"), Fit.NO),
    ],
)
def test_the_code_decides_else_modality_and_region(
    wanted: Wanted, exam: Wanted, expected: str
) -> None:
    assert fit(wanted, exam) == expected
