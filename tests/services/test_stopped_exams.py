"""Exams that were stopped half way: what was seen is reported, and no draft on one is lost."""

from __future__ import annotations

import pytest

from ris.domain.errors import StateConflictError
from ris.domain.orders import CancelOrder, OrderReference
from ris.domain.reporting import FinalizeReport, OpenReport, RetractReport, SaveDraft
from ris.models import Order, Report, User
from ris.selectors.reading import Pile, in_pile
from ris.services import execute
from tests import make, people
from tests.services.exams import begin, stop

pytestmark = pytest.mark.django_db
REFUSED_CONTRAST = "110505"


@pytest.fixture
def stopped() -> Order:
    make.device()
    order = make.booked(patient=make.patient("A"))
    stop(begin(order), REFUSED_CONTRAST)
    order.refresh_from_db()
    return order


def piles(user: int | None = None) -> dict[Pile, int]:
    found = {pile: in_pile(pile, user).count() for pile in Pile}
    return {pile: count for pile, count in found.items() if count}


def stage(order: Order) -> str:
    return make.step_of(order).procedure.stage


def test_a_stopped_exam_waits_for_whoever_reports_what_was_seen(stopped: Order) -> None:
    assert (stage(stopped), piles()) == ("CANCELED", {Pile.STOPPED: 1})

    make.final_report(stopped)

    stopped.refresh_from_db()
    assert (stage(stopped), stopped.status) == ("REPORTED", "COMPLETED")
    assert piles() == {Pile.SIGNED: 1}


def test_a_report_on_a_stopped_exam_that_is_withdrawn_lets_it_wait_again(stopped: Order) -> None:
    report = make.final_report(stopped)

    execute(
        RetractReport(report=str(report.public_id), reason="the wrong side"),
        actor=people.radiologist,
    )

    assert (stage(stopped), piles()) == ("CANCELED", {Pile.STOPPED: 1})


def test_what_was_canceled_before_anybody_began_is_not_reported() -> None:
    make.device()
    order = make.booked()
    execute(
        CancelOrder(order=OrderReference(public_id=str(order.public_id)), reason="no need"),
        actor=people.scheduler,
    )

    with pytest.raises(StateConflictError, match="nothing to report on yet"):
        make.opened_report(order)

    assert piles() == {}


def test_a_stop_without_an_image_leaves_nothing_to_report() -> None:
    make.device()
    order = make.booked()
    stop(begin(order), "110513", images=False)

    assert piles() == {}
    with pytest.raises(StateConflictError, match="nothing to report on yet"):
        make.opened_report(order)


@pytest.mark.parametrize("reason", [REFUSED_CONTRAST, "110514"])
def test_a_draft_is_found_though_its_exam_was_stopped_or_taken_away(reason: str) -> None:
    make.device()
    reader = User.objects.create(username="rita")
    actor = people.radiologist.__class__(
        people.radiologist.kind, "rita", people.radiologist.roles, user_id=reader.pk
    )
    order = make.booked(patient=make.patient("A"))
    performed = begin(order)
    key = execute(OpenReport(procedures=(str(order.procedures.get().public_id),)), actor=actor)
    execute(SaveDraft(report=key, sections=dict(make.TEXT)), actor=actor)
    stop(performed, reason)

    assert piles(reader.pk) == {Pile.DRAFTS: 1}
    assert Report.objects.get().draft == make.TEXT
    if reason == REFUSED_CONTRAST:
        execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=actor)
        assert piles(reader.pk) == {Pile.SIGNED: 1}


def test_a_stopped_exam_that_one_began_to_read_is_his_draft_and_waits_for_others(
    stopped: Order,
) -> None:
    reader = User.objects.create(username="rita")
    report = make.opened_report(stopped)
    Report.objects.filter(pk=report.pk).update(author=reader)

    assert piles(reader.pk) == {Pile.DRAFTS: 1}
    assert piles(User.objects.create(username="ben").pk) == {Pile.STOPPED: 1}
