"""Critical results: who was told, and who said so."""

from __future__ import annotations

from ris.domain.errors import (
    MissingValueError,
    UnknownKeyError,
)
from ris.domain.reporting import (
    AcknowledgeCriticalResult,
    CommunicateCriticalResult,
    CriticalResultAcknowledged,
    CriticalResultCommunicated,
)
from ris.models import (
    CriticalResult,
)
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch
from ris.services.reporting.parts import (
    lock,
)


def communicate_critical_result(command: CommunicateCriticalResult, context: Context) -> str:
    report = lock(command.report)
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
