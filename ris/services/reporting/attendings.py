"""Who is to sign with a resident: chosen at his signature, and another one afterwards."""

from __future__ import annotations

from ris.domain.errors import DeniedError, InvalidValueError, StateConflictError
from ris.domain.reporting import AttendingChosen, ChooseAttending, ReportStatus
from ris.domain.signatures import SignedAs, signed_as
from ris.models import Report, User
from ris.selectors.attendings import who_may_sign
from ris.services._context import Context
from ris.services._transition import touch
from ris.services.reporting.parts import lock


def choose_attending(command: ChooseAttending, context: Context) -> None:
    report = lock(command.report)
    context.about(report, report.order)
    if report.status != ReportStatus.PRELIMINARY.value or report.sent_at is None:
        raise StateConflictError("this report does not wait for an attending radiologist")
    if signed_as(context.actor) is SignedAs.RESIDENT and report.resident_id != (
        context.actor.user_id
    ):
        raise DeniedError("a resident chooses who signs a report of his own")
    if note_attending(report, command.attending):
        touch(report, "attending")
        say_chosen(report, context)


def note_attending(report: Report, username: str) -> bool:
    """Keep who is to sign; empty: whoever reads it next. Its caller saves it; True if it is new."""
    chosen = _attending(username) if username else None
    is_new = report.attending_id != (chosen.pk if chosen else None)
    report.attending = chosen
    return is_new


def _attending(username: str) -> User:
    found = who_may_sign().filter(username=username).first()
    if found is None:
        raise InvalidValueError("no such attending radiologist", path="attending")
    return found


def say_chosen(report: Report, context: Context) -> None:
    context.emit(
        AttendingChosen(
            report=str(report.public_id),
            order=str(report.order.public_id),
            attending=report.attending.username if report.attending else "",
        ),
        subject=report,
        order=report.order,
    )
