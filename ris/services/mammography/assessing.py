"""The assessment of a breast exam: noted with the draft, signed with the report, changed after.

What signs, corrects and withdraws reports asks here (``told``, ``signed``, ``retracted``), in the
transaction in which it does so.
"""

from __future__ import annotations

from datetime import date, timedelta

from django.utils import timezone

from ris.domain.actors import ActorKind
from ris.domain.errors import InvalidValueError, MissingValueError, StateConflictError
from ris.domain.mammography import (
    WATCHED_DAYS,
    AssessBreast,
    BreastAssessed,
    BreastExam,
    ReassessBreast,
    checked,
    with_line,
)
from ris.domain.mammography_codes import coded
from ris.domain.reporting import EDITED, AmendReport, VersionKind
from ris.models import BreastAssessment, PerformedProcedureStep, Report
from ris.selectors.mammography import assessed_of, exam_of
from ris.services import reading_leases
from ris.services._context import Context
from ris.services._transition import touch
from ris.services.mammography import letters, recalls
from ris.services.reporting import parts

_WITH_LINE = frozenset({VersionKind.PRELIMINARY, VersionKind.FINAL, VersionKind.CORRECTION})
_FIELDS = ("right", "left", "overall", "density")


def assess_breast(command: AssessBreast, context: Context) -> str:
    """Note what the reader finds; again and again until the report is signed."""
    report = parts.lock(command.report)
    exam = kind_of(report)
    if exam is None:
        raise StateConflictError("none of the report's procedures is a breast exam")
    if report.status not in EDITED:
        raise StateConflictError("this report is signed: change the assessment by an addendum")
    reading_leases.hold_telling(report, context)
    said = checked(command.assessed, exam)
    row = _of(report)
    previous = assessed_of(row) if row else None
    if row is None:
        examined_on = _examined_on(report, context)
        row = BreastAssessment(
            report=report,
            examined_on=examined_on,
            watched_until=examined_on + timedelta(days=WATCHED_DAYS),
        )
    row.exam = exam.value
    row.assessed_by = context.actor.name[:150]
    for name in _FIELDS:
        setattr(row, name, getattr(said, name))
    touch(row, "exam", "assessed_by", *_FIELDS)
    if said != previous:
        _say(row, context, previous=previous.overall if previous else "")
    else:
        context.about(row, report.order)
    return str(row.public_id)


def reassess_breast(command: ReassessBreast, context: Context) -> int:
    """Change what was signed: the report says so in an addendum, and recall and letter follow."""
    # Imported when needed: what amends reports asks this module.
    from ris.services.reporting.amending import amend_report

    report = parts.lock(command.report)
    row = _of(report)
    if row is None or row.signed_at is None or row.withdrawn_at is not None:
        raise StateConflictError("there is no signed assessment to change")
    reason = command.reason.strip()[:500]
    if not reason:
        raise MissingValueError("say why the assessment changes", path="reason")
    before = assessed_of(row)
    said = checked(command.assessed, BreastExam(row.exam))
    if said == before:
        raise InvalidValueError("the assessment is this already", path="overall")
    for name in _FIELDS:
        setattr(row, name, getattr(said, name))
    row.assessed_by = context.actor.name[:150]
    touch(row, "assessed_by", *_FIELDS)  # before the addendum, whose codes it gives
    number = amend_report(
        AmendReport(
            report=command.report,
            kind=VersionKind.ADDENDUM,
            sections={
                "addendum": f"Breast assessment changed: {said.words}\n"
                f"Before: {before.words}\nReason: {reason}"
            },
            reason=reason,
            expected_version=command.expected_version,
            proof=command.proof,
        ),
        context,
    )
    _say(row, context, previous=before.overall, reason=reason)
    letters.follow(row, recalls.follow(row, context), context)
    return number


def told(
    report: Report, sections: dict[str, str], kind: VersionKind, context: Context
) -> dict[str, str]:
    """The sections with the assessment in the impression, so that every receiver reads it.

    Raises MissingValueError where a person signs a breast exam that nobody assessed; what came
    signed from elsewhere is taken as it is. An addendum says itself what changed.
    """
    if kind not in _WITH_LINE:
        return sections
    row = _of(report)
    if row is None:
        is_person = context.actor.kind is ActorKind.USER
        if kind is VersionKind.FINAL and is_person and kind_of(report) is not None:
            raise MissingValueError(
                "a breast exam is assessed before its report is signed", path="assessment"
            )
        return sections
    line = with_line(sections.get("impression", ""), assessed_of(row))
    return {**sections, "impression": line}


def codes_of(report: Report, kind: VersionKind) -> list[dict[str, str]]:
    """The assessment in codes, for a version that says it."""
    row = _of(report) if kind is not VersionKind.RETRACTION else None
    return coded(assessed_of(row), BreastExam(row.exam)) if row is not None else []


def signed(report: Report, context: Context) -> None:
    """What follows when the report is final: whose figures it counts in, recall, letter."""
    row = _of(report)
    if row is None:
        return
    row.reader_id = context.actor.user_id
    row.signed_at = context.now
    touch(row, "reader", "signed_at")
    recall = recalls.follow(row, context)
    recalls.answer(row, context)
    letters.follow(row, recall, context)


def retracted(report: Report, context: Context) -> None:
    """Nothing of a withdrawn report holds: its recall, its letter, what it answered."""
    row = _of(report)
    if row is None or row.withdrawn_at is not None:
        return
    row.withdrawn_at = context.now
    touch(row, "withdrawn_at")
    recalls.withdraw(row, context)
    letters.recall(row, context)


def kind_of(report: Report) -> BreastExam | None:
    return exam_of(report.procedures.values_list("definition__breast_exam", flat=True))


def _of(report: Report) -> BreastAssessment | None:
    row = BreastAssessment.objects.filter(report=report).first()
    if row is not None:
        row.report = report  # locked, with its order and patient
    return row


def _examined_on(report: Report, context: Context) -> date:
    started = (
        PerformedProcedureStep.objects.filter(steps__procedure__reports=report)
        .order_by("started_at")
        .values_list("started_at", flat=True)
        .first()
    )
    return timezone.localtime(started or context.now).date()


def _say(row: BreastAssessment, context: Context, *, previous: str = "", reason: str = "") -> None:
    order = row.report.order
    context.emit(
        BreastAssessed(
            report=str(row.report.public_id),
            order=str(order.public_id),
            assessment=str(row.public_id),
            overall=row.overall,
            note=assessed_of(row).words,
            previous=previous,
            reason=reason,
        ),
        subject=row,
        order=order,
    )
