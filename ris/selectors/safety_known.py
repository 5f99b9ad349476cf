"""What is known of a patient before anybody asks: results, earlier answers, the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from ris.domain.safety import (
    ALLERGY,
    PREGNANCY,
    PREGNANCY_ANSWERS,
    WEIGHT,
    Answer,
    AnswerKind,
    AnswerSource,
    QuestionDetails,
    Told,
    reasons,
)
from ris.models import (
    DeclaredAnswer,
    Order,
    Patient,
    PatientObservation,
    SafetyAnswer,
    ScheduledProcedureStep,
)
from ris.selectors.safety import Check, Proposal, SafetyState, shown
from ris.selectors.safety_declared import said_of


def with_proposals(step: ScheduledProcedureStep, found: SafetyState) -> SafetyState:
    """The same with what fills the open questions in; three queries."""
    open_ones = [check.question for check in found.checks if check.answer is None]
    if not open_ones:
        return found
    proposals = _proposals(step.procedure.order, open_ones)
    return SafetyState(
        step=found.step,
        verdict=found.verdict,
        checks=tuple(
            check
            if check.answer is not None or check.question.code not in proposals
            else Check(
                question=check.question,
                finding=check.finding,
                override=check.override,
                proposal=proposals[check.question.code],
            )
            for check in found.checks
        ),
    )


def _proposals(order: Order, questions: Sequence[QuestionDetails]) -> dict[str, Proposal]:
    """The newest of results and earlier answers; else what the patient's record says."""
    patient, now = order.patient, timezone.now()
    loinc = {code for question in questions for code in question.loinc}
    if any(question.told is Told.ALLERGY for question in questions):
        loinc.add(ALLERGY)
    allergies: list[str] = list(patient.allergies)
    results: dict[str, PatientObservation] = {}
    for row in PatientObservation.objects.filter(
        patient=patient, code__in=loinc, withdrawn=False
    ).order_by("observed_at", "id"):
        results[row.code] = row
        if row.code == ALLERGY:
            allergies.append(row.value)
    earlier: dict[str, SafetyAnswer] = {}
    for answer in (
        SafetyAnswer.objects.filter(
            patient=patient, question__code__in=[question.code for question in questions]
        )
        .exclude(order=order)
        .select_related("question")
        .order_by("-answered_at", "-id")[:200]
    ):
        earlier.setdefault(answer.question.code, answer)
    declared = said_of([order], [question.code for question in questions])
    found: dict[str, Proposal] = {}
    for question in questions:
        proposal = _from_results(question, results) or _from_earlier(
            question, earlier.get(question.code), now
        )
        proposal = proposal or _from_record(question, patient, allergies)
        said = _from_patient(question, declared.get(question.code))
        proposal = _less_safe(question, said, proposal)
        if proposal is not None:
            found[question.code] = proposal
    return found


def _from_patient(question: QuestionDetails, row: DeclaredAnswer | None) -> Proposal | None:
    if row is None:
        return None
    return Proposal(
        value=row.value,
        shown=shown(question, row.value, row.value_on),
        on=row.value_on,
        source=AnswerSource.PATIENT,
        origin="",
        at=row.declared_at,
    )


def _less_safe(
    question: QuestionDetails, said: Proposal | None, known: Proposal | None
) -> Proposal | None:
    """What the patient said for this very exam, unless what is known besides is less safe."""
    if said is None or known is None:
        return said or known
    today = timezone.localdate()
    is_safe, known_is_safe = (
        not reasons(question, Answer(value=each.value, on=each.on), today, {})
        for each in (said, known)
    )
    return known if is_safe and not known_is_safe else said


def _from_results(
    question: QuestionDetails, results: Mapping[str, PatientObservation]
) -> Proposal | None:
    rows = [results[code] for code in question.loinc if code in results]
    if not rows:
        return None
    row = max(rows, key=lambda each: each.observed_at)
    value = row.value
    if question.kind is AnswerKind.CHOICE:
        value = PREGNANCY_ANSWERS.get(value, value.lower())
        if value not in dict(question.choices):
            return None
    if row.code in WEIGHT and row.unit.lower() == "g":
        value = f"{float(value) / 1000:g}"
    on = timezone.localdate(row.observed_at)
    source = AnswerSource(row.source)
    return Proposal(
        value=value,
        shown=shown(question, value, on if question.dated else None),
        on=on,
        source=source,
        origin=row.sender,
        at=row.observed_at,
    )


def _from_earlier(
    question: QuestionDetails, row: SafetyAnswer | None, now: datetime
) -> Proposal | None:
    if row is None or not question.offer_days:
        return None
    if row.answered_at < now - timedelta(days=question.offer_days):
        return None
    return Proposal(
        value=row.value,
        shown=shown(question, row.value, row.value_on),
        on=row.value_on,
        source=AnswerSource.EARLIER,
        origin=row.answered_by,
        at=row.answered_at,
    )


def _from_record(
    question: QuestionDetails, patient: Patient, allergies: Sequence[str]
) -> Proposal | None:
    value = ""
    note = ""
    if question.told is Told.PREGNANCY or set(question.loinc) & set(PREGNANCY):
        value = {"1": "no", "2": "possible", "3": "yes", "4": "unknown"}.get(
            patient.pregnancy_status, ""
        )
        if value not in dict(question.choices):
            value = ""
    elif question.told is Told.WEIGHT and patient.weight_kg:
        value = f"{patient.weight_kg:g}"
    elif question.told is Told.ALLERGY and question.kind is AnswerKind.YES_NO:
        note = next((text for text in allergies if _is_of_contrast(text)), "")
        value = "yes" if note else ""
    elif question.told is Told.ALERT and question.kind is AnswerKind.YES_NO:
        words = (question.told_words or question.words).lower().split()
        keys = [word for word in words if len(word) > 5]
        note = next(
            (text for text in patient.alerts if any(key in text.lower() for key in keys)), ""
        )
        value = "yes" if note else ""
    if not value:
        return None
    return Proposal(
        value=value,
        shown=f"{shown(question, value)}: {note}" if note else shown(question, value),
        on=None,
        source=AnswerSource.RECORD,
        origin="",
    )


_CONTRAST_WORDS = ("contrast", "iod", "gadolin", "kontrast", "contraste", "barium")


def _is_of_contrast(text: str) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in _CONTRAST_WORDS)
