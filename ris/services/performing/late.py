"""What time mends: exams whose order came after them, exams whose end nobody told (timers)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext_noop as noop

from ris.domain.corrections import (
    ClosePerformedSteps,
    CorrectionKind,
    PerformedStepMoved,
    RematchPerformedSteps,
)
from ris.domain.discontinuation import UNSPECIFIED, FollowUpKind, Reason, reason_of
from ris.domain.errors import RisError
from ris.domain.orders import StepStatus
from ris.domain.performing import (
    PERFORMED_STEP,
    Match,
    Origin,
    PerformedStatus,
    PerformedStepCompleted,
    PerformedStepDiscontinued,
    PerformedTrigger,
    ScheduledReference,
)
from ris.domain.values import Code, Identifier
from ris.models import Device, Patient, PerformedProcedureStep
from ris.services import _clock
from ris.services._context import Context
from ris.services._transition import move, touch
from ris.services.dose.performed import after_ending, after_tying
from ris.services.performing import by_hand
from ris.services.performing.follow_ups import raise_follow_up
from ris.services.performing.following import done_with, follow, note_end, steps_named
from ris.services.performing.matching import (
    Found,
    find_patient,
    find_steps,
    is_evidence,
    is_named_otherwise,
    strangers,
)
from ris.services.performing.taking import taken_by_key
from ris.services.performing.telling import tell
from ris.services.performing.tying import record, snapshot, tie

# The device's own setting in place of the site's hours.
CLOSE_HOURS = "mpps_close_hours"

# --- the order came late

_LOOKING = (Match.UNMATCHED.value, Match.UNSCHEDULED.value)


def waiting(minutes: int, now: datetime) -> QuerySet[PerformedProcedureStep]:
    """Exams without an order, or without a patient, that may find theirs still.

    Where people decided, untying it or taking a tie back, nothing is done against them.
    """
    return PerformedProcedureStep.objects.filter(
        match__in=_LOOKING,
        resolved_at=None,
        created_at__gt=now - timedelta(minutes=minutes),
        corrections=None,
    ).order_by("id")


def rematchable(minutes: int) -> bool:
    """Whether :class:`RematchPerformedSteps` would find anything; reads only."""
    rows = waiting(minutes, _clock.now()).defer("dataset")[:200]
    return any(_found(row) or _owner(row) for row in rows)


def rematch_performed_steps(command: RematchPerformedSteps, context: Context) -> int:
    """Each exam on its own: what one of them cannot have holds up no other."""
    count = 0
    for row in list(waiting(command.minutes, context.now).defer("dataset")[:200]):
        found = _found(row)
        if found:
            count += _tie(row, found, context)
        elif _owner(row):
            count += _own(row, context)
    return count


def _identifiers(row: PerformedProcedureStep) -> list[Identifier]:
    own = [Identifier(row.patient_identifier, row.patient_issuer)]
    return [*own, *(Identifier(value, issuer) for value, issuer in row.other_identifiers or ())]


def _found(row: PerformedProcedureStep) -> list[Found]:
    """The steps it names, if they are there by now and its patient's.

    An exam that was done without an order names its study: the order that comes for it may bear
    the same UID.
    """
    if row.match not in _LOOKING:
        return []
    identifiers = _identifiers(row)
    found = find_steps(
        [ScheduledReference.from_json(reference) for reference in row.references], identifiers
    )
    patients = {step.patient for step in found}
    if len(patients) != 1 or strangers(identifiers, patients):
        return []
    if not any(identifier.value for identifier in identifiers) and is_named_otherwise(
        row.patient_name, row.patient_birth_date, Patient.objects.get(pk=patients.pop())
    ):
        return []
    canceled = any(step.status == StepStatus.CANCELED.value for step in found)
    return [] if canceled or is_evidence(row.modality, found) else found


def _owner(row: PerformedProcedureStep) -> bool:
    return row.patient_id is None and find_patient(_identifiers(row)) is not None


def _tie(row: PerformedProcedureStep, found: Sequence[Found], context: Context) -> int:
    taken = taken_by_key(str(row.public_id), [step.order for step in found])
    if taken.performed.match not in _LOOKING:
        return 0
    steps = steps_named(taken.locked, [step.pk for step in found])
    before = snapshot(taken.performed, ())
    reason = noop("its order came after the exam")
    try:
        tie(taken, steps, context, reason)
    except RisError:
        return 0
    after = snapshot(taken.performed, steps)
    record(taken.performed, CorrectionKind.MATCHED_LATER, before, after, reason, context)
    after_tying(taken.performed, context)
    return 1


def _own(row: PerformedProcedureStep, context: Context) -> int:
    performed = taken_by_key(str(row.public_id)).performed
    patient = find_patient(_identifiers(performed))
    if patient is None or performed.patient_id is not None:
        return 0
    performed.patient = patient
    touch(performed, "patient")
    context.emit(
        PerformedStepMoved(
            performed=str(performed.public_id),
            previous_patient="",
            reason="the patient's number became known after the exam",
        ),
        subject=performed,
        patient=patient,
    )
    return 1


# --- the end was never told


def silent(hours: int, now: datetime) -> list[tuple[PerformedProcedureStep, datetime]]:
    """Exams in progress of which their modality has said nothing since a time, for too long."""
    own = {
        ae_title: value
        for ae_title, settings in Device.objects.values_list("ae_title", "settings")
        if isinstance(value := settings.get(CLOSE_HOURS), int)
    }
    limits = [value for value in (hours, *own.values()) if value > 0]
    if not limits:
        return []
    rows = PerformedProcedureStep.objects.filter(
        status=PerformedStatus.IN_PROGRESS.value,
        origin=Origin.MPPS.value,
        updated_at__lt=now - timedelta(hours=min(limits)),
    ).defer("dataset")
    found = []
    for row in rows.order_by("id")[:200]:
        limit = own.get(row.station_ae_title, hours)
        since = now - timedelta(hours=limit)
        if limit > 0 and row.updated_at < since:
            found.append((row, since))
    return found


def closable(hours: int) -> bool:
    """Whether :class:`ClosePerformedSteps` would end anything; reads only."""
    return bool(silent(hours, _clock.now()))


def close_performed_steps(command: ClosePerformedSteps, context: Context) -> int:
    """PS3.4 F.7.2.2.3: the provider may end what the modality will not; a later N-SET gets A710.

    With images reported it counts as completed, so that it is read; else as discontinued. Either
    way a person is asked, and may set it right.
    """
    rows = silent(command.hours, context.now)
    for row, since in rows:
        _close(row, since, context)
    return len(rows)


def _close(row: PerformedProcedureStep, since: datetime, context: Context) -> None:
    taken = taken_by_key(str(row.public_id))
    performed, steps = taken.performed, taken.steps
    if performed.status != PerformedStatus.IN_PROGRESS.value:
        return
    has_images = performed.series.filter(instance_count__gt=0).exists()
    reason = reason_of(Code(UNSPECIFIED, "DCM")) or Reason(UNSPECIFIED, "")
    ended_at = max(performed.updated_at, performed.started_at)
    performed.ended_at = performed.ended_at or ended_at
    performed.flags = [*performed.flags, noop("ended by the clock: the device told no end")]
    if not has_images:
        performed.discontinuation_reason = reason.code.as_json()
    move(
        performed,
        PERFORMED_STEP,
        PerformedTrigger.COMPLETE if has_images else PerformedTrigger.DISCONTINUE,
        "ended_at",
        "flags",
        "discontinuation_reason",
    )
    # What a person began of the same exam ends with it: nobody else would end that.
    ended: list[PerformedProcedureStep] = []
    if not has_images:
        ended = by_hand.discontinue(taken, context, mistaken=False, abandoned=False, before=since)
    if steps:
        note_end(steps, performed.ended_at)
        follow(steps, performed)
    if has_images:
        by_hand.complete(taken, context, before=since)
    by_hand.tell_discontinued(taken, ended, (), context)
    done = done_with(taken.orders)
    over = {str(order.public_id) for order in taken.orders if order.pk in done}
    key = str(performed.public_id)

    def make(
        order: str, named: tuple[str, ...], leading: bool
    ) -> PerformedStepCompleted | PerformedStepDiscontinued:
        if has_images:
            return PerformedStepCompleted(
                performed=key, order=order, steps=named, all_done=order in over, leading=leading
            )
        return PerformedStepDiscontinued(
            performed=key,
            order=order,
            steps=named,
            reason=reason.value,
            all_done=order in over,
            leading=leading,
        )

    tell(context, performed, taken.orders, steps, make)
    detail = (
        noop("counted as completed: it has images")
        if has_images
        else noop("counted as discontinued")
    )
    if not steps:
        raise_follow_up(performed, FollowUpKind.CLOSED, context, detail=detail)
    for step in steps:
        raise_follow_up(performed, FollowUpKind.CLOSED, context, step=step, detail=detail)
    after_ending(performed, context)
