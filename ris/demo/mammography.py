"""Breast exams of the demo: assessed with their reports, some recalled, letters sent or waiting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ris.demo.cast import Case
from ris.domain.actors import Actor
from ris.domain.mammography import (
    AssessBreast,
    Assessed,
    BreastExam,
    Pathology,
    RecallKind,
    RecallState,
    RecordPathology,
    Rules,
    SetBreastExam,
    SetMammographyRules,
)
from ris.domain.mammography_letters import MarkLettersSent, PrintLetters, SentHow, SetLetterChoice
from ris.models import BreastLetter, BreastRecall, ProcedureDefinition
from ris.selectors import letter_lists
from ris.services import execute

EXAMS: Mapping[str, BreastExam] = {
    "MGSCREEN": BreastExam.SCREENING,
    "MGDIAG": BreastExam.DIAGNOSTIC,
    "MGTOMO2": BreastExam.DIAGNOSTIC,
    "MGCLINIC": BreastExam.DIAGNOSTIC,
    "USBREAST": BreastExam.OTHER,
}
# What each case says; a screening exam is one of three, by the patient's number.
_FOUND: Mapping[str, Assessed] = {
    "MGDIAG": Assessed(right="5", density="B"),
    "MGTOMO2": Assessed(right="1", left="1", density="C"),
    "MGCLINIC": Assessed(left="4A", density="C"),
    "USBREAST": Assessed(left="3"),
}
_SCREENING: tuple[tuple[Assessed, Mapping[str, str]], ...] = (
    (Assessed(right="2", left="2", density="B"), {}),
    (
        Assessed(right="1", left="0", density="C"),
        {
            "findings": "Focal density of 8 mm in the left breast, in the MLO view only.",
            "impression": "Left breast: more views and ultrasound advised.",
        },
    ),
    (
        Assessed(right="3", left="1", density="B"),
        {
            "findings": "Group of round calcifications in the right breast, not seen before.",
            "impression": "Very likely harmless. Another look at the right side in six months.",
        },
    ),
)
KEPT = 2  # letters that wait for the visitor


def set_up(actors: Mapping[str, Actor]) -> None:
    """Which procedures are breast exams, and a department that waits for nothing long."""
    for row in ProcedureDefinition.objects.filter(code__in=EXAMS):
        execute(
            SetBreastExam(procedure=str(row.public_id), exam=EXAMS[row.code].value),
            actor=actors["manager"],
        )
    rules = Rules(letter_hours=12, additional_days=2, biopsy_days=3)
    execute(SetMammographyRules(rules=rules), actor=actors["manager"])


def assess(report: str, case: Case, number: str, reader: Actor) -> dict[str, str]:
    """The assessment of a breast exam, and the text that goes with it; of others only the text."""
    sections = dict(case.sections)
    if case.code.value not in EXAMS:
        return sections
    if case.code.value == "MGSCREEN":
        found, said = _SCREENING[sum(map(ord, number)) % len(_SCREENING)]
        sections.update(said)
    else:
        found = _FOUND[case.code.value]
    execute(AssessBreast(report=report, assessed=found), actor=reader)
    return sections


def follow(now: datetime, actors: Mapping[str, Actor]) -> None:
    """Most letters left; pathology of one biopsy came; somebody wants no letters."""
    due = list(letter_lists.letters("due", now).values_list("public_id", flat=True))
    keys = tuple(str(key) for key in due[:-KEPT])
    if keys:
        keys = execute(PrintLetters(letters=keys), actor=actors["frontdesk"])
        execute(MarkLettersSent(letters=keys, how=SentHow.POST), actor=actors["frontdesk"])
    biopsies = BreastRecall.objects.filter(
        kind=RecallKind.BIOPSY.value, state=RecallState.OPEN.value
    ).select_related("assessment")
    first = biopsies.order_by("due_on", "id").first()
    if first is not None:
        execute(
            RecordPathology(
                assessment=str(first.assessment.public_id),
                result=Pathology.MALIGNANT,
                taken_on=first.assessment.examined_on,
                side="R",
                source="Institute of Pathology, Demo Town",
            ),
            actor=actors["radiologist"],
        )
    last = BreastLetter.objects.filter(sent_at__isnull=False).order_by("-id").first()
    if last is not None:
        patient = last.assessment.report.order.patient
        choice = SetLetterChoice(
            patient=str(patient.public_id), wanted=False, note="Wants to be called instead"
        )
        execute(choice, actor=actors["frontdesk"])
