"""Give a resident's report back instead of signing it."""

from __future__ import annotations

from ris.domain.errors import MissingValueError, StateConflictError
from ris.domain.reading import LeaseEnd
from ris.domain.reporting import EDITED, ReportReturned, ReturnReport
from ris.services import reading_leases
from ris.services._context import Context
from ris.services._transition import touch
from ris.services.reporting.parts import lock
from ris.services.reporting.residents import SETTLED


def return_report(command: ReturnReport, context: Context) -> None:
    report = lock(command.report)
    reading_leases.require_free(report, context)
    note = command.note.strip()
    if not note:
        raise MissingValueError("say what the resident is to change", path="note")
    if report.status not in EDITED:
        raise StateConflictError("only what is not final yet can be given back")
    if report.resident_id is None:
        raise StateConflictError("no resident wrote this report")
    signed = report.versions.count()
    if command.expected_version is not None and command.expected_version != signed:
        raise StateConflictError("this report was signed meanwhile: reload")
    report.sent_at = None
    report.returned_at = context.now
    report.returned_by_id = context.actor.user_id
    report.return_note = note[:1000]
    touch(report, *SETTLED)
    reading_leases.end(report, LeaseEnd.RELEASED, context)
    context.emit(
        ReportReturned(
            report=str(report.public_id),
            order=str(report.order.public_id),
            note=report.return_note,
        ),
        subject=report,
        order=report.order,
    )
