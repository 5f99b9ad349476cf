"""Exams as scanners report them, and what is stored of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from ris.domain.corrections import SettleFollowUp
from ris.domain.discontinuation import FollowUpAction, FollowUpKind
from ris.domain.identifiers import new_uid
from ris.domain.performing import (
    CompletePerformedStep,
    DiscontinuePerformedStep,
    PerformedDetails,
    StartPerformedStep,
)
from ris.domain.values import Code
from ris.models import (
    DomainEvent,
    FollowUp,
    Order,
    PerformedProcedureStep,
)
from ris.services import execute
from tests import make, people

LATER = make.NOON + timedelta(hours=1)


def stored(command: StartPerformedStep) -> PerformedProcedureStep:
    return PerformedProcedureStep.objects.get(sop_instance_uid=command.sop_instance_uid)


def begin(order: Order, **overrides: Any) -> PerformedProcedureStep:
    command = make.start(order, **overrides)
    execute(command, actor=people.ct1)
    return stored(command)


def end(performed: PerformedProcedureStep, **overrides: Any) -> None:
    said = {"ended_at": make.NOON + timedelta(minutes=20), "series": (make.series(),), **overrides}
    execute(
        CompletePerformedStep(
            sop_instance_uid=performed.sop_instance_uid, details=PerformedDetails(**said)
        ),
        actor=people.ct1,
    )
    performed.refresh_from_db()


def stop(performed: PerformedProcedureStep, reason: str, *, images: bool = True) -> None:
    details = PerformedDetails(
        discontinuation_reason=Code(reason, "DCM", "as coded"),
        series=(make.series(),) if images else (),
    )
    execute(
        DiscontinuePerformedStep(sop_instance_uid=performed.sop_instance_uid, details=details),
        actor=people.ct1,
    )
    performed.refresh_from_db()


def names(order: Order) -> list[str]:
    rows = DomainEvent.objects.filter(order=order, name__startswith="Performed").order_by("id")
    return list(rows.values_list("name", flat=True))


def both(pair: tuple[Order, Order], **overrides: Any) -> StartPerformedStep:
    """One study for both, under a UID of the modality's own."""
    uid = new_uid()
    references = tuple(
        replace(
            make.start(order).references[0],
            study_instance_uid=uid,
            referenced_study_uids=(make.start(order).references[0].study_instance_uid,),
        )
        for order in pair
    )
    return make.start(pair[0], references=references, **overrides)


def silent_for(performed: PerformedProcedureStep, hours: int) -> None:
    PerformedProcedureStep.objects.filter(pk=performed.pk).update(
        updated_at=timezone.now() - timedelta(hours=hours)
    )


def follow_up(kind: FollowUpKind) -> FollowUp:
    return FollowUp.objects.get(kind=kind.value, settled_at=None)


def settle(row: FollowUp, action: FollowUpAction, note: str = "") -> None:
    execute(
        SettleFollowUp(follow_up=str(row.public_id), action=action, note=note),
        actor=replace(
            people.technologist, roles=people.technologist.roles | people.scheduler.roles
        ),
    )
    row.refresh_from_db()
