"""Breast exams of the demo: assessed with their reports, some recalled, letters sent or waiting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from ris.demo.cast import Case, Cast, Person
from ris.demo.dose import uid_of
from ris.demo.signing import shown
from ris.domain.actors import OPERATOR, Actor, device_actor
from ris.domain.mammography import (
    AssessBreast,
    Assessed,
    BreastExam,
    MarkLettersSent,
    Pathology,
    PrintLetters,
    RecallKind,
    RecallState,
    RecordPathology,
    Rules,
    SentHow,
    SetBreastExam,
    SetLetterChoice,
    SetMammographyRules,
)
from ris.domain.orders import OrderDetails, PlaceOrder, ProcedureRequest
from ris.domain.patients import PatientReference
from ris.domain.performing import (
    CompletePerformedStep,
    PerformedDetails,
    ScheduledReference,
    SeriesDetails,
    StartPerformedStep,
)
from ris.domain.reporting import FinalizeReport, OpenReport
from ris.domain.values import Identifier
from ris.models import BreastLetter, BreastRecall, ProcedureDefinition, ScheduledProcedureStep
from ris.selectors import mammography
from ris.services import as_of, execute

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


def remember(now: datetime, cast: Cast, actors: Mapping[str, Actor]) -> None:
    """Breast exams of the days before the story begins; what they asked for is due by now."""
    kinds = ("MGDIAG", "MGSCREEN", "MGSCREEN", "USBREAST", "MGSCREEN", "MGDIAG", "MGSCREEN")
    cases = {case.code.value: case for case in cast.cases}
    women = [one for one in cast.people if cases["MGSCREEN"].suits(one) and not one.reserved]
    for number, (code, person) in enumerate(zip(kinds, women, strict=False)):
        _exam(now - timedelta(days=11 - number), number, cases[code], person, actors)


def _exam(
    at: datetime, number: int, case: Case, person: Person, actors: Mapping[str, Actor]
) -> None:
    modality, device = case.modality, device_actor(f"{case.modality}1")
    with as_of(at):
        placed = execute(
            PlaceOrder(
                patient=PatientReference(
                    identifiers=(person.identifier,), demographics=person.demographics
                ),
                procedures=(ProcedureRequest(code=case.code, laterality=case.laterality),),
                placer=Identifier(f"BREAST{number + 1}", "EHR"),
                details=OrderDetails(reason=case.reason, requester=case.physician.name),
            ),
            actor=OPERATOR,
        )
        step = ScheduledProcedureStep.objects.select_related("procedure").filter(
            procedure__order__public_id=placed.public_id
        )[0]
        uid = uid_of("breast", str(number))
        reference = ScheduledReference(
            study_instance_uid=step.procedure.study_instance_uid,
            accession_number=placed.accession_number,
            procedure_id=step.procedure.procedure_id,
            step_id=step.step_id,
        )
        execute(
            StartPerformedStep(
                sop_instance_uid=uid,
                station_ae_title=device.name,
                started_at=at,
                modality=modality,
                performed_step_id=f"B{number}",
                references=(reference,),
                patient_identifier=person.identifier,
                patient_name=str(person.name.alphabetic),
            ),
            actor=device,
        )
    with as_of(at + timedelta(minutes=12)):
        series = SeriesDetails(
            series_instance_uid=uid_of(uid, "series"), description="Mammography", instance_count=4
        )
        details = PerformedDetails(ended_at=at + timedelta(minutes=12), series=(series,))
        execute(CompletePerformedStep(sop_instance_uid=uid, details=details), actor=device)
    with as_of(at + timedelta(hours=2)):
        reader = actors["radiologist"]
        report = execute(OpenReport(procedures=(str(step.procedure.public_id),)), actor=reader)
        sections = assess(report, case, str(number), reader)
        execute(FinalizeReport(report=report, sections=sections, proof=shown()), actor=reader)


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
    due = list(mammography.letters("due", now).values_list("public_id", flat=True))
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
