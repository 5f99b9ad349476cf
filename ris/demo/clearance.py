"""Safety questions, protocols and payers of the demo: most are settled, some of each are not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from django.utils import timezone

from ris.demo.protocols import protocols
from ris.domain.actors import OPERATOR, TIMER, Actor
from ris.domain.authorization import (
    AuthorizationState,
    CoverageDetails,
    RecordAuthorization,
    RecordCoverage,
    RequestAuthorization,
    RuleDetails,
    SetAuthorizationRules,
)
from ris.domain.orders import StepStatus
from ris.domain.patients import PatientReference
from ris.domain.performing import Origin, PerformedStatus
from ris.domain.protocoling import (
    AskRequester,
    ChangeProtocolNeed,
    ClaimProtocoling,
    ProtocolNeed,
    RejectProcedure,
    RejectReason,
    SetProtocol,
)
from ris.domain.safety import (
    EGFR,
    AnswerKind,
    AnswerSafetyQuestions,
    AnswerSource,
    ImportSafetyQuestions,
    NoteUnsafeStart,
    Observed,
    OverrideSafety,
    QuestionDetails,
    RecordObservations,
    SafetyAnswerGiven,
)
from ris.domain.safety_starter import STARTER
from ris.models import Order, PerformedProcedureStep, ProcedureDefinition, ScheduledProcedureStep
from ris.selectors import protocoling, safety
from ris.selectors.protocoling import Queue
from ris.services import execute

_LIVE = (
    StepStatus.SCHEDULED.value,
    StepStatus.ARRIVED.value,
    StepStatus.READY.value,
    StepStatus.STARTED.value,
)
# This department asks for pregnancy before everything but plain X-rays.
_PREGNANCY_BEFORE = ("CT", "NM", "PT", "RF", "XA")
UNDECIDED = 6  # of what waits for a protocol, so many stay for the visitor


def clear(now: datetime, actors: Mapping[str, Actor]) -> None:
    """Set the questions, the protocols and the rules up, and settle what a day settles."""
    execute(ImportSafetyQuestions(questions=_questions()), actor=actors["manager"])
    for command in protocols():
        execute(command, actor=actors["manager"])
    _protocol(actors)
    _answer(now, actors)
    _ask_payers(now, actors)


def _questions() -> tuple[QuestionDetails, ...]:
    return tuple(
        replace(each, modalities=_PREGNANCY_BEFORE) if each.code == "PREGNANCY" else each
        for each in STARTER
    )


# --- protocols


def _protocol(actors: Mapping[str, Actor]) -> None:
    for definition in ProcedureDefinition.objects.filter(modality__in=("MR", "NM")) | (
        ProcedureDefinition.objects.filter(modality="CT").exclude(contrast="")
    ):
        execute(
            ChangeProtocolNeed(definition=str(definition.public_id), need=ProtocolNeed.START),
            actor=actors["manager"],
        )
    reader = actors["radiologist"]
    waiting = list(protocoling.with_lines(protocoling.ordered(protocoling.in_queue(Queue.WAITING))))
    # Whoever is on soonest is protocoled; of the rest some wait.
    soon = [row for row in waiting if _is_soon(row.steps.all())]
    rest = [row for row in waiting if row not in soon]
    for row in (*soon, *rest[UNDECIDED + 3 :]):
        offered = protocoling.offered_for(row, {step.modality for step in row.steps.all()})
        if offered:
            execute(
                SetProtocol(
                    procedure=str(row.public_id),
                    protocols=(offered[row.pk % len(offered)].public_id,),
                    instructions="Compare with the earlier images." if row.pk % 3 == 0 else "",
                ),
                actor=reader,
            )
    for number, row in enumerate(rest[UNDECIDED : UNDECIDED + 3]):
        key = str(row.public_id)
        execute(
            (
                ClaimProtocoling(procedure=key),
                AskRequester(procedure=key, question="Was there an operation? When, and where?"),
                RejectProcedure(
                    procedure=key,
                    reason=RejectReason.ALTERNATIVE,
                    note="Ultrasound answers this without contrast.",
                    alternative="Ultrasound of the abdomen",
                ),
            )[number],
            actor=reader,
        )


def _is_soon(steps: Iterable[ScheduledProcedureStep]) -> bool:
    """Today or before: the room is about to begin."""
    today = timezone.localdate()
    return any(step.start_at and timezone.localdate(step.start_at) <= today for step in steps)


# --- safety


def _answer(now: datetime, actors: Mapping[str, Actor]) -> None:
    steps = list(
        ScheduledProcedureStep.objects.select_related(*safety.RELATED)
        .filter(status__in=_LIVE, procedure__order__status="ACTIVE")
        .order_by("start_at", "id")
    )
    states = safety.states(steps)
    asked = [step for step in steps if states[step.pk].checks]
    uncleared = _uncleared(asked)
    later = [step for step in asked if step.status == StepStatus.SCHEDULED.value]
    magnets = [step for step in later if step.modality == "MR"]
    with_contrast = [
        step
        for step in later
        if any(check.question.code == "EGFR" for check in states[step.pk].checks)
    ]
    unsafe = magnets[-1] if magnets else None
    overridden = with_contrast[0] if with_contrast else None
    left_open = {step.pk for step in (*magnets[-3:-1], *with_contrast[1:3])}
    for step in asked:
        if step.pk in left_open or step == uncleared:
            continue
        special = {"MR_CLIPS": "yes"} if step == unsafe else {}
        if step == overridden:
            special = {"EGFR": "27"}
        execute(
            AnswerSafetyQuestions(
                step=str(step.public_id),
                answers=tuple(_answers(step, states[step.pk], special, now)),
            ),
            actor=actors["frontdesk" if step.pk % 2 else "technologist"],
        )
    if overridden is not None:
        execute(
            OverrideSafety(
                step=str(overridden.public_id),
                reason="Sepsis; nephrology agrees, fluids before and after",
            ),
            actor=actors["radiologist"],
        )
    for step in with_contrast[1:3]:
        _result(step, now)
    if uncleared is not None:
        for performed in PerformedProcedureStep.objects.filter(
            steps=uncleared, status=PerformedStatus.IN_PROGRESS.value
        ):
            execute(NoteUnsafeStart(performed=str(performed.public_id)), actor=TIMER)


def _uncleared(asked: Sequence[ScheduledProcedureStep]) -> ScheduledProcedureStep | None:
    """An exam that its scanner began before anybody asked."""
    return next(
        (
            step
            for step in asked
            if step.status == StepStatus.STARTED.value
            and step.performed.filter(origin=Origin.MPPS.value).exists()
        ),
        None,
    )


def _answers(
    step: ScheduledProcedureStep,
    state: safety.SafetyState,
    special: Mapping[str, str],
    now: datetime,
) -> Iterator[SafetyAnswerGiven]:
    patient = step.procedure.order.patient
    for check in state.checks:
        question = check.question
        value = special.get(question.code, "no")
        if question.kind is AnswerKind.NUMBER and question.code not in special:
            weight = f"{patient.weight_kg or 74:g}"
            value = weight if question.code == "WEIGHT" else str(64 + step.pk % 30)
        yield SafetyAnswerGiven(
            question=question.code, value=value, on=_days_ago(now, 4) if question.dated else None
        )


def _days_ago(now: datetime, days: int) -> date:
    return timezone.localdate(now - timedelta(days=days))


def _result(step: ScheduledProcedureStep, now: datetime) -> None:
    """A result that the laboratory sent, and that nobody confirmed yet."""
    execute(
        RecordObservations(
            patient=PatientReference(public_id=str(step.procedure.order.patient.public_id)),
            observations=(
                Observed(
                    code=EGFR[2],
                    value=str(41 + step.pk % 20),
                    unit="mL/min/{1.73_m2}",
                    meaning="eGFR",
                    observed_at=now - timedelta(days=2),
                ),
            ),
            source=AnswerSource.HL7,
        ),
        actor=OPERATOR,
    )


# --- payers

_PAYERS = ("Municipal Sick Fund", "Summit Mutual", "Harbor Health", "Summit Mutual")


def _ask_payers(now: datetime, actors: Mapping[str, Actor]) -> None:
    execute(
        SetAuthorizationRules(
            rules=(
                RuleDetails(payers=("Municipal",), needed=False),
                RuleDetails(modalities=("MR", "NM"), payers=("Summit", "Harbor")),
            )
        ),
        actor=actors["manager"],
    )
    orders = list(
        Order.objects.select_related("patient")
        .filter(
            status="ACTIVE",
            procedures__steps__modality__in=("MR", "NM"),
            procedures__steps__status__in=(
                StepStatus.PENDING.value,
                StepStatus.SCHEDULED.value,
            ),
        )
        .distinct()
        .order_by("-ordered_at", "-id")[:9]
    )
    for number, order in enumerate(orders):
        execute(
            RecordCoverage(
                patient=PatientReference(public_id=str(order.patient.public_id)),
                coverage=CoverageDetails(
                    payer=_PAYERS[number % len(_PAYERS)],
                    plan="Standard",
                    member_number=f"M{70_000 + order.pk}",
                    valid_from=date(now.year, 1, 1),
                ),
                source="HL7",
            ),
            actor=OPERATOR,
        )
    paying = [order for number, order in enumerate(orders) if number % len(_PAYERS)]
    desk, today = actors["scheduler"], timezone.localdate(now)
    for order in paying[1:4]:
        execute(RequestAuthorization(order=str(order.public_id)), actor=desk)
    for order, said in zip(paying[2:4], _said(today), strict=False):
        execute(replace(said, order=str(order.public_id)), actor=desk)


def _said(today: date) -> tuple[RecordAuthorization, ...]:
    return (
        RecordAuthorization(
            order="",
            state=AuthorizationState.APPROVED,
            number="SM-2207-114",
            valid_from=today,
            valid_until=today + timedelta(days=9),
            units=1,
        ),
        RecordAuthorization(
            order="",
            state=AuthorizationState.DENIED,
            note="Ultrasound first; a new request may follow",
        ),
    )
