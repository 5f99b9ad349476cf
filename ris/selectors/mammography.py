"""Breast exams for pages: assessments, recalls, letters, and how good the readings were."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from ris.domain.errors import UnknownKeyError
from ris.domain.mammography import (
    BIOPSY,
    POSITIVE,
    Assessed,
    BreastExam,
    Pathology,
    RecallKind,
    RecallState,
    Rules,
)
from ris.domain.mammography_letters import LetterState
from ris.domain.scheduling import AppointmentStatus
from ris.models import (
    Appointment,
    BreastAssessment,
    BreastLetter,
    BreastOutcome,
    BreastRecall,
    LetterChoice,
    MammographyRules,
    Patient,
    ProcedureDefinition,
    Report,
    User,
)
from ris.selectors.letter_lists import LetterLine, Mail, letter_line, mails_of
from ris.selectors.patient_lists import IDENTIFIERS, PatientLine, line
from ris.selectors.reports import person_name

TABS = ("open", "overdue", "pathology", "settled")
_SETTLED_DAYS = 90


def rules() -> Rules:
    """What the site waits for, else what holds where nobody set anything."""
    row = MammographyRules.objects.first()
    return rules_of(row) if row else Rules()


def rules_of(row: MammographyRules) -> Rules:
    return Rules(
        letters=row.letters,
        letter_hours=row.letter_hours,
        additional_days=row.additional_days,
        interval_months=row.interval_months,
        biopsy_days=row.biopsy_days,
        reminder_days=row.reminder_days,
    )


def declined(patient: Patient) -> bool:
    """Whether the patient wants no letters.

    What was said to a record that became this one holds until the patient says otherwise.
    """
    rows = LetterChoice.objects.filter(Q(patient=patient) | Q(patient__merged_into=patient))
    found = sorted(rows, key=lambda row: (row.patient_id == patient.pk, row.pk))
    return bool(found) and not found[-1].wanted


# --- beside the report


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAssessment:
    """What a report's page needs to know; without ``assessed`` nothing was noted yet."""

    report: str
    exam: BreastExam
    assessed: Assessed | None = None
    public_id: str = ""
    signed: bool = False
    withdrawn: bool = False


def of_report(report: Report) -> ReportAssessment | None:
    """The assessment of a report; None if it is about no breast exam.

    No query if the report came with its assessment and its procedures with their definitions.
    """
    exam = exam_of(
        each.definition.breast_exam for each in report.procedures.all() if each.definition
    )
    row: BreastAssessment | None = getattr(report, "breast_assessment", None)
    key = str(report.public_id)
    if row is None:
        return None if exam is None else ReportAssessment(report=key, exam=exam)
    return ReportAssessment(
        report=key,
        exam=exam or BreastExam(row.exam),
        assessed=assessed_of(row),
        public_id=str(row.public_id),
        signed=row.signed_at is not None,
        withdrawn=row.withdrawn_at is not None,
    )


def exam_of(kinds: Iterable[str | None]) -> BreastExam | None:
    """The kind that a report on several procedures is: a screening exam before the others."""
    said = {kind for kind in kinds if kind}
    return next((kind for kind in BreastExam if kind.value in said), None)


def assessed_of(row: BreastAssessment) -> Assessed:
    return Assessed(right=row.right, left=row.left, overall=row.overall, density=row.density)


# --- recalls


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallLine:
    """A recall of the list, with what was done about it so far."""

    public_id: str
    assessment: str
    patient: PatientLine
    kind: RecallKind
    state: RecallState
    due_on: date
    overdue_days: int
    examined_on: date
    assessed: Assessed
    reader: str
    letter: LetterLine | None
    booked_at: datetime | None
    settled_at: datetime | None
    note: str


def recalls(tab: str, today: date) -> QuerySet[BreastRecall]:
    """The recalls of a tab, what is due first."""
    rows = BreastRecall.objects.all()
    if tab == "settled":
        since = timezone.now() - timedelta(days=_SETTLED_DAYS)
        return rows.exclude(state=RecallState.OPEN.value).filter(settled_at__gte=since).order_by(
            "-settled_at", "-id"
        )  # fmt: skip
    rows = rows.filter(state=RecallState.OPEN.value)
    if tab == "overdue":
        rows = rows.filter(due_on__lt=today)
    elif tab == "pathology":
        rows = rows.filter(kind=RecallKind.BIOPSY.value)
    return rows.order_by("due_on", "id")


def recall_counts(today: date) -> Mapping[str, int]:
    found = BreastRecall.objects.filter(state=RecallState.OPEN.value).aggregate(
        open=Count("pk"),
        overdue=Count("pk", filter=Q(due_on__lt=today)),
        pathology=Count("pk", filter=Q(kind=RecallKind.BIOPSY.value)),
    )
    return {name: int(count) for name, count in found.items()}


def recall_lines(rows: Sequence[BreastRecall], today: date) -> list[RecallLine]:
    """The lines of a page of recalls; in a few queries however many they are."""
    found = list(_with_exam(BreastRecall.objects.filter(pk__in=[row.pk for row in rows])))
    by_key = {row.pk: row for row in found}
    patients = {row.assessment.report.order.patient_id for row in found}
    booked = _booked(patients, timezone.now())
    mails = mails_of(letter for row in found for letter in row.letters.all())
    return [_recall_line(by_key[row.pk], today, booked, mails) for row in rows if row.pk in by_key]


def _with_exam(rows: QuerySet[BreastRecall]) -> QuerySet[BreastRecall]:
    return rows.select_related(
        "assessment__reader__practitioner", "assessment__report__order__patient__merged_into"
    ).prefetch_related(
        Prefetch("assessment__report__order__patient__identifiers", queryset=IDENTIFIERS.queryset),
        Prefetch("letters", queryset=BreastLetter.objects.order_by("id")),
    )


def _booked(patients: Iterable[int], now: datetime) -> Mapping[int, datetime]:
    """The next breast exam that each patient is booked for."""
    rows = (
        Appointment.objects.filter(
            patient__in=list(patients),
            status=AppointmentStatus.BOOKED.value,
            start_at__gt=now,
            steps__procedure__definition__breast_exam__gt="",
        )
        .order_by("-start_at")
        .values_list("patient_id", "start_at")
    )
    return dict(rows)


def _recall_line(
    row: BreastRecall, today: date, booked: Mapping[int, datetime], mails: Mapping[str, Mail]
) -> RecallLine:
    assessment = row.assessment
    patient = assessment.report.order.patient
    letters = list(row.letters.all())
    is_open = row.state == RecallState.OPEN.value
    return RecallLine(
        public_id=str(row.public_id),
        assessment=str(assessment.public_id),
        patient=line(patient),
        kind=RecallKind(row.kind),
        state=RecallState(row.state),
        due_on=row.due_on,
        overdue_days=max((today - row.due_on).days, 0) if is_open else 0,
        examined_on=assessment.examined_on,
        assessed=assessed_of(assessment),
        reader=person_name(assessment.reader).display if assessment.reader else "",
        letter=letter_line(letters[-1], mails) if letters else None,
        booked_at=booked.get(patient.pk) if is_open else None,
        settled_at=row.settled_at,
        note=row.note,
    )


def reminders_due(now: datetime, limit: int = 100) -> list[int]:
    """Recalls long overdue whose letter left, and that no second one was planned for; by key."""
    wait = timedelta(days=rules().reminder_days)
    before = timezone.localtime(now).date() - wait
    sent = BreastLetter.objects.filter(recall=OuterRef("pk"), state=LetterState.SENT.value)
    # A second letter follows the first by as long as it follows the day that was asked for.
    return list(
        BreastRecall.objects.filter(
            Exists(sent.filter(sent_at__lt=now - wait)),
            state=RecallState.OPEN.value,
            due_on__lt=before,
        )
        .exclude(Exists(BreastLetter.objects.filter(recall=OuterRef("pk"), topic="REMINDER")))
        .order_by("due_on", "id")
        .values_list("pk", flat=True)[:limit]
    )


# --- one assessment


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentView:
    """All that is known of a breast exam after its report."""

    public_id: str
    report: str
    order: str
    accession_number: str
    patient: PatientLine
    exam: BreastExam
    assessed: Assessed
    examined_on: date
    watched_until: date
    reader: str
    signed_at: datetime | None
    withdrawn_at: datetime | None
    recalls: tuple[BreastRecall, ...]
    outcomes: tuple[BreastOutcome, ...]
    letters: tuple[LetterLine, ...]
    wants_letters: bool


def assessment(public_id: str) -> AssessmentView:
    """Raises UnknownKeyError."""
    row = (
        BreastAssessment.objects.filter(public_id=uuid.UUID(public_id))
        .select_related("reader__practitioner", "report__order__patient__merged_into")
        .prefetch_related(
            Prefetch("report__order__patient__identifiers", queryset=IDENTIFIERS.queryset),
            Prefetch("recalls", queryset=BreastRecall.objects.order_by("id")),
            Prefetch("outcomes", queryset=BreastOutcome.objects.order_by("-taken_on", "-id")),
            Prefetch("letters", queryset=BreastLetter.objects.order_by("id")),
        )
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such assessment")
    order = row.report.order
    mails = mails_of(row.letters.all())
    return AssessmentView(
        public_id=public_id,
        report=str(row.report.public_id),
        order=str(order.public_id),
        accession_number=order.accession_number,
        patient=line(order.patient),
        exam=BreastExam(row.exam),
        assessed=assessed_of(row),
        examined_on=row.examined_on,
        watched_until=row.watched_until,
        reader=person_name(row.reader).display if row.reader else "",
        signed_at=row.signed_at,
        withdrawn_at=row.withdrawn_at,
        recalls=tuple(row.recalls.all()),
        outcomes=tuple(row.outcomes.all()),
        letters=tuple(letter_line(one, mails) for one in row.letters.all()),
        wants_letters=not declined(order.patient),
    )


def assessment_of_recall(public_id: str) -> str:
    """The public id of a recall's assessment; raises UnknownKeyError."""
    row = BreastRecall.objects.filter(public_id=uuid.UUID(public_id)).first()
    if row is None:
        raise UnknownKeyError("no such recall")
    return str(row.assessment.public_id)


# --- how good the readings were


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts of a reader, or of all; rates are percent, None where there is nothing to divide by.

    A cancer is found if the exam called for more and a malignant outcome followed within a year;
    the breast it was in is not compared.
    """

    reader: str
    exams: int
    screening: int
    recalled: int
    screening_cancers: int
    missed: int
    biopsy_advised: int
    biopsy_advised_cancers: int
    biopsied: int
    biopsied_cancers: int
    watched: int  # whose year is not over

    @property
    def recall_rate(self) -> float | None:
        return _percent(self.recalled, self.screening)

    @property
    def detection_rate(self) -> float | None:
        """Cancers found of 1000 screening exams."""
        return _percent(self.screening_cancers * 10, self.screening)

    @property
    def ppv1(self) -> float | None:
        """Cancers among screening exams that called somebody back."""
        return _percent(self.screening_cancers, self.recalled)

    @property
    def ppv2(self) -> float | None:
        """Cancers among exams after which tissue was advised."""
        return _percent(self.biopsy_advised_cancers, self.biopsy_advised)

    @property
    def ppv3(self) -> float | None:
        """Cancers among those after which tissue was taken."""
        return _percent(self.biopsied_cancers, self.biopsied)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


def figures(first: date, last: date, reader: int | None = None) -> list[Figures]:
    """Of the exams of these days, reader by reader; of one only where one is named. Two queries."""
    outcome = BreastOutcome.objects.filter(
        assessment__report__order__patient=OuterRef("report__order__patient"),
        withdrawn_at__isnull=True,
        taken_on__gte=OuterRef("examined_on"),
        taken_on__lte=OuterRef("watched_until"),
    )
    screening = Q(exam=BreastExam.SCREENING.value)
    positive = Q(overall__in=[one.value for one in POSITIVE])
    advised = Q(overall__in=[one.value for one in BIOPSY])
    cancer = Q(cancer=True)
    rows = BreastAssessment.objects.filter(
        signed_at__isnull=False,
        withdrawn_at__isnull=True,
        examined_on__gte=first,
        examined_on__lte=last,
    )
    if reader is not None:
        rows = rows.filter(reader=reader)
    found = list(
        rows.annotate(
            cancer=Exists(outcome.filter(result=Pathology.MALIGNANT.value)),
            tissue=Exists(outcome),
        )
        .values("reader_id")
        .annotate(
            exams=Count("pk"),
            screening=Count("pk", filter=screening),
            recalled=Count("pk", filter=screening & positive),
            screening_cancers=Count("pk", filter=screening & positive & cancer),
            missed=Count("pk", filter=screening & ~positive & cancer),
            biopsy_advised=Count("pk", filter=advised),
            biopsy_advised_cancers=Count("pk", filter=advised & cancer),
            biopsied=Count("pk", filter=advised & Q(tissue=True)),
            biopsied_cancers=Count("pk", filter=advised & Q(tissue=True) & cancer),
            watched=Count("pk", filter=Q(watched_until__gt=timezone.localdate())),
        )
        .order_by("reader_id")
    )
    users = User.objects.select_related("practitioner")
    names = {
        user.pk: person_name(user).display
        for user in users.filter(pk__in=[row["reader_id"] for row in found])
    }
    lines = []
    for row in found:
        counts = dict(cast("Mapping[str, int]", row))
        lines.append(Figures(reader=names.get(counts.pop("reader_id"), ""), **counts))
    return sorted(lines, key=lambda one: one.reader)


def total(lines: Sequence[Figures]) -> Figures:
    """All readers together."""
    names = [name for name in Figures.__dataclass_fields__ if name != "reader"]
    return Figures(reader="", **{name: sum(getattr(one, name) for one in lines) for name in names})


# --- set-up


def procedures() -> list[ProcedureDefinition]:
    """What may be a breast exam: of the catalog's modalities that look at breasts."""
    return list(
        ProcedureDefinition.objects.filter(
            Q(modality="MG") | Q(body_part__icontains="breast") | ~Q(breast_exam=""), active=True
        ).order_by(F("modality"), "meaning")
    )
