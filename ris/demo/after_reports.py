"""What follows from reports in the demo: critical findings, recommended exams, peer review."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from ris.demo.player import Story
from ris.demo.signing import shown
from ris.domain.accounts import CreateUser
from ris.domain.actors import OPERATOR, TIMER, Actor, Role
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
from ris.selectors.accounts import user_actor
from ris.services import execute

SECOND = "radiologist2"
_FINDINGS = (
    ("RED", "Free air below the diaphragm, new"),
    ("ORANGE", "Fracture that was not known"),
    ("YELLOW", "Finding that needs another look within days"),
)
_COMMENT = "The nodule in the upper lobe was there already; it would not have changed anything."


def stories(actors: Mapping[str, Actor], now: datetime) -> Iterator[Story]:
    """What is flagged and recommended, each at its time."""
    yield _recommended(actors, now)
    yield _flagged(actors, now)


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
    return user_actor(User.objects.get(pk=key), "127.0.0.1")


def _flagged(actors: Mapping[str, Actor], now: datetime) -> Story:
    """One whose time runs out, one that a desk works on, one for the next days, one unread."""
    yield now - timedelta(minutes=75)
    # What was signed so long ago stays as it is today.
    signed = Report.objects.filter(versions__signed_at__lt=now - timedelta(hours=3)).order_by("pk")
    waiting = signed.filter(status=ReportStatus.PRELIMINARY.value).distinct()[:2]
    done = signed.filter(status=ReportStatus.FINAL.value).distinct()[:1]
    keys = []
    for report, (category, finding) in zip([*waiting, *done], _FINDINGS, strict=False):
        keys.append(
            execute(
                FlagCriticalResult(
                    report=str(report.public_id), finding=finding, category=category
                ),
                actor=actors["radiologist"],
            )
        )
    unread = RequestedProcedure.objects.filter(
        stage=Stage.PERFORMED.value, reports__isnull=True, performed_at__lt=now
    )
    seen = unread.order_by("performed_at", "pk").first()
    if seen is not None:  # told from the room, before anybody reports on it
        flag = FlagCriticalResult(
            procedure=str(seen.public_id),
            finding="Large pneumothorax, seen at the device",
            category="RED",
        )
        execute(flag, actor=actors["radiologist"])
    for key in keys[:2]:
        execute(
            NoteCriticalAttempt(
                critical_result=key, who="Secretary of the ward", reached=False, note="calls back"
            ),
            actor=actors["frontdesk"],
        )
    yield now - timedelta(minutes=40)
    execute(EscalateCriticalResults(), actor=TIMER)


def _recommended(actors: Mapping[str, Actor], now: datetime) -> Story:
    """One overdue, one ordered, two to come."""
    yield now - timedelta(days=4)
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
    if len(rows) < 2:
        return
    days = (3, 30, 180, 365)
    keys = []
    for row, until in zip(rows, days, strict=False):
        report = row.reports.get(status=ReportStatus.FINAL.value)
        keys.append(
            execute(
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
        )
    yield now - timedelta(days=1)
    execute(
        NoteFollowUpReminder(
            follow_up=keys[0], how=Reminder.PHONE, who="Practice of the requester"
        ),
        actor=actors["frontdesk"],
    )
    row = rows[1]
    yield now - timedelta(minutes=30)
    execute(LapseFollowUps(), actor=TIMER)
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


def review(actors: Mapping[str, Actor]) -> None:
    """The two radiologists read some of each other's reports again."""
    second = _second_reader()
    rules = (
        SamplingRule(percent=10),
        SamplingRule(percent=100, modality="CT"),
        SamplingRule(percent=100, reader=SECOND),
    )
    execute(SetSamplingRules(rules=rules), actor=actors["manager"])
    waiting = (
        RequestedProcedure.objects.filter(stage=Stage.PERFORMED.value, reports__isnull=True)
        .exclude(order__priority="STAT")
        .exclude(definition__breast_exam__gt="")  # which is assessed before it is signed
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
