"""Add to, correct and withdraw what was signed."""

from __future__ import annotations

from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
)
from ris.domain.order_events import OrderReopened
from ris.domain.orders import ORDER, OrderStatus, OrderTrigger
from ris.domain.reporting import (
    EDITED,
    AmendReport,
    ReportAmended,
    ReportRetracted,
    ReportTrigger,
    RetractReport,
    VersionKind,
)
from ris.models import ReportVersion
from ris.services import reading_leases
from ris.services._context import Context
from ris.services._transition import move
from ris.services.mammography import assessing as breast_exams
from ris.services.reporting import forms, recommending
from ris.services.reporting.parts import (
    add_version,
    clean,
    lock,
    orders_of,
    require_patient,
    require_standing,
    require_text,
    say,
)


def _check_version(last: ReportVersion | None, expected: int | None) -> None:
    if expected is not None and expected != (last.number if last is not None else 0):
        raise StateConflictError("somebody else amended this report meanwhile: reload")


def amend_report(command: AmendReport, context: Context) -> int:
    report = lock(command.report)
    require_standing(report)
    last = report.versions.order_by("-number").first()
    if last is None:
        raise StateConflictError("there is nothing signed to amend")
    _check_version(last, command.expected_version)
    require_patient(report, command.patient)
    sections = clean(command.sections)
    elsewhere = command.particulars is not None
    if command.kind is VersionKind.ADDENDUM:
        added = sections.get("addendum", "")
        if not added:
            raise MissingValueError("an addendum needs a text", path="sections.addendum")
        earlier = last.sections.get("addendum", "")
        sections = {
            **last.sections,
            "addendum": f"{earlier}\n\n{added}" if earlier else added,
        }
    elif command.kind is VersionKind.CORRECTION:
        require_text(sections)
        if elsewhere and "addendum" in last.sections:
            sections.setdefault("addendum", last.sections["addendum"])
    else:
        raise InvalidValueError("a report is amended by ADDENDUM or CORRECTION", path="kind")
    settled = None if elsewhere else forms.settle_amended(report, sections, last.sections)
    number = add_version(
        report,
        command.kind,
        ReportTrigger.AMEND,
        sections,
        context,
        reason=command.reason,
        particulars=command.particulars,
        proof=command.proof,
        settled=settled,
    )
    say(ReportAmended, report, command.kind, number, context)
    return number


def retract_report(command: RetractReport, context: Context) -> int:
    report = lock(command.report)
    require_standing(report)
    if not command.reason.strip():
        raise MissingValueError("to withdraw a report needs a reason", path="reason")
    if report.status in EDITED:  # a preliminary one, whose draft somebody may be writing on
        reading_leases.require_free(report, context)
    last = report.versions.order_by("-number").first()
    _check_version(last, command.expected_version)
    number = add_version(
        report,
        VersionKind.RETRACTION,
        ReportTrigger.RETRACT,
        dict(last.sections) if last else {},
        context,
        reason=command.reason,
        proof=command.proof,
    )
    orders = tuple(sorted(str(order.public_id) for order in orders_of(report)))
    context.emit(
        ReportRetracted(
            report=str(report.public_id),
            order=str(report.order.public_id),
            number=number,
            kind=VersionKind.RETRACTION.value,
            orders=orders,
            reason=command.reason,
        ),
        subject=report,
        order=report.order,
    )
    for order in orders_of(report):
        if order.status == OrderStatus.COMPLETED.value:
            move(order, ORDER, OrderTrigger.REOPEN)
            context.emit(OrderReopened(order=str(order.public_id)), subject=order)
    breast_exams.retracted(report, context)
    recommending.withdraw(report, "the report was withdrawn", context)
    return number
