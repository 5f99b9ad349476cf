"""Safety questions of exams: which are asked, how they stand, what is known beforehand.

How a question stands is computed from its rules and the answers each time and never stored: an eGFR
grows old by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType

from django.utils import timezone

from ris.domain.actors import Role
from ris.domain.safety import (
    Answer,
    AnswerKind,
    AnswerSource,
    Finding,
    Gate,
    QuestionDetails,
    Subject,
    Told,
    Verdict,
    applies,
    parse_rules,
    reasons,
    verdict,
)
from ris.models import (
    Order,
    SafetyAnswer,
    SafetyOverride,
    SafetyQuestion,
    ScheduledProcedureStep,
)
from ris.selectors.resources import site_of
from ris.selectors.told_allergies import told

# What the steps of :func:`states` must bring with them.
RELATED = (
    "procedure__order__patient",
    "procedure__definition",
    "procedure__protocoling",
    "device__room__site",
    "device__resource__site",
    "appointment",
)
_PLAIN = frozenset({"", "-", "no", "none", "plain", "without"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLine:
    """An answer as it was given."""

    question: str
    words: str
    value: str
    shown: str
    on: date | None
    unsafe: bool
    source: str
    by: str
    at: datetime
    counts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideLine:
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is known already; a person has to confirm it."""

    value: str
    shown: str
    on: date | None
    source: AnswerSource
    origin: str  # in words, for the person
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question for one exam."""

    question: QuestionDetails
    finding: Finding
    answer: AnswerLine | None = None
    rules: tuple[str, ...] = ()  # why it is unsafe
    override: OverrideLine | None = None
    proposal: Proposal | None = None

    @property
    def in_the_way(self) -> bool:
        return self.finding in {Finding.OPEN, Finding.UNSAFE}


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyState:
    """All questions of one exam."""

    step: str
    verdict: Verdict
    checks: tuple[Check, ...] = ()

    @property
    def open(self) -> int:
        return sum(check.finding is Finding.OPEN for check in self.checks)

    @property
    def unsafe(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.finding is Finding.UNSAFE)

    def blocking(self, gate: Gate) -> tuple[Check, ...]:
        """What stands in the way of booking, or of the start: the start waits for all."""
        return tuple(
            check
            for check in self.checks
            if check.in_the_way and (gate is Gate.START or check.question.gate is Gate.BOOKING)
        )


def details(row: SafetyQuestion) -> QuestionDetails:
    return QuestionDetails(
        code=row.code,
        words=row.words,
        kind=AnswerKind(row.kind),
        unit=row.unit,
        choices=tuple((value, words) for value, words in row.choices),
        help=row.help,
        modalities=tuple(row.modalities),
        contrast_only=row.contrast_only,
        sex=row.sex,
        age_from=row.age_from,
        age_to=row.age_to,
        procedures=tuple(row.procedures),
        sites=tuple(row.sites),
        unsafe=parse_rules(row.unsafe),
        gate=Gate(row.gate),
        override=tuple(Role(role) for role in row.override),
        dated=row.dated,
        loinc=tuple(row.loinc),
        told=Told(row.told),
        told_words=row.told_words,
        offer_days=row.offer_days,
        position=row.position,
        patient_words=row.patient_words,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionLine:
    """A question of the catalog; one that is not ``asked`` was retired."""

    details: QuestionDetails
    rules: str
    asked: bool


def question_lines(*, retired: bool = False) -> list[QuestionLine]:
    rows = SafetyQuestion.objects.order_by("position", "code")
    if not retired:
        rows = rows.filter(active=True)
    return [QuestionLine(details=details(row), rules=row.unsafe, asked=row.active) for row in rows]


def question_line(code: str) -> QuestionLine | None:
    row = SafetyQuestion.objects.filter(code=code).first()
    if row is None:
        return None
    return QuestionLine(details=details(row), rules=row.unsafe, asked=row.active)


def with_contrast(text: str) -> bool:
    """Whether the words of the catalog or the protocol mean that contrast is given."""
    return text.strip().lower() not in _PLAIN


def age_at(birth_date: str, day: date) -> int | None:
    """Years; by the first day that is possible if only a part of the date is known."""
    parts = [int(part) for part in birth_date.split("-")] if birth_date else []
    if not parts:
        return None
    month, born_on = (*parts[1:], 1, 1)[:2]
    return day.year - parts[0] - ((day.month, day.day) < (month, born_on))


def subject_of(step: ScheduledProcedureStep, today: date) -> Subject:
    procedure, definition = step.procedure, step.procedure.definition
    patient = procedure.order.patient
    site = site_of(step.device) if step.device is not None else None
    planned = definition.contrast if definition is not None else ""
    return Subject(
        modality=step.modality,
        contrast=with_contrast(step.contrast_agent) or with_contrast(planned),
        procedure=procedure.code_value,
        sex=patient.sex,
        age=age_at(patient.birth_date, today),
        site=site.name if site is not None else "",
    )


def shown(question: QuestionDetails, value: str, on: date | None = None) -> str:
    """An answer in words."""
    words = value
    if question.kind is AnswerKind.YES_NO:
        words = value.capitalize()
    elif question.kind is AnswerKind.CHOICE:
        words = question.choice_words(value)
    elif question.unit:
        words = f"{value} {question.unit}"
    return f"{words} ({on.isoformat()})" if on else words


def _answer_line(row: SafetyAnswer, question: QuestionDetails) -> AnswerLine:
    return AnswerLine(
        question=row.question.code,
        words=row.words,
        value=row.value,
        shown=shown(question, row.value, row.value_on),
        on=row.value_on,
        unsafe=row.unsafe,
        source=row.source,
        by=row.answered_by,
        at=row.answered_at,
        counts=row.superseded_at is None,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has on some orders."""

    questions: list[tuple[int, QuestionDetails]]
    answers: Mapping[int, dict[int, SafetyAnswer]]  # order → question → what counts
    overrides: Mapping[int, list[SafetyOverride]]  # step → newest last


def _known(steps: Sequence[ScheduledProcedureStep]) -> _Known:
    rows = SafetyQuestion.objects.filter(active=True).order_by("position", "code")
    questions = [(row.pk, details(row)) for row in rows]
    answers: dict[int, dict[int, SafetyAnswer]] = defaultdict(dict)
    overrides: dict[int, list[SafetyOverride]] = defaultdict(list)
    if questions and steps:
        orders = {step.procedure.order_id for step in steps}
        for answer in SafetyAnswer.objects.filter(
            order__in=orders, superseded_at=None
        ).select_related("question"):
            answers[answer.order_id][answer.question_id] = answer
        for each in SafetyOverride.objects.filter(step__in=[step.pk for step in steps]).order_by(
            "at", "id"
        ):
            overrides[each.step_id].append(each)
    return _Known(questions, answers, overrides)


def states(
    steps: Sequence[ScheduledProcedureStep],
    now: datetime | None = None,
    begun_at: Mapping[int, datetime] = MappingProxyType({}),
) -> dict[int, SafetyState]:
    """How the questions of these steps stand, by primary key; three queries, one if none is asked.

    Load the steps with :data:`RELATED`. ``begun_at`` has those that are judged by their own time.
    """
    known = _known(steps)
    moment = now or timezone.now()
    return {step.pk: _state(step, known, begun_at.get(step.pk, moment)) for step in steps}


def state(step: ScheduledProcedureStep, now: datetime | None = None) -> SafetyState:
    return states([step], now)[step.pk]


def _day_of(step: ScheduledProcedureStep, now: datetime) -> date:
    """The day the exam is (or was planned to be) done: values are judged as they will be then."""
    return timezone.localdate(max(step.start_at, now) if step.start_at else now)


def _state(step: ScheduledProcedureStep, known: _Known, now: datetime) -> SafetyState:
    day = _day_of(step, now)
    subject = subject_of(step, day) if known.questions else None
    rows = known.answers.get(step.procedure.order_id, {})
    said = {
        details.code: Answer(value=rows[key].value, on=rows[key].value_on)
        for key, details in known.questions
        if key in rows
    }
    checks = tuple(
        _check(key, question, rows.get(key), said, known.overrides.get(step.pk, ()), day)
        for key, question in known.questions
        if subject is not None and applies(question, subject)
    )
    return SafetyState(
        step=str(step.public_id),
        verdict=verdict(check.finding for check in checks),
        checks=checks,
    )


def _check(
    key: int,
    question: QuestionDetails,
    row: SafetyAnswer | None,
    said: Mapping[str, Answer],
    overrides: Iterable[SafetyOverride],
    day: date,
) -> Check:
    override = next(
        (
            each
            for each in reversed(list(overrides))
            if each.question_id == key and each.answer_id == (row.pk if row else None)
        ),
        None,
    )
    line = (
        OverrideLine(by=override.actor_name, at=override.at, reason=override.reason)
        if (override)
        else None
    )
    if row is None:
        finding = Finding.OVERRIDDEN if line else Finding.OPEN
        return Check(question=question, finding=finding, override=line)
    broken = reasons(question, said[question.code], day, said)
    finding = Finding.SAFE
    if broken:
        finding = Finding.OVERRIDDEN if line else Finding.UNSAFE
    return Check(
        question=question,
        finding=finding,
        answer=_answer_line(row, question),
        rules=tuple(str(rule) for rule in broken),
        override=line if broken else None,
    )


# --- one step, one order


def find_step(public_id: str) -> ScheduledProcedureStep | None:
    return (
        ScheduledProcedureStep.objects.select_related(*RELATED)
        .annotate(told_allergies=told("procedure__order__patient"))
        .filter(public_id=public_id)
        .first()
    )


def steps_of(order: str) -> list[ScheduledProcedureStep]:
    return list(
        ScheduledProcedureStep.objects.select_related(
            *RELATED, "procedure__protocoling__claimed_by"
        )
        .filter(procedure__order__public_id=order)
        .order_by("id")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSafety:
    """A step of an order with how it stands."""

    public_id: str
    words: str
    state: SafetyState


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSafety:
    """How the steps of an order stand, and all that was ever answered for it."""

    steps: tuple[StepSafety, ...] = ()
    history: tuple[AnswerLine, ...] = ()
    overrides: tuple[tuple[str, OverrideLine], ...] = field(default=())

    @property
    def is_asked(self) -> bool:
        return bool(self.history) or any(step.state.checks for step in self.steps)


def of_steps(rows: Sequence[ScheduledProcedureStep]) -> OrderSafety:
    """For the order's page, with its steps from :func:`steps_of`; two queries, then five."""
    if not rows:
        return OrderSafety()
    found = states(rows)
    order = rows[0].procedure.order
    is_asked = any(state.checks for state in found.values())
    past = history(order) if is_asked or order.safety_answers.exists() else OrderSafety()
    return OrderSafety(
        steps=tuple(
            StepSafety(
                public_id=str(row.public_id),
                words=row.description or row.procedure.description,
                state=found[row.pk],
            )
            for row in rows
        ),
        history=past.history,
        overrides=past.overrides,
    )


def history(order: Order) -> OrderSafety:
    """All that was ever answered and overridden for an order, without how it stands now."""
    answers = (
        SafetyAnswer.objects.filter(order=order)
        .select_related("question")
        .order_by("-answered_at", "-id")[:200]
    )
    overrides = (
        SafetyOverride.objects.filter(order=order)
        .select_related("question")
        .order_by("-at", "-id")[:100]
    )
    return OrderSafety(
        history=tuple(_answer_line(row, details(row.question)) for row in answers),
        overrides=tuple(
            (row.question.words, OverrideLine(by=row.actor_name, at=row.at, reason=row.reason))
            for row in overrides
        ),
    )
