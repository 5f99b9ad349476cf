"""Critical findings: flagged, told, acknowledged; and the next one asked while nobody is.

Every command locks the order first, then the finding. What is told of a finding on a report goes to
the report's receivers as well (ris.services.reporting.critical).
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from ris.domain.actors import TIMER, Role
from ris.domain.critical import (
    CATEGORIES,
    CRITICAL,
    RUNNING,
    CategoryDetails,
    CriticalAttemptNoted,
    CriticalCategoriesSet,
    CriticalFindingAcknowledged,
    CriticalFindingEscalated,
    CriticalFindingFlagged,
    CriticalFindingWithdrawn,
    CriticalState,
    CriticalTellingWaived,
    CriticalTrigger,
    EscalateCriticalResults,
    FlagCriticalResult,
    HowTold,
    NoteCriticalAttempt,
    SetCriticalCategories,
    WaiveCriticalTelling,
    WithdrawCriticalResult,
    check_category,
    escalates_at,
)
from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.orders import Stage
from ris.domain.reporting import (
    CLOSED,
    LIVE,
    AcknowledgeCriticalResult,
    CommunicateCriticalResult,
    CriticalResultAcknowledged,
    CriticalResultCommunicated,
)
from ris.domain.values import PersonName
from ris.models import (
    CriticalAttempt,
    CriticalCategory,
    CriticalFinding,
    CriticalPolicy,
    Order,
    Report,
    RequestedProcedure,
)
from ris.selectors import critical as selected
from ris.selectors.report_exams import is_readable
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._locks import lock_beside, lock_orders, public_key
from ris.services._sets import require_as_shown
from ris.services._transition import move, touch
from ris.services.reporting.critical import tell_receivers
from ris.services.reporting.parts import lock as lock_report

AT_ONCE = 200
_FINDING = 2000
_NOTHING_SEEN = (
    Stage.REQUESTED.value,
    Stage.SCHEDULED.value,
    Stage.ARRIVED.value,
    Stage.CANCELED.value,
)


# --- flagged


def flag_critical_result(command: FlagCriticalResult, context: Context) -> str:
    category = selected.category(command.category)
    if category is None:
        raise InvalidValueError("choose how urgent it is", path="category")
    report, procedure, order = _what(command)
    row = _flag(
        order,
        category,
        command.finding,
        context,
        report=report,
        procedure=procedure,
        tell=command.tell,
        phone=command.phone,
    )
    context.emit(
        CriticalFindingFlagged(
            order=str(order.public_id),
            critical_result=str(row.public_id),
            category=category.name,
            report=str(report.public_id) if report else "",
        ),
        subject=row,
        order=order,
    )
    return str(row.public_id)


def _what(
    command: FlagCriticalResult,
) -> tuple[Report | None, RequestedProcedure | None, Order]:
    """What it was seen on, its order locked."""
    if command.report:
        report = lock_report(command.report)
        if report.status in CLOSED:
            raise StateConflictError("this report is closed")
        return report, report.procedures.order_by("pk").first(), report.order
    key = public_key(command.procedure, "procedure")
    found = RequestedProcedure.objects.filter(public_id=key).values_list("order_id", flat=True)
    orders = lock_orders(found)
    if not orders:
        raise UnknownKeyError("no such procedure", path="procedure")
    procedure = RequestedProcedure.objects.get(public_id=key)
    if procedure.stage in _NOTHING_SEEN and not is_readable(procedure):
        raise StateConflictError("there is nothing to find yet: the exam was not begun")
    # Somebody may have begun its report meanwhile, whose receivers are told with it.
    live = procedure.reports.filter(status__in=LIVE).first()
    return live, procedure, orders[0]


def _flag(
    order: Order,
    category: CategoryDetails,
    finding: str,
    context: Context,
    *,
    report: Report | None = None,
    procedure: RequestedProcedure | None = None,
    tell: str = "",
    phone: str = "",
) -> CriticalFinding:
    text = finding.strip()
    if not text:
        raise MissingValueError("say what was found", path="finding")
    requester = PersonName.parse(order.requester).display
    row = CriticalFinding(
        order=order,
        report=report,
        procedure=procedure,
        finding=text[:_FINDING],
        category=category.code,
        category_name=category.name,
        minutes=category.minutes,
        share=category.share,
        escalation=list(category.escalation),
        tell=(tell.strip() or requester)[:200],
        phone=(phone.strip() or ("" if tell.strip() else order.callback_phone))[:250],
        flagged_at=context.now,
        flagged_by=_who(context)[:150],
        due_at=context.now + timedelta(minutes=category.minutes),
        escalates_at=escalates_at(
            context.now, category.minutes, category.share, 0, len(category.escalation)
        ),
    )
    row.save()
    return row


def _who(context: Context) -> str:
    return context.actor.display or context.actor.name


# --- told


def _locked(public_id: str) -> CriticalFinding:
    return lock_beside(
        CriticalFinding.objects.all(),
        public_id,
        "critical result",
        order="order_id",
        related=("order__patient", "report", "result"),
    )


def note_critical_attempt(command: NoteCriticalAttempt, context: Context) -> None:
    if command.how not in set(HowTold):
        raise InvalidValueError("by phone, in person or by message", path="how")
    row = _locked(command.critical_result)
    if row.status not in RUNNING:
        raise StateConflictError("this is dealt with already")
    if command.read_back and not command.reached:
        raise InvalidValueError("who was not reached read nothing back", path="read_back")
    _note(
        row,
        context,
        who=command.who,
        how=command.how,
        reached=command.reached,
        read_back=command.read_back,
        note=command.note,
    )


def _note(
    row: CriticalFinding,
    context: Context,
    *,
    who: str,
    how: str,
    reached: bool,
    read_back: bool,
    note: str = "",
) -> None:
    name = who.strip()[:200]
    if not name:
        raise MissingValueError("say who was called", path="who")
    attempt = CriticalAttempt.objects.create(
        critical=row,
        at=context.now,
        by=_who(context)[:150],
        who=name,
        how=how[:30],
        reached=reached,
        read_back=read_back,
        note=note.strip()[:500],
    )
    if not reached:
        touch(row)
        _say_attempt(row, attempt, context)
        return
    row.told_at = row.told_at or context.now
    move(row, CRITICAL, CriticalTrigger.TELL, "told_at")
    if row.report is None:
        _say_attempt(row, attempt, context)
    else:
        tell_receivers(row, attempt)
        context.emit(
            CriticalResultCommunicated(
                report=str(row.report.public_id),
                order=str(row.order.public_id),
                critical_result=str(row.public_id),
            ),
            subject=row.report,
            order=row.order,
        )
    if read_back:
        _acknowledge(row, name, context)


def _say_attempt(row: CriticalFinding, attempt: CriticalAttempt, context: Context) -> None:
    context.emit(
        CriticalAttemptNoted(
            order=str(row.order.public_id),
            critical_result=str(row.public_id),
            reached=attempt.reached,
        ),
        subject=row,
        order=row.order,
    )


def communicate_critical_result(command: CommunicateCriticalResult, context: Context) -> str:
    """Flagged and told in one: the most urgent category, for nobody said another."""
    report = lock_report(command.report)
    finding = command.finding.strip()
    if not finding or not command.told.strip():
        raise MissingValueError("say what was found and who was told", path="finding")
    row = (
        selected.about(report.pk)
        .select_for_update(of=("self",))
        .select_related("order__patient", "result")
        .filter(finding=finding, status__in=RUNNING)
        .first()
    )
    if row is None:
        first = selected.categories()[0]
        row = _flag(
            report.order,
            first,
            finding,
            context,
            report=report,
            procedure=report.procedures.order_by("pk").first(),
            tell=command.told,
        )
    elif row.report_id != report.pk:
        row.report = report
        touch(row, "report")
    _note(
        row,
        context,
        who=command.told,
        how=command.by or HowTold.PHONE.value,
        reached=True,
        read_back=command.read_back,
    )
    return str(row.public_id)


# --- acknowledged, waived, withdrawn


def acknowledge_critical_result(command: AcknowledgeCriticalResult, context: Context) -> None:
    row = _locked(command.critical_result)
    if row.status == CriticalState.ACKNOWLEDGED.value:
        return  # said twice
    who = command.acknowledged_by.strip()[:200]
    if not who:
        raise MissingValueError("say who acknowledged it", path="acknowledged_by")
    _acknowledge(row, who, context)


def _acknowledge(row: CriticalFinding, who: str, context: Context) -> None:
    row.closed_at = context.now
    row.closed_by = who
    row.escalates_at = None
    move(row, CRITICAL, CriticalTrigger.ACKNOWLEDGE, "closed_at", "closed_by", "escalates_at")
    if row.result is None or row.report is None:
        context.emit(
            CriticalFindingAcknowledged(
                order=str(row.order.public_id), critical_result=str(row.public_id)
            ),
            subject=row,
            order=row.order,
        )
        return
    row.result.acknowledged_at = context.now
    row.result.acknowledged_by = who
    touch(row.result, "acknowledged_at", "acknowledged_by")
    context.emit(
        CriticalResultAcknowledged(
            report=str(row.report.public_id),
            order=str(row.order.public_id),
            critical_result=str(row.public_id),
        ),
        subject=row.report,
        order=row.order,
    )


def waive_critical_telling(command: WaiveCriticalTelling, context: Context) -> None:
    reason = command.reason.strip()[:500]
    if not reason:
        raise MissingValueError("say why nobody could be told yet", path="reason")
    row = _locked(command.critical_result)
    if row.status != CriticalState.OPEN.value:
        raise StateConflictError("somebody was told already")
    row.waived = reason
    touch(row, "waived")
    context.emit(
        CriticalTellingWaived(
            order=str(row.order.public_id), critical_result=str(row.public_id), reason=reason[:200]
        ),
        subject=row,
        order=row.order,
    )


def withdraw_critical_result(command: WithdrawCriticalResult, context: Context) -> None:
    reason = command.reason.strip()[:500]
    if not reason:
        raise MissingValueError("say why it is withdrawn", path="reason")
    row = _locked(command.critical_result)
    if row.status == CriticalState.TOLD.value:
        raise StateConflictError("somebody was told: correct the report and tell that as well")
    row.closed_at = context.now
    row.closed_by = _who(context)[:200]
    row.closed_reason = reason
    row.escalates_at = None
    move(
        row,
        CRITICAL,
        CriticalTrigger.WITHDRAW,
        "closed_at",
        "closed_by",
        "closed_reason",
        "escalates_at",
    )
    context.emit(
        CriticalFindingWithdrawn(
            order=str(row.order.public_id), critical_result=str(row.public_id), reason=reason[:200]
        ),
        subject=row,
        order=row.order,
    )


# --- the clock


def escalate_critical_results(command: EscalateCriticalResults, context: Context) -> int:
    due = list(selected.due(context.now).values_list("pk", "order_id")[:AT_ONCE])
    lock_orders(order for _, order in due)
    rows = (
        CriticalFinding.objects.select_for_update(of=("self",))
        .select_related("order__patient")
        .filter(pk__in=[pk for pk, _ in due], escalates_at__lte=context.now)
        .order_by("id")
    )
    asked = 0
    for row in rows:
        row.asked = row.escalation[row.level] if row.level < len(row.escalation) else ""
        row.level += 1
        row.escalates_at = escalates_at(
            row.flagged_at, row.minutes, row.share, row.level, len(row.escalation)
        )
        touch(row, "asked", "level", "escalates_at")
        asked += 1
        context.emit(
            CriticalFindingEscalated(
                order=str(row.order.public_id),
                critical_result=str(row.public_id),
                step=row.level,
                asked=row.asked,
            ),
            subject=row,
            order=row.order,
        )
    return asked


def run_due() -> None:
    """The clock: ask the next one for what nobody acknowledged."""
    if selected.due(timezone.now()).exists():
        execute(EscalateCriticalResults(), actor=TIMER)


# --- the site's categories


def set_critical_categories(command: SetCriticalCategories, context: Context) -> int:
    categories = list(command.categories)
    if not 1 <= len(categories) <= CATEGORIES:
        raise InvalidValueError(f"a site has 1 to {CATEGORIES} categories", path="categories")
    for category in categories:
        check_category(category)
    codes = [category.code for category in categories]
    if len(set(codes)) != len(codes):
        raise InvalidValueError("two categories have the same code", path="code")
    require_as_shown("critical categories", selected.setup, command.expected_version)
    CriticalCategory.objects.all().delete()
    rows = CriticalCategory.objects.bulk_create(
        [
            CriticalCategory(
                position=position,
                code=category.code,
                name=category.name.strip(),
                minutes=category.minutes,
                share=category.share,
                escalation=[who.strip() for who in category.escalation if who.strip()],
            )
            for position, category in enumerate(categories, start=1)
        ]
    )
    policy = CriticalPolicy.objects.first() or CriticalPolicy()
    policy.holds_final = command.holds_final
    policy.save()
    context.emit(CriticalCategoriesSet(count=len(rows)), subject=policy)
    return len(rows)


HANDLERS = {
    FlagCriticalResult: flag_critical_result,
    NoteCriticalAttempt: note_critical_attempt,
    CommunicateCriticalResult: communicate_critical_result,
    AcknowledgeCriticalResult: acknowledge_critical_result,
    WaiveCriticalTelling: waive_critical_telling,
    WithdrawCriticalResult: withdraw_critical_result,
    EscalateCriticalResults: escalate_critical_results,
    SetCriticalCategories: set_critical_categories,
}

_READERS = {Role.RADIOLOGIST, Role.RESIDENT}
_DESK = {Role.SCHEDULER, Role.FRONTDESK}

PERMISSIONS = {
    FlagCriticalResult: _READERS,
    NoteCriticalAttempt: _READERS | _DESK | {Role.MANAGER},
    CommunicateCriticalResult: _READERS,
    AcknowledgeCriticalResult: _READERS | _DESK | {Role.MANAGER},
    WaiveCriticalTelling: _READERS,
    WithdrawCriticalResult: _READERS,
    EscalateCriticalResults: {Role.SYSTEM},
    SetCriticalCategories: {Role.MANAGER, Role.ADMIN},
}
