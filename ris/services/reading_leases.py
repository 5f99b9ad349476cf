"""One reader at a report, whose open page speaks for him: what each writer of a report asks.

A lease is taken with the report and ends with it. It keeps two people from writing one report; that
neither overwrites the other is the draft's revision. Messages from elsewhere have rules of their
own (:mod:`ris.services.results`).
"""

from __future__ import annotations

from ris.domain.errors import StateConflictError
from ris.domain.reading import LEASE, LeaseEnd, ReadingClaimed
from ris.models import ReadingLease, Report
from ris.selectors.reports import person_name
from ris.services import _clock
from ris.services._context import Context
from ris.services._execute import transactional
from ris.services._locks import public_key


def present(report: Report) -> ReadingLease | None:
    """The lease that the table shows, its page silent or not. The report is locked already."""
    return (
        ReadingLease.objects.select_related("reader__practitioner")
        .filter(report=report, ended_at=None)
        .first()
    )


def is_alive(lease: ReadingLease, context: Context) -> bool:
    return lease.alive_at > context.now - LEASE


def require_free(report: Report, context: Context) -> ReadingLease | None:
    """Refuse while somebody else reads; the present lease. The report is locked already."""
    lease = present(report)
    if (
        lease is None
        or lease.reader_id == context.actor.user_id
        or context.is_machine
        or not is_alive(lease, context)
    ):
        return lease
    raise StateConflictError(
        f"{person_name(lease.reader).display} is reading this report: wait, or take it over with a "
        "reason",
        details={"reader": person_name(lease.reader).display},
    )


def hold(report: Report, context: Context) -> bool:
    """Become the reader, or go on as such; whether it is new. Refused while another reads."""
    lease = require_free(report, context)
    reader = context.actor.user_id
    if reader is None or context.is_machine:
        return False
    if lease is not None and lease.reader_id == reader:
        lease.alive_at = context.now
        lease.save(update_fields=["alive_at"])
        return False
    if lease is not None:
        end_one(lease, LeaseEnd.SILENT, context)
    take(report, reader, context)
    return True


def hold_telling(report: Report, context: Context) -> None:
    """:func:`hold`, and say so if it is new."""
    if hold(report, context):
        context.emit(
            ReadingClaimed(report=str(report.public_id), order=str(report.order.public_id)),
            subject=report,
            order=report.order,
        )


def end(report: Report, how: LeaseEnd, context: Context) -> None:
    """Whoever reads it is done; what ended it is told by its own event."""
    ReadingLease.objects.filter(report=report, ended_at=None).update(
        ended_at=context.now, ended_how=how.value
    )


def take(report: Report, reader: int, context: Context) -> None:
    ReadingLease.objects.create(
        report=report, reader_id=reader, taken_at=context.now, alive_at=context.now
    )


def end_one(lease: ReadingLease, how: LeaseEnd, context: Context, reason: str = "") -> None:
    lease.ended_at = context.now
    lease.ended_how = how.value
    lease.reason = reason
    lease.save(update_fields=["ended_at", "ended_how", "reason"])


@transactional
def keep_reading(report: str, user_id: int) -> bool:
    """Say that a page is still open; False if its reader does not have the report any more.

    One UPDATE, and no command: it changes nothing that anybody is told of.
    """
    return bool(
        ReadingLease.objects.filter(
            report__public_id=public_key(report, "report"), reader_id=user_id, ended_at=None
        ).update(alive_at=_clock.now())
    )
