"""Peer review: the sample, who may look, and that scores stay private."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ris.domain.accounts import CreateUser
from ris.domain.actors import OPERATOR, TIMER, Actor, ActorKind, Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.peer_review import (
    DrawPeerReviews,
    FlagDiscrepancy,
    Grade,
    GradeDifference,
    ReturnPeerReview,
    SamplingRule,
    Score,
    ScorePeerReview,
    SetSamplingRules,
    TakePeerReview,
    is_drawn,
    percent_for,
)
from ris.domain.reporting import FinalizeReport, OpenReport, RetractReport, SignPreliminary
from ris.models import AuditEvent, DomainEvent, Order, PeerReview, Report
from ris.selectors import peer_review as selected
from ris.services import execute, peer_review
from ris.services.audit import record_access
from tests import ground, make, people

pytestmark = pytest.mark.django_db

COMMENT = "Fracture of the rib was there"


def reader(name: str, role: Role = Role.RADIOLOGIST) -> Actor:
    key = execute(
        CreateUser(
            username=name,
            password="demo-password-1",
            roles=frozenset({role}),
            first_name=name.capitalize(),
            last_name="Reader",
        ),
        actor=OPERATOR,
    )
    return Actor(ActorKind.USER, name, frozenset({role}), user_id=int(key))


class Cast:
    """Two readers, a resident, and an exam that waits."""

    def __init__(self) -> None:
        make.device()
        self.order: Order = make.performed()
        self.xenia = reader("xenia")
        self.bert = reader("bert")
        self.rosa = reader("rosa", Role.RESIDENT)


@pytest.fixture
def cast() -> Cast:
    return ground.begin("peer review", Cast)[0]


def signed(cast: Cast, by: Actor, *, preliminary_by: Actor | None = None) -> Report:
    procedures = tuple(str(each.public_id) for each in cast.order.procedures.all())
    key = execute(OpenReport(procedures=procedures), actor=preliminary_by or by)
    if preliminary_by is not None:
        execute(SignPreliminary(report=key, sections=dict(make.TEXT)), actor=preliminary_by)
    execute(FinalizeReport(report=key, sections=dict(make.TEXT)), actor=by)
    return Report.objects.get(public_id=key)


def everything() -> None:
    execute(SetSamplingRules(rules=(SamplingRule(percent=100),)), actor=people.manager)


def test_the_rate_that_is_asked_for_is_met() -> None:
    drawn = sum(is_drawn(b"secret", f"report {number}", 5) for number in range(10_000))

    assert 450 < drawn < 550
    assert not any(is_drawn(b"secret", f"report {number}", 0) for number in range(100))
    assert all(is_drawn(b"secret", f"report {number}", 100) for number in range(100))


def test_nobody_without_the_secret_can_tell_which_are_drawn() -> None:
    reports = [f"report {number}" for number in range(2000)]

    mine = {each for each in reports if is_drawn(b"secret", each, 10)}
    guessed = {each for each in reports if is_drawn(b"guess", each, 10)}

    assert mine == {each for each in reports if is_drawn(b"secret", each, 10)}
    assert len(mine & guessed) < len(mine) / 4


def test_the_rule_that_says_most_counts() -> None:
    rules = [
        SamplingRule(percent=5),
        SamplingRule(percent=10, modality="CT"),
        SamplingRule(percent=50, reader="xenia"),
        SamplingRule(percent=0, reader="xenia", modality="MR"),
    ]

    assert [
        percent_for(rules, who, what)
        for who, what in (("bert", "US"), ("bert", "CT"), ("xenia", "CT"), ("xenia", "MR"))
    ] == [5, 10, 50, 0]


def test_a_final_report_is_drawn_once_and_its_reader_may_not_take_it(cast: Cast) -> None:
    everything()
    signed(cast, cast.xenia)
    peer_review.run_due()
    peer_review.run_due()

    own = execute(TakePeerReview(), actor=cast.xenia)
    other = execute(TakePeerReview(), actor=cast.bert)

    row = PeerReview.objects.get()
    assert (own, other) == ("", str(row.public_id))
    assert (row.reader_id, row.reviewer_id, row.modality) == (
        cast.xenia.user_id,
        cast.bert.user_id,
        "CT",
    )


def test_more_than_are_looked_at_together_hide_nothing_behind_them(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selected, "AT_ONCE", 1)
    execute(
        SetSamplingRules(rules=(SamplingRule(percent=100, reader="bert"),)), actor=people.manager
    )
    signed(cast, cast.xenia)
    cast.order = make.performed(start_at=make.NOON + timedelta(hours=1))
    last = signed(cast, cast.bert)

    for _ in range(3):
        execute(DrawPeerReviews(), actor=TIMER)

    assert [row.report_id for row in PeerReview.objects.all()] == [last.pk]


def test_nobody_reviews_what_was_signed_together(cast: Cast) -> None:
    everything()
    signed(cast, cast.xenia, preliminary_by=cast.bert)
    peer_review.run_due()

    assert PeerReview.objects.count() == 1
    assert execute(TakePeerReview(), actor=cast.bert) == ""


def test_a_reviewer_reads_the_text_and_not_whose_it_is(cast: Cast) -> None:
    everything()
    signed(cast, cast.xenia)
    peer_review.run_due()
    key = execute(TakePeerReview(), actor=cast.bert)

    shown = selected.blinded(key, cast.bert.user_id or 0)

    assert shown.sections == make.TEXT
    assert "xenia" not in repr(shown).lower()
    with pytest.raises(UnknownKeyError):
        selected.blinded(key, cast.xenia.user_id or 0)


@pytest.mark.parametrize(
    ("seen", "knew"), [("ViewReport", True), ("ViewOrder", True), ("OpenViewer", False)]
)
def test_a_review_says_whether_its_reviewer_had_seen_whose_it_is(
    cast: Cast, seen: str, knew: bool
) -> None:
    everything()
    signed(cast, cast.bert)
    peer_review.run_due()
    key = execute(TakePeerReview(), actor=cast.xenia)
    order = str(cast.order.public_id)
    record_access(cast.xenia, action=seen, order=order)
    record_access(cast.rosa, action="ViewReport", order=order)

    execute(ScorePeerReview(review=key, score=Score.CONCUR), actor=cast.xenia)

    assert PeerReview.objects.get().knew is knew
    since = timezone.now() - timedelta(days=1)
    given = {each.name: (each.given, each.knew) for each in selected.readers(since, timezone.now())}
    assert given["READER, Xenia"] == (1, int(knew))


def test_a_disagreement_is_explained(cast: Cast) -> None:
    everything()
    signed(cast, cast.xenia)
    peer_review.run_due()
    key = execute(TakePeerReview(), actor=cast.bert)

    with pytest.raises(MissingValueError):
        execute(ScorePeerReview(review=key, score=Score.SHOULD), actor=cast.bert)
    with pytest.raises(UnknownKeyError):
        execute(ScorePeerReview(review=key, score=Score.CONCUR), actor=cast.xenia)


def test_scores_are_private(cast: Cast) -> None:
    everything()
    report = signed(cast, cast.xenia)
    peer_review.run_due()
    key = execute(TakePeerReview(), actor=cast.bert)
    before = DomainEvent.objects.count()
    report.refresh_from_db()
    changed = report.updated_at

    execute(
        ScorePeerReview(review=key, score=Score.ALWAYS_MATTERS, comment=COMMENT), actor=cast.bert
    )

    audited = AuditEvent.objects.get(action="ScorePeerReview")
    report.refresh_from_db()
    assert (DomainEvent.objects.count(), report.updated_at) == (before, changed)
    assert (audited.subject, audited.order_id, audited.detail) == (
        f"PeerReview {key}",
        None,
        {"events": []},
    )
    (own,) = selected.own_results(cast.xenia.user_id or 0)
    assert (own.score, own.comment, "bert" in repr(own).lower()) == ("4b", COMMENT, False)
    assert selected.own_results(cast.bert.user_id or 0) == []


def test_a_review_given_back_is_for_somebody_else(cast: Cast) -> None:
    carl = reader("carl")
    everything()
    signed(cast, cast.xenia)
    peer_review.run_due()
    key = execute(TakePeerReview(), actor=cast.bert)

    execute(ReturnPeerReview(review=key), actor=cast.bert)

    assert PeerReview.objects.get().status == "OPEN"
    assert execute(TakePeerReview(), actor=cast.bert) == ""
    assert execute(TakePeerReview(), actor=carl) == key


def test_what_was_withdrawn_is_not_reviewed(cast: Cast) -> None:
    everything()
    report = signed(cast, cast.xenia)
    peer_review.run_due()

    execute(RetractReport(report=str(report.public_id), reason="wrong patient"), actor=cast.xenia)

    assert execute(TakePeerReview(), actor=cast.bert) == ""


def test_a_manager_sees_rates_and_what_is_missing(cast: Cast) -> None:
    everything()
    signed(cast, cast.xenia)
    peer_review.run_due()
    now = timezone.now()
    period = (now - timedelta(days=1), now + timedelta(days=1))
    before = {line.name: line for line in selected.readers(*period)}["READER, Xenia"]
    key = execute(TakePeerReview(), actor=cast.bert)
    execute(ScorePeerReview(review=key, score=Score.CONCUR), actor=cast.bert)

    lines = {line.name: line for line in selected.readers(*period)}

    xenia = lines["READER, Xenia"]
    assert (before.drawn, before.done, before.is_met) == (1, 0, False)
    assert (xenia.final, xenia.percent, xenia.wanted, xenia.is_met) == (1, 100.0, 100, True)
    assert dict(xenia.scores)[Score.CONCUR] == 1
    assert lines["READER, Bert"].given == 1


def test_what_is_found_by_chance_is_noted_but_never_of_oneself(cast: Cast) -> None:
    report = str(signed(cast, cast.xenia).public_id)

    execute(FlagDiscrepancy(report=report, score=Score.SHOULD, comment=COMMENT), actor=cast.bert)

    row = PeerReview.objects.get()
    assert (row.origin, row.status, row.score, row.reader_id) == (
        "CHANCE",
        "DONE",
        "3a",
        cast.xenia.user_id,
    )
    with pytest.raises(StateConflictError):
        execute(
            FlagDiscrepancy(report=report, score=Score.SHOULD, comment=COMMENT), actor=cast.xenia
        )


def test_a_resident_learns_how_far_the_final_report_was(cast: Cast) -> None:
    report = str(signed(cast, cast.xenia, preliminary_by=cast.rosa).public_id)

    execute(
        GradeDifference(report=report, grade=Grade.MAJOR, note="Subdural missed"), actor=cast.xenia
    )

    (line,) = selected.own_results(cast.rosa.user_id or 0)
    assert (line.grade, line.comment) == ("MAJOR", "Subdural missed")
    with pytest.raises(StateConflictError):
        execute(GradeDifference(report=report, grade=Grade.NONE), actor=cast.bert)


def test_two_rules_for_the_same_are_refused() -> None:
    with pytest.raises(InvalidValueError):
        execute(
            SetSamplingRules(rules=(SamplingRule(percent=1), SamplingRule(percent=2))),
            actor=people.manager,
        )
