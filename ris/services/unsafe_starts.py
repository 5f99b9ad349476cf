"""What a scanner began although it was not cleared: never refused, told to people at once.

The exam is happening, so an MPPS is taken as it comes (PS3.4 F.7.2.1.2) and nothing is looked up
while the scanner waits. A moment later, when what leaves has left, the start is looked at; the
clock looks again at what a process did not come to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from ris.domain.actors import TIMER, Role
from ris.domain.discontinuation import FollowUpKind
from ris.domain.errors import UnknownKeyError
from ris.domain.performing import Match, Origin
from ris.domain.protocol import StoredEvent
from ris.domain.safety import Gate, NoteUnsafeStart, UnsafeStartNoted
from ris.models import (
    FollowUp,
    PerformedProcedureStep,
    ProcedureDefinition,
    SafetyQuestion,
    ScheduledProcedureStep,
)
from ris.selectors import protocoling as protocols
from ris.selectors import safety as selected
from ris.services._context import Context
from ris.services._execute import execute
from ris.services._locks import lock_orders, public_key
from ris.services.performing.follow_ups import raise_follow_up

LOOK_BACK = timedelta(minutes=15)
# What a device tells of later than this is no news for the room.
LONGEST_LATE = timedelta(hours=2)


def follow(events: Sequence[StoredEvent]) -> None:
    """Note the starts among these events (ris.services.afterwards)."""
    starts = {
        str(event.payload["performed"])
        for event in events
        if event.name == "PerformedStepStarted" and event.payload.get("match") == Match.MATCHED
    }
    if starts and _is_anything_asked():
        _note(
            PerformedProcedureStep.objects.filter(public_id__in=starts).values_list(
                "public_id", flat=True
            )
        )


def note_late() -> None:
    """The clock: what began lately and was not looked at, because a process ended."""
    if not _is_anything_asked():
        return
    now = timezone.now()
    # By the index of changes; what matched is most of the archive, so that is asked of each.
    lately = PerformedProcedureStep.objects.filter(
        origin=Origin.MPPS.value,
        updated_at__gte=now - LOOK_BACK,
        created_at__gte=now - LOOK_BACK,
        started_at__gte=now - LONGEST_LATE,
    ).exclude(follow_ups__kind=FollowUpKind.SAFETY.value)
    rows = lately.order_by("updated_at").values_list("public_id", "match")[:500]
    _note(public_id for public_id, match in rows if match == Match.MATCHED.value)


def _is_anything_asked() -> bool:
    return (
        SafetyQuestion.objects.filter(active=True).exists()
        or ProcedureDefinition.objects.exclude(protocol_required="").exists()
    )


def _note(performed: Iterable[UUID]) -> None:
    rows = list(PerformedProcedureStep.objects.filter(public_id__in=list(performed)))
    waiting = _open_of(rows)
    for row in rows:
        if row.pk in waiting:
            execute(NoteUnsafeStart(performed=str(row.public_id)), actor=TIMER)


def _open_of(
    performed: Sequence[PerformedProcedureStep],
) -> dict[int, list[tuple[ScheduledProcedureStep, list[str]]]]:
    """The steps that were begun, each with what it still waited for, in words; none if nothing.

    By the key of the exam, in as many statements for all of a quarter of an hour as for one: the
    clock looks at them every half minute.
    """
    noted = FollowUp.objects.filter(performed__in=performed, kind=FollowUpKind.SAFETY.value)
    known = set(noted.values_list("performed_id", flat=True))
    # Of what people began they were asked before.
    asked = {
        row.pk: row for row in performed if row.origin == Origin.MPPS.value and row.pk not in known
    }
    begun = list(
        PerformedProcedureStep.steps.through.objects.filter(performedprocedurestep__in=asked)
        .order_by("scheduledprocedurestep_id")
        .values_list("performedprocedurestep_id", "scheduledprocedurestep_id")
    )
    steps = ScheduledProcedureStep.objects.select_related(*selected.RELATED).in_bulk(
        {step for _, step in begun}
    )
    begun_at = {step: asked[exam].started_at for exam, step in begun}
    states = selected.states(list(steps.values()), begun_at=begun_at)
    found = defaultdict(list)
    for exam, key in begun:
        step = steps[key]
        words = [
            f"{check.question.words} {check.answer.shown}" if check.answer else check.question.words
            for check in states[key].blocking(Gate.START)
        ]
        words += protocols.missing(step, Gate.START)
        if words:
            found[exam].append((step, words))
    return found


def note_unsafe_start(command: NoteUnsafeStart, context: Context) -> None:
    row = (
        PerformedProcedureStep.objects.select_related("order")
        .filter(public_id=public_key(command.performed, "performed step"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such performed step")
    lock_orders(
        ScheduledProcedureStep.objects.filter(performed=row).values_list(
            "procedure__order_id", flat=True
        )
    )
    context.about(row, row.order)
    for step, words in _open_of([row]).get(row.pk, ()):
        detail = "; ".join(words)
        context.emit(
            UnsafeStartNoted(
                order=str(step.procedure.order.public_id),
                step=str(step.public_id),
                performed=str(row.public_id),
                waits_for=tuple(words),
                note=detail[:300],
            ),
            subject=row,
            order=step.procedure.order,
        )
        raise_follow_up(row, FollowUpKind.SAFETY, context, step=step, detail=detail)


HANDLERS = {NoteUnsafeStart: note_unsafe_start}
PERMISSIONS = {NoteUnsafeStart: {Role.SYSTEM}}
