"""Safety questions: defined, answered, overridden; and what waits for them.

:func:`require_answered` is the one gate of booking and manual start. A scanner is never refused:
what it began all the same is noted for people at once (:mod:`ris.services.unsafe_starts`).
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from ris.domain.actors import ActorKind, Role
from ris.domain.errors import (
    DeniedError,
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.safety import (
    Answer,
    AnswerKind,
    AnswerSafetyQuestions,
    DefineSafetyQuestion,
    Gate,
    ImportSafetyQuestions,
    NotReadyError,
    ObservationsRecorded,
    Observed,
    OverrideSafety,
    QuestionDetails,
    RecordObservations,
    RetireSafetyQuestion,
    SafetyAnswerGiven,
    SafetyOverridden,
    SafetyQuestionDefined,
    SafetyQuestionRetired,
    SafetyQuestionsAnswered,
    reasons,
    valid,
    write_rules,
)
from ris.domain.safety_told import told_of
from ris.domain.values import require_text
from ris.models import (
    Order,
    Patient,
    PatientObservation,
    SafetyAnswer,
    SafetyOverride,
    SafetyQuestion,
    ScheduledProcedureStep,
)
from ris.models.prepared import add_all
from ris.selectors import safety as selected
from ris.services import authorization, protocoling
from ris.services._context import Context
from ris.services._locks import lock_step
from ris.services._transition import touch
from ris.services.patients.finding import require as require_patient

# --- the gate


def require_answered(step: ScheduledProcedureStep, gate: Gate) -> None:
    """Refuse with NotReadyError unless all that ``gate`` waits for is settled.

    Safety questions answered and safe or overridden, the protocol set where the catalog asks for
    one, and (for booking, where the site says so) the payer's agreement.
    """
    found = selected.state(step)
    blocking = found.blocking(gate)
    if blocking:
        first = blocking[0]
        problem = f"unsafe: {first.answer.shown}" if first.answer else "not answered yet"
        more = f", and {len(blocking) - 1} more" if len(blocking) > 1 else ""
        raise NotReadyError(
            f"safety question “{first.question.words}” is {problem}{more}",
            step=str(step.public_id),
            waits_for="safety",
            names=[check.question.code for check in blocking],
        )
    protocoling.require_protocol(step, gate)
    if gate is Gate.BOOKING:
        authorization.require_agreement(step)


# --- the catalog


def define_safety_question(command: DefineSafetyQuestion, context: Context) -> str:
    said = command.question
    _check_question(said)
    row, _ = SafetyQuestion.objects.update_or_create(
        code=require_text(said.code, path="code", limit=32, name="code").upper(),
        defaults={
            "words": require_text(said.words, path="words", limit=200, name="question"),
            "kind": said.kind.value,
            "unit": require_text(said.unit, path="unit", limit=32, name="unit"),
            "choices": [list(pair) for pair in said.choices],
            "help": require_text(said.help, path="help", limit=300, name="help"),
            "modalities": list(said.modalities),
            "contrast_only": said.contrast_only,
            "sex": said.sex,
            "age_from": said.age_from,
            "age_to": said.age_to,
            "procedures": list(said.procedures),
            "sites": list(said.sites),
            "unsafe": write_rules(said.unsafe),
            "gate": said.gate.value,
            "override": [role.value for role in said.override],
            "dated": said.dated,
            "loinc": list(said.loinc),
            "told": said.told.value,
            "told_words": require_text(
                said.told_words, path="told_words", limit=64, name="worklist words"
            ),
            "offer_days": said.offer_days,
            "position": said.position,
            "patient_words": require_text(
                said.patient_words, path="patient_words", limit=200, name="words for the patient"
            ),
            "active": True,
        },
    )
    context.emit(SafetyQuestionDefined(question=str(row.public_id), code=row.code), subject=row)
    return str(row.public_id)


def _check_question(said: QuestionDetails) -> None:
    if not said.code or not said.code.replace("_", "").replace("-", "").isalnum():
        raise InvalidValueError("a code is letters, digits, - and _", path="code")
    if not said.words:
        raise MissingValueError("a question needs its words", path="words")
    if said.kind is AnswerKind.CHOICE and len(said.choices) < 2:
        raise MissingValueError("a choice needs two answers or more", path="choices")
    if said.sex not in {"", "M", "F"}:
        raise InvalidValueError("sex is M, F or empty", path="sex")
    if said.age_from is not None and said.age_to is not None and said.age_from > said.age_to:
        raise InvalidValueError("the ages run backwards", path="age_to")
    if len(write_rules(said.unsafe)) > 500:
        raise InvalidValueError("the rules have more than 500 characters", path="unsafe")
    if set(said.override) - set(Role):
        raise InvalidValueError("no such role", path="override")


def retire_safety_question(command: RetireSafetyQuestion, context: Context) -> None:
    row = SafetyQuestion.objects.filter(code=command.code).first()
    if row is None:
        raise UnknownKeyError("no such question")
    row.active = False
    touch(row, "active")
    context.emit(SafetyQuestionRetired(question=str(row.public_id), code=row.code), subject=row)


def import_safety_questions(command: ImportSafetyQuestions, context: Context) -> int:
    for each in command.questions:
        define_safety_question(DefineSafetyQuestion(question=each), context)
    for code in command.retired:
        retire_safety_question(RetireSafetyQuestion(code=code), context)
    return len(command.questions) + len(command.retired)


# --- answers


def answer_safety_questions(command: AnswerSafetyQuestions, context: Context) -> str:
    if not command.answers:
        raise MissingValueError("nothing is answered", path="answers")
    step = _locked(command.step)
    before = selected.state(step, context.now)
    asked = {check.question.code: check for check in before.checks}
    said = {code: check.answer for code, check in asked.items() if check.answer}
    known = {code: Answer(value=line.value, on=line.on) for code, line in said.items()}
    given: dict[str, SafetyAnswerGiven] = {}
    for each in command.answers:
        if each.question not in asked:
            raise UnknownKeyError(f"{each.question} is not asked before this exam")
        question = asked[each.question].question
        answer = valid(question, Answer(value=each.value, on=each.on))
        if answer.on is not None and answer.on > timezone.localdate(context.now):
            raise InvalidValueError(
                f"{question.words}: the day is not here yet", path=question.code
            )
        if known.get(each.question) != answer:
            given[each.question] = each
        known[each.question] = answer
    if given:
        _store(step, given, known, asked, context)
        tell_scanner(step.procedure.order)
    after = selected.state(step, context.now)
    if given:
        context.emit(
            SafetyQuestionsAnswered(
                order=str(step.procedure.order.public_id),
                step=str(step.public_id),
                questions=tuple(given),
                verdict=after.verdict.value,
                unsafe=tuple(check.question.words for check in after.unsafe),
            ),
            subject=step,
            order=step.procedure.order,
        )
    else:
        context.about(step, step.procedure.order)
    return after.verdict.value


def _locked(public_id: str) -> ScheduledProcedureStep:
    """The step with its order locked, and with what its questions are chosen by."""
    locked = lock_step(public_id)
    return ScheduledProcedureStep.objects.select_related(*selected.RELATED).get(pk=locked.pk)


def _store(
    step: ScheduledProcedureStep,
    given: dict[str, SafetyAnswerGiven],
    known: dict[str, Answer],
    asked: dict[str, selected.Check],
    context: Context,
) -> None:
    order = step.procedure.order
    rows = {row.code: row for row in SafetyQuestion.objects.filter(code__in=given)}
    SafetyAnswer.objects.filter(order=order, question__code__in=given, superseded_at=None).update(
        superseded_at=context.now, updated_at=context.now
    )
    today = timezone.localdate(context.now)
    answers = []
    for code, each in given.items():
        question, answer = asked[code].question, known[code]
        broken = reasons(question, answer, today, known)
        answers.append(
            SafetyAnswer(
                patient=order.patient,
                order=order,
                step=step,
                question=rows[code],
                words=question.words,
                value=answer.value,
                value_on=answer.on,
                unsafe=bool(broken),
                reasons="; ".join(str(rule) for rule in broken)[:300],
                source=each.source.value,
                answered_by=(context.actor.display or context.actor.name)[:150],
                answered_at=context.now,
            )
        )
    add_all(answers)


def tell_scanner(order: Order) -> None:
    """Put what the answers say where the worklist reads it."""
    rows = (
        SafetyAnswer.objects.filter(order=order, superseded_at=None)
        .select_related("question")
        .order_by("question__position", "question__code")
    )
    told = told_of(
        (selected.details(row.question), Answer(value=row.value, on=row.value_on), row.unsafe)
        for row in rows
    ).as_json()
    if told != order.safety:
        order.safety = told
        touch(order, "safety")


# --- overrides


def override_safety(command: OverrideSafety, context: Context) -> None:
    reason = command.reason.strip()
    if not reason:
        raise MissingValueError("say why the exam may go on all the same", path="reason")
    step = _locked(command.step)
    found = selected.state(step, context.now)
    blocking = [
        check
        for check in found.checks
        if check.in_the_way and (not command.questions or check.question.code in command.questions)
    ]
    if not blocking:
        raise StateConflictError("no safety question stands in the way of this exam")
    for check in blocking:
        allowed = check.question.override
        if not allowed:
            raise DeniedError(f"“{check.question.words}” cannot be overridden by anybody")
        if not context.actor.has(*allowed):
            who = " or ".join(role.value for role in allowed)
            raise DeniedError(f"“{check.question.words}” can be overridden by the {who} only")
    _store_overrides(step, blocking, reason, context)
    context.emit(
        SafetyOverridden(
            order=str(step.procedure.order.public_id),
            step=str(step.public_id),
            questions=tuple(check.question.code for check in blocking),
            reason=reason[:500],
        ),
        subject=step,
        order=step.procedure.order,
    )


def _store_overrides(
    step: ScheduledProcedureStep,
    blocking: Sequence[selected.Check],
    reason: str,
    context: Context,
) -> None:
    codes = [check.question.code for check in blocking]
    rows = {row.code: row for row in SafetyQuestion.objects.filter(code__in=codes)}
    answers = {
        row.question_id: row
        for row in SafetyAnswer.objects.filter(
            order=step.procedure.order, question__code__in=codes, superseded_at=None
        )
    }
    add_all(
        [
            SafetyOverride(
                order=step.procedure.order,
                step=step,
                question=rows[code],
                answer=answers.get(rows[code].pk),
                reason=reason[:500],
                actor_name=(context.actor.display or context.actor.name)[:150],
                at=context.now,
            )
            for code in codes
        ]
    )


# --- results that fill answers in


def record_observations(command: RecordObservations, context: Context) -> str:
    patient = require_patient(command.patient)
    keys = [*command.withdrawn, *(each.key for each in command.observations if each.key)]
    if keys:
        PatientObservation.objects.filter(patient=patient, key__in=keys).update(
            withdrawn=True, updated_at=context.now
        )
    keep_observations(patient, command.observations, context, source=command.source.value)
    context.emit(
        ObservationsRecorded(
            patient=str(patient.public_id),
            codes=tuple(sorted({each.code for each in command.observations})),
        ),
        subject=patient,
    )
    return str(patient.public_id)


def keep_observations(
    patient: Patient,
    observations: Sequence[Observed],
    context: Context,
    *,
    source: str,
    order: Order | None = None,
) -> None:
    """Store results; those without a value say nothing."""
    sender = context.actor.display or context.actor.name
    add_all(
        [
            PatientObservation(
                patient=patient,
                order=order,
                code=each.code[:16],
                meaning=each.meaning[:200],
                value=each.value[:100],
                unit=each.unit[:32],
                observed_at=each.observed_at or context.now,
                source=source,
                sender=sender[:150] if context.actor.kind is not ActorKind.TIMER else "",
                key=each.key[:100],
            )
            for each in observations
            if each.value.strip()
        ]
    )


HANDLERS = {
    DefineSafetyQuestion: define_safety_question,
    RetireSafetyQuestion: retire_safety_question,
    ImportSafetyQuestions: import_safety_questions,
    AnswerSafetyQuestions: answer_safety_questions,
    OverrideSafety: override_safety,
    RecordObservations: record_observations,
}

_SETUP = {Role.MANAGER, Role.ADMIN, Role.SYSTEM}
_ASKING = {
    Role.SCHEDULER,
    Role.FRONTDESK,
    Role.TECHNOLOGIST,
    Role.RADIOLOGIST,
    Role.MANAGER,
    Role.SYSTEM,
}

PERMISSIONS = {
    DefineSafetyQuestion: _SETUP,
    RetireSafetyQuestion: _SETUP,
    ImportSafetyQuestions: _SETUP,
    AnswerSafetyQuestions: _ASKING,
    # Who of them may depends on the question.
    OverrideSafety: {Role.TECHNOLOGIST, Role.RADIOLOGIST},
    RecordObservations: {Role.INTERFACE, Role.SYSTEM},
}
