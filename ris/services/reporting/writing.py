"""Begin a report, keep its draft, throw it away."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ris.domain.errors import (
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.reading import LeaseEnd
from ris.domain.reporting import (
    EDITED,
    LIVE,
    REPORT,
    DiscardDraft,
    DraftDiscarded,
    OpenReport,
    ReportOpened,
    ReportTrigger,
    SaveDraft,
)
from ris.models import (
    Report,
    RequestedProcedure,
)
from ris.models.base import uuid7
from ris.selectors.report_exams import is_readable
from ris.services import reading_leases
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._transition import move
from ris.services.reporting import forms, recommending
from ris.services.reporting.covering import take_in
from ris.services.reporting.parts import (
    check_revision,
    clean,
    keep_draft,
    lock,
    name_elsewhere,
    require_edited,
)
from ris.services.reporting.residents import require_own_draft


def open_report(command: OpenReport, context: Context) -> str:
    keys = [public_key(public_id, "procedure") for public_id in command.procedures]
    lock_orders(_orders_around(keys))
    procedures = list(
        RequestedProcedure.objects.select_related("order__patient")
        .filter(public_id__in=keys)
        .order_by("id")
    )
    if not procedures or len(procedures) != len(set(keys)):
        raise UnknownKeyError("no such procedure", path="procedures")
    if len({procedure.order.patient_id for procedure in procedures}) != 1:
        raise StateConflictError("these procedures belong to different patients")
    begun = list(
        Report.objects.select_related("order__patient")
        .filter(procedures__in=procedures, status__in=LIVE)
        .distinct()
        .order_by("id")
    )
    if len(begun) > 1:
        raise StateConflictError("these exams have separate reports here")
    if begun:
        return _go_on(begun[0], procedures, context)
    for procedure in procedures:
        if not is_readable(procedure):
            raise StateConflictError("there is nothing to report on yet: the exam was not done")
    report = Report.objects.create(
        public_id=_name(procedures[0]),
        order=procedures[0].order,
        author_id=context.actor.user_id,
    )
    report.procedures.set(procedures)
    name_elsewhere(report)
    reading_leases.hold(report, context)
    forms.begin_with_fitting(report, procedures, context)
    context.emit(
        ReportOpened(report=str(report.public_id), order=str(report.order.public_id)),
        subject=report,
        order=report.order,
    )
    return str(report.public_id)


def _orders_around(procedures: Sequence[UUID]) -> set[int]:
    """The orders of procedures, and those that a report on one of them is about as well."""
    rows = RequestedProcedure.objects.filter(public_id__in=procedures)
    beside = RequestedProcedure.objects.filter(reports__procedures__in=rows)
    return {key for found in (rows, beside) for key in found.values_list("order_id", flat=True)}


def _go_on(report: Report, procedures: Sequence[RequestedProcedure], context: Context) -> str:
    """To what was begun; exams that it leaves out are read in it, for that was asked."""
    if report.status in EDITED:
        reading_leases.hold_telling(report, context)
    take_in(report, procedures, context)
    return str(report.public_id)


def _name(procedure: RequestedProcedure) -> UUID:
    """The first report on a procedure is named as that is: who was told that a report is awaited
    (FHIR DiagnosticReport) finds it under the same id."""
    taken = Report.objects.filter(public_id=procedure.public_id).exists()
    return uuid7() if taken else procedure.public_id


def save_draft(command: SaveDraft, context: Context) -> int:
    report = lock(command.report)
    require_edited(report)
    reading_leases.hold_telling(report, context)
    check_revision(report, command.expected_revision)
    if command.particulars is not None:
        return keep_draft(
            report, clean(command.sections), None, context, particulars=command.particulars
        )
    draft, form = forms.answered(report, command.sections, command.answers)
    return keep_draft(report, draft, form, context)


def discard_draft(command: DiscardDraft, context: Context) -> None:
    report = lock(command.report)
    reading_leases.require_free(report, context)
    require_own_draft(report, context)
    reading_leases.end(report, LeaseEnd.DISCARDED, context)
    move(report, REPORT, ReportTrigger.DISCARD)
    name_elsewhere(report)
    context.emit(
        DraftDiscarded(report=str(report.public_id), order=str(report.order.public_id)),
        subject=report,
        order=report.order,
    )
    recommending.withdraw(report, "the draft was thrown away", context)
