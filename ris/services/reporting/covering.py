"""Which exams a report is about: more of them, or fewer, for as long as nobody signed it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from ris.domain.errors import StateConflictError, UnknownKeyError
from ris.domain.reporting import LIVE, CoverExams, ExamsCovered, ReportStatus
from ris.models import Report, RequestedProcedure
from ris.selectors.report_exams import is_readable, words_of
from ris.services import reading_leases
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._transition import touch
from ris.services.reporting.parts import lock, name_elsewhere, require_standing


def cover_exams(command: CoverExams, context: Context) -> None:
    also, without = _keys(command.also), _keys(command.without)
    # All at once: the report's orders and those of the exams, in the order of their keys.
    concerned = RequestedProcedure.objects.filter(public_id__in=also) | (
        RequestedProcedure.objects.filter(reports__public_id=public_key(command.report, "report"))
    )
    lock_orders(concerned.values_list("order_id", flat=True))
    report = lock(command.report)
    require_standing(report)
    if report.status != ReportStatus.DRAFT.value:
        raise StateConflictError("what was signed stays a report on the same exams")
    reading_leases.hold_telling(report, context)
    context.about(report, report.order)
    covered = list(report.procedures.select_related("order").order_by("id"))
    leaving = [each for each in covered if each.public_id in without]
    if any(each.public_id == report.public_id for each in leaving):
        raise StateConflictError(
            "the report began with this exam: throw the draft away, and begin with another one"
        )
    coming = _exams(also - {each.public_id for each in covered})
    require_readable(coming)
    _require_of_patient(coming, report)
    change(report, coming, leaving, context)


def change(
    report: Report,
    also: Sequence[RequestedProcedure],
    without: Sequence[RequestedProcedure],
    context: Context,
) -> None:
    """Let a draft be about these as well, and about those no more; all orders are locked."""
    if not also and not without:
        return
    report.procedures.add(*also)
    name_elsewhere(report)
    report.procedures.remove(*without)
    touch(report)
    context.emit(
        ExamsCovered(
            report=str(report.public_id),
            order=str(report.order.public_id),
            also=_names(also),
            without=_names(without),
        ),
        subject=report,
        order=report.order,
    )


def take_in(report: Report, exams: Sequence[RequestedProcedure], context: Context) -> None:
    """Somebody wants these read in one, and a report on some of them was begun."""
    covered = set(report.procedures.values_list("pk", flat=True))
    missing = [each for each in exams if each.pk not in covered]
    if not missing:
        return
    if report.status != ReportStatus.DRAFT.value:
        raise StateConflictError(
            "one of these exams has a signed report already: read the others by themselves"
        )
    require_readable(missing)
    change(report, missing, (), context)


def require_readable(exams: Sequence[RequestedProcedure]) -> None:
    for each in exams:
        if not is_readable(each):
            raise StateConflictError("there is nothing to report on yet: the exam was not done")
        if each.reports.filter(status__in=LIVE).exists():
            raise StateConflictError(f"{words_of(each)} has a report of its own")


def _require_of_patient(exams: Sequence[RequestedProcedure], report: Report) -> None:
    if any(each.order.patient_id != report.order.patient_id for each in exams):
        raise StateConflictError("these procedures belong to different patients")


def _keys(texts: Sequence[str]) -> set[UUID]:
    return {public_key(text, "procedure") for text in texts}


def _exams(keys: Collection[UUID]) -> list[RequestedProcedure]:
    found = list(
        RequestedProcedure.objects.select_related("order")
        .filter(public_id__in=list(keys))
        .order_by("id")
    )
    if len(found) != len(keys):
        raise UnknownKeyError("no such procedure", path="procedures")
    return found


def _names(exams: Sequence[RequestedProcedure]) -> tuple[str, ...]:
    return tuple(f"{words_of(each)} ({each.order.accession_number})" for each in exams)
