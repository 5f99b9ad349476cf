"""Results at the ordering side: opened, and taken note of."""

from __future__ import annotations

from collections.abc import Sequence

from ris.domain.actors import Actor
from ris.domain.errors import DeniedError, StateConflictError, UnknownKeyError
from ris.domain.referring import (
    BINDING,
    AcknowledgeFinding,
    AcknowledgeResult,
    ResultAcknowledged,
)
from ris.domain.reporting import AcknowledgeCriticalResult, VersionKind
from ris.models import CriticalFinding, Order, ReportVersion, ResultReceipt
from ris.selectors import referring as selected
from ris.selectors.referring import Reach
from ris.services import _clock, critical
from ris.services._context import Context
from ris.services._locks import public_key
from ris.services._transition import touch


def reach_of(actor: Actor) -> Reach:
    """What the actor may see; raises DeniedError for who is no login."""
    if actor.user_id is None:
        raise DeniedError("only a login has patients of its own")
    return selected.reach(actor.user_id)


def acknowledge_result(command: AcknowledgeResult, context: Context) -> None:
    to = reach_of(context.actor)
    newest = selected.own_version(to, public_key(command.report, "report"))
    if newest.number != command.number:
        raise StateConflictError(
            "a newer version of this report is there; read that one", path="number"
        )
    if VersionKind(newest.kind) not in BINDING:
        raise StateConflictError("a preliminary report is acknowledged once it is final")
    receipt, _ = ResultReceipt.objects.select_for_update(of=("self",)).get_or_create(
        version=newest, user_id=to.user, defaults={"opened_at": context.now}
    )
    if receipt.acknowledged_at is not None:
        context.about(receipt, newest.report.order)
        return
    receipt.acknowledged_at = context.now
    touch(receipt, "acknowledged_at")
    order = _order_of(to, newest)
    context.emit(
        ResultAcknowledged(
            report=str(newest.report.public_id),
            order=str(order.public_id),
            number=newest.number,
            by=context.actor.display or context.actor.name,
            orders=(str(order.public_id),),
        ),
        subject=newest.report,
        order=order,
    )


def acknowledge_finding(command: AcknowledgeFinding, context: Context) -> None:
    to = reach_of(context.actor)
    row = (
        CriticalFinding.objects.select_related("order")
        .filter(public_id=public_key(command.finding, "critical result"))
        .first()
    )
    if row is None or not (to.covers(row.order) or _is_read_by(to, row)):
        raise UnknownKeyError("no such critical finding among your own patients")
    context.about(row, row.order)
    critical.acknowledge_critical_result(
        AcknowledgeCriticalResult(
            critical_result=command.finding,
            acknowledged_by=context.actor.display or context.actor.name,
        ),
        context,
    )


def _is_read_by(to: Reach, row: CriticalFinding) -> bool:
    """Whether the finding's report is about an own order as well."""
    return row.report_id is not None and (
        selected.own(to).filter(procedures__reports=row.report_id).exists()
    )


def _order_of(to: Reach, version: ReportVersion) -> Order:
    """The own order among those that a report is about."""
    return (
        selected.own(to)
        .filter(procedures__reports=version.report)
        .select_related("patient")
        .order_by("id")
        .distinct()[0]
    )


def note_opened(actor: Actor, versions: Sequence[int]) -> None:
    """Note that a login opened versions, by primary key: part of showing them, as audit is.

    One statement; twice at the same time is once.
    """
    if actor.user_id is None or not versions:
        return
    now = _clock.now()
    ResultReceipt.objects.bulk_create(
        [ResultReceipt(version_id=key, user_id=actor.user_id, opened_at=now) for key in versions],
        ignore_conflicts=True,
    )
