"""Write, sign, amend and withdraw reports. A version, once signed, is never changed."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.utils import timezone

from ris.domain.actors import Role
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import (
    ORDER,
    OrderCompleted,
    OrderReopened,
    OrderStatus,
    OrderTrigger,
    Stage,
)
from ris.domain.reporting import (
    REPORT,
    SECTIONS,
    AcknowledgeCriticalResult,
    AmendReport,
    CommunicateCriticalResult,
    CriticalResultAcknowledged,
    CriticalResultCommunicated,
    DiscardDraft,
    DraftDiscarded,
    FinalizeReport,
    OpenReport,
    PreliminarySigned,
    ReportAmended,
    ReportFinalized,
    ReportOpened,
    ReportRetracted,
    ReportSigned,
    ReportStatus,
    ReportTrigger,
    RetractReport,
    SaveDraft,
    SignPreliminary,
    VersionKind,
    content_hash,
)
from ris.domain.results import Particulars
from ris.models import (
    CriticalResult,
    Order,
    PerformedProcedureStep,
    Report,
    ReportVersion,
    RequestedProcedure,
)
from ris.models.base import uuid7
from ris.services import documents
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._transition import move, touch

_KEYS = frozenset(key for key, _ in SECTIONS)
LIVE = (
    ReportStatus.DRAFT.value,
    ReportStatus.PRELIMINARY.value,
    ReportStatus.FINAL.value,
    ReportStatus.AMENDED.value,
)


def _lock(public_id: str) -> Report:
    key = public_key(public_id, "report")
    orders = Report.objects.filter(public_id=key).values_list("procedures__order_id", flat=True)
    lock_orders(orders)
    report = (
        Report.objects.select_for_update(of=("self",))
        .select_related("order__patient")
        .filter(public_id=key)
        .first()
    )
    if report is None:
        raise UnknownKeyError("no such report")
    return report


def _clean(sections: Mapping[str, str]) -> dict[str, str]:
    unknown = set(sections) - _KEYS
    if unknown:
        raise InvalidValueError(f"no such section: {sorted(unknown)[0]}", path="sections")
    return {key: text.strip() for key, text in sections.items() if text.strip()}


def _check_revision(report: Report, expected: int | None) -> None:
    if expected is not None and expected != report.draft_revision:
        raise StateConflictError("somebody else wrote on this report meanwhile: reload")


def open_report(command: OpenReport, context: Context) -> str:
    keys = [public_key(public_id, "procedure") for public_id in command.procedures]
    orders = list(
        RequestedProcedure.objects.filter(public_id__in=keys).values_list("order_id", flat=True)
    )
    lock_orders(orders)
    procedures = list(
        RequestedProcedure.objects.select_related("order__patient")
        .filter(public_id__in=keys)
        .order_by("id")
    )
    if not procedures or len(procedures) != len(set(keys)):
        raise UnknownKeyError("no such procedure", path="procedures")
    if len({procedure.order.patient_id for procedure in procedures}) != 1:
        raise StateConflictError("these procedures belong to different patients")
    existing = Report.objects.filter(procedures__in=procedures, status__in=LIVE).distinct().first()
    if existing is not None:
        return str(existing.public_id)
    for procedure in procedures:
        if procedure.stage not in {Stage.PERFORMED.value, Stage.IN_PROGRESS.value}:
            raise StateConflictError("there is nothing to report on yet: the exam was not done")
    report = Report.objects.create(
        public_id=_name(procedures[0]),
        order=procedures[0].order,
        author_id=context.actor.user_id,
    )
    report.procedures.set(procedures)
    name_elsewhere(report)
    context.emit(
        ReportOpened(report=str(report.public_id), order=str(report.order.public_id)),
        subject=report,
        order=report.order,
    )
    return str(report.public_id)


def _name(procedure: RequestedProcedure) -> UUID:
    """The first report on a procedure is named as that is: who was told that a report is awaited
    (FHIR DiagnosticReport) finds it under the same id."""
    taken = Report.objects.filter(public_id=procedure.public_id).exists()
    return uuid7() if taken else procedure.public_id


def save_draft(command: SaveDraft, context: Context) -> int:
    report = _lock(command.report)
    if report.status in {ReportStatus.DISCARDED.value, ReportStatus.RETRACTED.value}:
        raise StateConflictError("this report is closed")
    _check_revision(report, command.expected_revision)
    report.draft = _clean(command.sections)
    report.draft_revision += 1
    report.draft_saved_at = context.now
    report.author_id = context.actor.user_id or report.author_id
    if command.particulars is not None:
        report.particulars = command.particulars.to_json()
    elif report.particulars:
        report.particulars = {**report.particulars, "edited": True}
    touch(report, "draft", "draft_revision", "draft_saved_at", "author", "particulars")
    context.about(report, report.order)
    return report.draft_revision


def discard_draft(command: DiscardDraft, context: Context) -> None:
    report = _lock(command.report)
    move(report, REPORT, ReportTrigger.DISCARD)
    name_elsewhere(report)
    context.emit(
        DraftDiscarded(report=str(report.public_id), order=str(report.order.public_id)),
        subject=report,
        order=report.order,
    )


def _sign(
    report: Report,
    kind: VersionKind,
    trigger: ReportTrigger,
    sections: dict[str, str],
    context: Context,
    *,
    reason: str = "",
    particulars: Particulars | None = None,
) -> int:
    """Add an immutable version and move the report.

    What came from elsewhere keeps the time at which it was signed there.
    """
    said_at = particulars.said_at if particulars is not None else None
    last = report.versions.order_by("-number").first()
    number = last.number + 1 if last else 1
    ReportVersion.objects.create(
        report=report,
        number=number,
        kind=kind.value,
        sections=sections,
        reason=reason,
        author_id=report.author_id,
        signer_id=context.actor.user_id,
        signed_at=min(said_at or context.now, context.now),
        content_hash=content_hash(kind, sections),
        particulars=particulars.to_json() if particulars is not None else report.particulars,
    )
    documents.sign_with(report, number)
    report.draft = {}
    report.draft_revision += 1
    report.particulars = None
    move(report, REPORT, trigger, "draft", "draft_revision", "particulars")
    name_elsewhere(report)
    return number


def name_elsewhere(report: Report) -> None:
    """Its exams and studies say which report there is and who signed: they changed as well."""
    now = timezone.now()
    RequestedProcedure.objects.filter(reports=report).update(updated_at=now)
    PerformedProcedureStep.objects.filter(steps__procedure__reports=report).update(updated_at=now)


def _say(
    event: type[ReportSigned], report: Report, kind: VersionKind, number: int, context: Context
) -> None:
    orders = {
        str(public_id) for public_id in report.procedures.values_list("order__public_id", flat=True)
    }
    context.emit(
        event(
            report=str(report.public_id),
            order=str(report.order.public_id),
            number=number,
            kind=kind.value,
            orders=tuple(sorted(orders)),
        ),
        subject=report,
        order=report.order,
    )


def _require_text(sections: Mapping[str, str]) -> None:
    if not sections.get("findings") and not sections.get("impression"):
        raise MissingValueError(
            "a report needs findings or an impression", path="sections.impression"
        )


def sign_preliminary(command: SignPreliminary, context: Context) -> int:
    report = _lock(command.report)
    _check_revision(report, command.expected_revision)
    sections = _clean(command.sections)
    _require_text(sections)
    number = _sign(
        report,
        VersionKind.PRELIMINARY,
        ReportTrigger.SIGN_PRELIMINARY,
        sections,
        context,
        particulars=command.particulars,
    )
    _say(PreliminarySigned, report, VersionKind.PRELIMINARY, number, context)
    return number


def finalize_report(command: FinalizeReport, context: Context) -> int:
    report = _lock(command.report)
    _check_revision(report, command.expected_revision)
    sections = _clean(command.sections)
    _require_text(sections)
    number = _sign(
        report,
        VersionKind.FINAL,
        ReportTrigger.FINALIZE,
        sections,
        context,
        particulars=command.particulars,
    )
    _say(ReportFinalized, report, VersionKind.FINAL, number, context)
    for order in _orders_of(report):
        _complete_if_done(order, context)
    return number


def amend_report(command: AmendReport, context: Context) -> int:
    report = _lock(command.report)
    last = report.versions.order_by("-number").first()
    if last is None:
        raise StateConflictError("there is nothing signed to amend")
    if command.expected_version is not None and command.expected_version != last.number:
        raise StateConflictError("somebody else amended this report meanwhile: reload")
    sections = _clean(command.sections)
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
        _require_text(sections)
        if "addendum" in last.sections:
            sections.setdefault("addendum", last.sections["addendum"])
    else:
        raise InvalidValueError("a report is amended by ADDENDUM or CORRECTION", path="kind")
    number = _sign(
        report,
        command.kind,
        ReportTrigger.AMEND,
        sections,
        context,
        reason=command.reason,
        particulars=command.particulars,
    )
    _say(ReportAmended, report, command.kind, number, context)
    return number


def retract_report(command: RetractReport, context: Context) -> int:
    report = _lock(command.report)
    if not command.reason.strip():
        raise MissingValueError("to withdraw a report needs a reason", path="reason")
    last = report.versions.order_by("-number").first()
    number = _sign(
        report,
        VersionKind.RETRACTION,
        ReportTrigger.RETRACT,
        dict(last.sections) if last else {},
        context,
        reason=command.reason,
    )
    orders = tuple(sorted(str(order.public_id) for order in _orders_of(report)))
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
    for order in _orders_of(report):
        if order.status == OrderStatus.COMPLETED.value:
            move(order, ORDER, OrderTrigger.REOPEN)
            context.emit(OrderReopened(order=str(order.public_id)), subject=order)
    return number


def _orders_of(report: Report) -> list[Order]:
    return list(
        Order.objects.select_related("patient")
        .filter(procedures__reports=report)
        .distinct()
        .order_by("id")
    )


def _complete_if_done(order: Order, context: Context) -> None:
    """An order is complete once every live procedure has its final report."""
    stages = set(order.procedures.order_by().values_list("stage", flat=True))
    if order.status == OrderStatus.ACTIVE.value and stages <= {
        Stage.REPORTED.value,
        Stage.CANCELED.value,
    }:
        move(order, ORDER, OrderTrigger.COMPLETE)
        context.emit(OrderCompleted(order=str(order.public_id)), subject=order)


def communicate_critical_result(command: CommunicateCriticalResult, context: Context) -> str:
    report = _lock(command.report)
    if not command.finding.strip() or not command.told.strip():
        raise MissingValueError("say what was found and who was told", path="finding")
    critical = CriticalResult.objects.create(
        report=report,
        finding=command.finding.strip(),
        told=command.told.strip()[:200],
        by=command.by[:30],
        read_back=command.read_back,
        told_at=context.now,
        told_by=context.actor.name,
    )
    touch(report)  # which names what was told
    context.emit(
        CriticalResultCommunicated(
            report=str(report.public_id),
            order=str(report.order.public_id),
            critical_result=str(critical.public_id),
        ),
        subject=report,
        order=report.order,
    )
    return str(critical.public_id)


def acknowledge_critical_result(command: AcknowledgeCriticalResult, context: Context) -> None:
    critical = (
        CriticalResult.objects.select_for_update(of=("self",))
        .select_related("report__order__patient")
        .filter(public_id=public_key(command.critical_result, "critical result"))
        .first()
    )
    if critical is None:
        raise UnknownKeyError("no such critical result")
    if critical.acknowledged_at is not None:
        return  # said twice
    critical.acknowledged_at = context.now
    critical.acknowledged_by = command.acknowledged_by[:200]
    touch(critical, "acknowledged_at", "acknowledged_by")
    context.emit(
        CriticalResultAcknowledged(
            report=str(critical.report.public_id),
            order=str(critical.report.order.public_id),
            critical_result=str(critical.public_id),
        ),
        subject=critical.report,
        order=critical.report.order,
    )


HANDLERS = {
    OpenReport: open_report,
    SaveDraft: save_draft,
    DiscardDraft: discard_draft,
    SignPreliminary: sign_preliminary,
    FinalizeReport: finalize_report,
    AmendReport: amend_report,
    RetractReport: retract_report,
    CommunicateCriticalResult: communicate_critical_result,
    AcknowledgeCriticalResult: acknowledge_critical_result,
}

_READERS = {Role.RADIOLOGIST}

PERMISSIONS = {
    OpenReport: _READERS,
    SaveDraft: _READERS,
    DiscardDraft: _READERS,
    SignPreliminary: _READERS,
    FinalizeReport: _READERS,
    AmendReport: _READERS,
    RetractReport: _READERS,
    CommunicateCriticalResult: _READERS,
    AcknowledgeCriticalResult: _READERS | {Role.SCHEDULER, Role.FRONTDESK},
}
