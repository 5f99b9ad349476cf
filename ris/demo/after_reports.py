"""What follows from reports in the demo: critical findings, recommended exams, peer review."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from ris.demo.signing import shown
from ris.domain.accounts import CreateUser
from ris.domain.actors import OPERATOR, TIMER, Actor, ActorKind, Role
from ris.domain.critical import (
    EscalateCriticalResults,
    FlagCriticalResult,
    NoteCriticalAttempt,
)
from ris.domain.follow_ups import (
    Arranger,
    LapseFollowUps,
    MatchFollowUps,
    NoteFollowUpReminder,
    RecommendFollowUp,
    Reminder,
)
from ris.domain.orders import OrderDetails, PlaceOrder, ProcedureRequest, Stage
from ris.domain.patients import PatientReference
from ris.domain.peer_review import (
    DrawPeerReviews,
    SamplingRule,
    Score,
    ScorePeerReview,
    SetSamplingRules,
    TakePeerReview,
)
from ris.domain.reporting import FinalizeReport, OpenReport, ReportStatus
from ris.domain.values import Code
from ris.models import Report, RequestedProcedure, User
from ris.services import as_of, execute

SECOND = "radiologist2"
_COMMENT = "The nodule in the upper lobe was there already; it would not have changed anything."


def follow_up(now: datetime, actors: Mapping[str, Actor]) -> None:
    """Some of each: open, late, done."""
    second = _second_reader()
    _critical(now, actors)
    _recommend(now, actors)
    _review(now, actors, second)


def _second_reader() -> Actor:
    """A colleague with the same password, so that there is somebody to review."""
    known = User.objects.get(username=Role.RADIOLOGIST.value)
    key = execute(
        CreateUser(
            username=SECOND,
            password="",
            password_hash=known.password,
            roles=frozenset({Role.RADIOLOGIST}),
            first_name="Nils",
            last_name="Overgaard",
        ),
        actor=OPERATOR,
    )
    return Actor(
        ActorKind.USER,
        SECOND,
        frozenset({Role.RADIOLOGIST}),
        user_id=int(key),
        address="127.0.0.1",
        display="Nils Overgaard",
    )


def _critical(now: datetime, actors: Mapping[str, Actor]) -> None:
    """One whose time runs out, one that a desk works on, one for the next days."""
    reports = Report.objects.filter(
        status__in=[ReportStatus.DRAFT.value, ReportStatus.PRELIMINARY.value]
    ).order_by("-created_at", "-pk")[:3]
    said = (
        ("RED", 75, "Free air below the diaphragm, new"),
        ("ORANGE", 50, "Fracture that was not known"),
        ("YELLOW", 30, "Finding that needs another look within days"),
    )
    for report, (category, minutes, finding) in zip(reports, said, strict=False):
        with as_of(now - timedelta(minutes=minutes)):
            key = execute(
                FlagCriticalResult(
                    report=str(report.public_id), finding=finding, category=category
                ),
                actor=actors["radiologist"],
            )
        if category == "RED":
            with as_of(now - timedelta(minutes=40)):
                execute(EscalateCriticalResults(), actor=TIMER)
        if category != "YELLOW":
            with as_of(now - timedelta(minutes=minutes - 20)):
                execute(
                    NoteCriticalAttempt(
                        critical_result=key,
                        who="Secretary of the ward",
                        reached=False,
                        note="calls back",
                    ),
                    actor=actors["frontdesk"],
                )


def _recommend(now: datetime, actors: Mapping[str, Actor]) -> None:
    """One overdue, one ordered, one to come."""
    today = timezone.localdate(now)
    rows = list(
        RequestedProcedure.objects.filter(
            stage=Stage.REPORTED.value,
            reports__status=ReportStatus.FINAL.value,
            definition__isnull=False,
        )
        .select_related("order__patient", "definition")
        .order_by("performed_at", "pk")[:4]
    )
    days = (3, 30, 180, 365)
    for row, until in zip(rows, days, strict=False):
        report = row.reports.get(status=ReportStatus.FINAL.value)
        with as_of(now - timedelta(days=4)):
            key = execute(
                RecommendFollowUp(
                    report=str(report.public_id),
                    words=f"{row.definition.meaning if row.definition else 'Exam'}, control",
                    reason="To see whether the finding grows",
                    procedure=str(row.definition.public_id) if row.definition else "",
                    due_to=today + timedelta(days=until - 4),
                    arranger=Arranger.DEPARTMENT if until == 30 else Arranger.REFERRER,
                ),
                actor=actors["radiologist"],
            )
        if until == 3:
            execute(
                NoteFollowUpReminder(
                    follow_up=key, how=Reminder.PHONE, who="Practice of the requester"
                ),
                actor=actors["frontdesk"],
            )
        if until == 30:
            placed = execute(
                PlaceOrder(
                    patient=PatientReference(public_id=str(row.order.patient.public_id)),
                    procedures=(
                        ProcedureRequest(
                            code=Code(row.code_value, row.code_scheme, row.code_meaning),
                            laterality=row.laterality,
                        ),
                    ),
                    details=OrderDetails(reason="Control, as the report recommends"),
                ),
                actor=actors["frontdesk"],
            )
            execute(MatchFollowUps(orders=(placed.public_id,)), actor=TIMER)
    execute(LapseFollowUps(), actor=TIMER)


def _review(now: datetime, actors: Mapping[str, Actor], second: Actor) -> None:
    """The two radiologists read some of each other's reports again."""
    rules = (
        SamplingRule(percent=10),
        SamplingRule(percent=100, modality="CT"),
        SamplingRule(percent=100, reader=SECOND),
    )
    execute(SetSamplingRules(rules=rules), actor=actors["manager"])
    waiting = (
        RequestedProcedure.objects.filter(stage=Stage.PERFORMED.value, reports__isnull=True)
        .exclude(order__priority="STAT")
        .order_by("-performed_at", "-pk")
        .first()
    )
    if waiting is not None:
        report = execute(OpenReport(procedures=(str(waiting.public_id),)), actor=second)
        execute(
            FinalizeReport(
                report=report,
                sections={
                    "findings": "No suspicious lesion. No free fluid. Bones without fracture.",
                    "impression": "Normal for the age.",
                },
                proof=shown(),
            ),
            actor=second,
        )
    execute(DrawPeerReviews(), actor=TIMER)
    for score, comment in ((Score.CONCUR, ""), (Score.UNDERSTANDABLE, _COMMENT)):
        key = execute(TakePeerReview(), actor=second)
        if key:
            execute(ScorePeerReview(review=key, score=score, comment=comment), actor=second)
    execute(TakePeerReview(), actor=actors["radiologist"])
