"""Sign a report as preliminary or final."""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.order_events import OrderCompleted, StepCanceled
from ris.domain.orders import ORDER, OrderStatus, OrderTrigger, Stage
from ris.domain.reporting import (
    FinalizeReport,
    PreliminarySigned,
    ReportFinalized,
    ReportTrigger,
    SignPreliminary,
    VersionKind,
)
from ris.domain.signatures import SignedAs, signed_as
from ris.models import (
    Order,
)
from ris.services import reading_leases
from ris.services._context import Context, Emitted
from ris.services._execute import register_consequence
from ris.services._locks import lock_orders
from ris.services._transition import move
from ris.services.mammography import assessing as breast_exams
from ris.services.reporting import forms
from ris.services.reporting.attendings import note_attending, say_chosen
from ris.services.reporting.critical import require_somebody_called
from ris.services.reporting.parts import (
    add_version,
    check_revision,
    lock,
    orders_of,
    require_edited,
    require_exams,
    require_patient,
    require_text,
    say,
)


def sign_preliminary(command: SignPreliminary, context: Context) -> int:
    report = lock(command.report)
    require_edited(report)
    reading_leases.require_free(report, context)
    check_revision(report, command.expected_revision)
    require_patient(report, command.patient)
    require_exams(report)
    settled = forms.settle(report, command)
    require_text(settled.sections)
    resident = signed_as(context.actor) is SignedAs.RESIDENT
    chosen = resident and command.attending is not None
    is_new = chosen and note_attending(report, command.attending or "")
    number = add_version(
        report,
        VersionKind.PRELIMINARY,
        ReportTrigger.SIGN_PRELIMINARY,
        settled.sections,
        context,
        particulars=command.particulars,
        settled=settled,
        proof=command.proof,
    )
    say(PreliminarySigned, report, VersionKind.PRELIMINARY, number, context)
    if is_new:
        say_chosen(report, context)
    return number


def finalize_report(command: FinalizeReport, context: Context) -> int:
    report = lock(command.report)
    require_edited(report)
    reading_leases.require_free(report, context)
    check_revision(report, command.expected_revision)
    require_patient(report, command.patient)
    require_exams(report)
    settled = forms.settle(report, command)
    require_text(settled.sections)
    require_somebody_called(report, context)
    number = add_version(
        report,
        VersionKind.FINAL,
        ReportTrigger.FINALIZE,
        settled.sections,
        context,
        particulars=command.particulars,
        settled=settled,
        proof=command.proof,
    )
    say(ReportFinalized, report, VersionKind.FINAL, number, context)
    breast_exams.signed(report, context)
    for order in orders_of(report):
        _complete_if_done(order, context)
    return number


def _complete_if_done(order: Order, context: Context) -> None:
    """An order is complete once every live procedure has its final report."""
    stages = set(order.procedures.order_by().values_list("stage", flat=True))
    reported, canceled = Stage.REPORTED.value, Stage.CANCELED.value
    is_done = reported in stages and stages <= {reported, canceled}
    if order.status == OrderStatus.ACTIVE.value and is_done:
        move(order, ORDER, OrderTrigger.COMPLETE)
        context.emit(OrderCompleted(order=str(order.public_id)), subject=order)


def _complete_without(emitted: Sequence[Emitted], context: Context) -> None:
    """What was still to be done of an order is canceled: the rest may be reported by now."""
    for order in lock_orders(each.order.pk for each in emitted if each.order is not None):
        _complete_if_done(order, context)


register_consequence((StepCanceled,), _complete_without)
