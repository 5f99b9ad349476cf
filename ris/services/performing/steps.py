"""Start, update and end performed steps.

Step and performed step move in one transaction (PS3.4 F.7; IHE RAD TF-2 4.6, 4.7). A scanner is
never refused because of what we do not know: what fits no step is kept and shown as an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from django.db.models import BigIntegerField
from django.utils.translation import gettext_noop as noop

from ris.domain.discontinuation import (
    INCORRECT_WORKLIST_ENTRY,
    FollowUpKind,
    stays_to_be_done,
)
from ris.domain.errors import DuplicateKeyError, StateConflictError
from ris.domain.identifiers import require_sent_uid
from ris.domain.orders import OrderStatus, StepStatus
from ris.domain.performing import (
    ONLY_EVIDENCE,
    PERFORMED_STEP,
    CompletePerformedStep,
    DiscontinuePerformedStep,
    Match,
    Origin,
    PerformedDetails,
    PerformedStatus,
    PerformedStepCompleted,
    PerformedStepDiscontinued,
    PerformedStepStarted,
    PerformedStepUpdated,
    PerformedTrigger,
    SeriesDetails,
    StartPerformedStep,
    UpdatePerformedStep,
)
from ris.domain.places import Place
from ris.domain.safety import Gate
from ris.domain.values import Code, Identifier
from ris.models import (
    Order,
    PerformedProcedureStep,
    PerformedSeries,
    ScheduledProcedureStep,
    driver,
)
from ris.models.base import uuid7
from ris.models.driver import Text
from ris.models.prepared import Given, Select, add_all
from ris.services._context import Context
from ris.services._locks import lock_orders
from ris.services._transition import move
from ris.services.dose.performed import after_ending
from ris.services.performing import by_hand
from ris.services.performing.corrections import quarantine
from ris.services.performing.follow_ups import (
    after_completion,
    after_discontinuation,
    after_return,
    drop_follow_ups,
    drop_plans,
    raise_follow_up,
)
from ris.services.performing.following import (
    bring_to_start,
    done_with,
    follow,
    note_aliases,
    note_end,
    performed_states,
    steps_named,
    take_back,
)
from ris.services.performing.matching import (
    Found,
    differences,
    find_patient,
    find_steps,
    is_evidence,
    is_named_otherwise,
    named_by_people,
    strangers,
)
from ris.services.performing.taking import taken_by_uid
from ris.services.performing.telling import public_ids, tell
from ris.services.safety import require_answered


def start_performed_step(command: StartPerformedStep, context: Context) -> str:
    uid = require_sent_uid(command.sop_instance_uid, Place.PERFORMED_UID)
    identifiers = _identifiers(command)
    found = (
        named_by_people(command.steps)
        if command.steps
        else find_steps(command.references, identifiers)
    )
    flags = list(command.flags)
    match = _match(command, found, identifiers, flags)
    locked = lock_orders(step.order for step in found)
    orders = {order.pk: order for order in locked}
    if match is Match.MATCHED:
        match = _unless_named_otherwise(command, locked, identifiers, flags)
    if match is Match.MATCHED and _is_void(locked):
        match = Match.UNMATCHED
        flags.append(noop("the order had been marked as entered in error"))
    linked = steps_named(orders, [step.pk for step in found]) if match is Match.MATCHED else []
    if linked:
        flags += differences(command.references, found)
    if command.origin is Origin.MANUAL:  # a scanner is never refused (ris.services.unsafe_starts)
        for step in linked:
            require_answered(step, Gate.START)
    if any(step.status == StepStatus.COMPLETED.value for step in linked):
        flags.append(noop("appended to a completed step"))
    canceled = [step for step in linked if step.status == StepStatus.CANCELED.value]
    if canceled:
        flags.append(noop("the step had been canceled; it is open again"))
    if any(step.procedure.order.status == OrderStatus.ON_HOLD.value for step in linked):
        flags.append(noop("the order had been on hold; the hold is over"))
    belongs = locked if match in {Match.MATCHED, Match.EVIDENCE} else []
    performed = _make(command, uid, match, flags, belongs, identifiers, context)
    _store(performed, linked)
    _link(performed, linked)
    if command.details.series:
        _add_series(performed, command.details)
    for step in linked:
        bring_to_start(step, performed.started_at, context)
    note_aliases(performed, linked)
    tell(
        context,
        performed,
        belongs,
        linked,
        lambda order, steps, leading: PerformedStepStarted(
            performed=str(performed.public_id),
            order=order,
            steps=steps,
            match=match.value,
            leading=leading,
        ),
    )
    for step in canceled:
        raise_follow_up(performed, FollowUpKind.REOPENED, context, step=step)
    return str(performed.public_id)


def _store(performed: PerformedProcedureStep, steps: Sequence[ScheduledProcedureStep]) -> None:
    """Raises DuplicateKeyError. The database decides, for two may come at the same moment.

    What is first performed for one step is named as the step is: who was told of an exam in
    preparation (FHIR Procedure) finds under the same id what became of it.
    """
    if len(steps) == 1:
        performed.public_id = steps[0].public_id
        if performed.insert_unless_known():
            return
        performed.public_id = uuid7()  # the name is given, or it is no new exam
    if not performed.insert_unless_known():
        raise DuplicateKeyError("this SOP Instance UID is known already", path=Place.PERFORMED_UID)


def _link(performed: PerformedProcedureStep, steps: Sequence[ScheduledProcedureStep]) -> None:
    """Tie a new performed step to its scheduled ones; it has no others to compare with."""
    connection = driver.here()
    for step in steps:
        driver.count(connection, _linking(connection.vendor), [performed.pk, step.pk])


@cache
def _linking(vendor: str) -> Text:
    return Text(
        "INSERT INTO ris_performedprocedurestep_steps"
        " (performedprocedurestep_id, scheduledprocedurestep_id) VALUES (%s, %s)"
        " ON CONFLICT DO NOTHING",
        vendor,
    )


def _identifiers(command: StartPerformedStep) -> tuple[Identifier, ...]:
    own = (command.patient_identifier,) if command.patient_identifier else ()
    return (*own, *command.other_identifiers)


def _match(
    command: StartPerformedStep,
    found: Sequence[Found],
    identifiers: Sequence[Identifier],
    flags: list[str],
) -> Match:
    if not found:
        if command.modality in ONLY_EVIDENCE:
            return Match.EVIDENCE  # of images we know nothing of, priors for one
        named = any(reference.names_a_step for reference in command.references)
        return Match.UNMATCHED if named else Match.UNSCHEDULED
    patients = {step.patient for step in found}
    if len(patients) > 1:
        flags.append(noop("the scheduled steps belong to different patients"))
        return Match.MISMATCH
    if strangers(identifiers, patients):
        flags.append(noop("the patient is not the one of the scheduled step"))
        return Match.MISMATCH
    if is_evidence(command.modality, found):
        return Match.EVIDENCE
    return Match.MATCHED


def _unless_named_otherwise(
    command: StartPerformedStep,
    orders: Sequence[Order],
    identifiers: Sequence[Identifier],
    flags: list[str],
) -> Match:
    """Whose name and birth date were sent decides where no number was; else it is only noted.

    A number may have been typed at the device, and the rest been left as the worklist had it.
    """
    name, born = command.patient_name, command.patient_birth_date
    if not any(is_named_otherwise(name, born, order.patient) for order in orders):
        return Match.MATCHED
    if any(identifier.value for identifier in identifiers):
        flags.append(noop("the name sent is not the one of the scheduled step's patient"))
        return Match.MATCHED
    flags.append(noop("the patient is not the one of the scheduled step"))
    return Match.MISMATCH


def _is_void(orders: Sequence[Order]) -> bool:
    return any(order.status == OrderStatus.ENTERED_IN_ERROR.value for order in orders)


def _make(
    command: StartPerformedStep,
    uid: str,
    match: Match,
    flags: list[str],
    orders: Sequence[Order],
    identifiers: Sequence[Identifier],
    context: Context,
) -> PerformedProcedureStep:
    order = orders[0] if orders else None
    identifier = command.patient_identifier
    details = command.details
    study_uid = next((r.study_instance_uid for r in command.references if r.study_instance_uid), "")
    return PerformedProcedureStep(
        sop_instance_uid=uid,
        match=match.value,
        origin=command.origin.value,
        order=order,
        patient=order.patient if order else find_patient(identifiers),
        started_at=command.started_at,
        ended_at=None,
        station_ae_title=command.station_ae_title[:16],
        station_name=command.station_name[:16],
        location=command.location[:16],
        modality=command.modality[:16],
        performed_step_id=command.performed_step_id[:64],
        study_id=command.study_id[:64],
        study_instance_uid=study_uid,
        patient_identifier=identifier.value if identifier else "",
        patient_issuer=identifier.issuer if identifier else "",
        other_identifiers=[[one.value, one.issuer] for one in command.other_identifiers] or None,
        patient_name=command.patient_name,
        patient_birth_date=command.patient_birth_date,
        patient_sex=command.patient_sex[:16],
        references=[reference.as_json() for reference in command.references],
        description=(details.description or "")[:200],
        procedure_codes=[code.as_json() for code in details.procedure_codes or ()],
        protocol_codes=[code.as_json() for code in details.protocol_codes or ()],
        comments=details.comments or "",
        dataset=command.dataset,
        flags=flags,
        resolved_at=context.now if match is Match.EVIDENCE else None,  # nothing is to be done
    )


def _replace_series(performed: PerformedProcedureStep, details: PerformedDetails) -> None:
    """A sequence replaces the stored one whole (PS3.4 F.7.2.2.2)."""
    if details.series is None:
        return
    if _SERIES.first(performed=performed.pk) is not None:
        performed.series.all().delete()
    _add_series(performed, details)


_SERIES = Select(
    lambda: PerformedSeries.objects.only("pk").filter(
        performed=Given("performed", BigIntegerField())
    )[:1]
)


def _add_series(performed: PerformedProcedureStep, details: PerformedDetails) -> None:
    unique: dict[str, SeriesDetails] = {}
    for series in details.series or ():
        # Some devices send an item for each image: together they are the series.
        known = unique.get(series.series_instance_uid)
        count = series.instance_count + (known.instance_count if known else 0)
        unique[series.series_instance_uid] = replace(series, instance_count=count)
    add_all(
        [
            PerformedSeries(
                performed=performed,
                series_instance_uid=series.series_instance_uid,
                protocol_name=series.protocol_name[:64],
                description=series.description[:64],
                modality=series.modality[:16],
                retrieve_ae_title=series.retrieve_ae_title[:16],
                performing_physician=series.performing_physician[:324],
                operators=list(series.operators),
                instance_count=series.instance_count,
            )
            for series in unique.values()
        ]
    )


_DETAIL_FIELDS = (
    "ended_at",
    "description",
    "procedure_codes",
    "protocol_codes",
    "comments",
    "discontinuation_reason",
    "dataset",
    "flags",
)


def _apply(
    performed: PerformedProcedureStep,
    details: PerformedDetails,
    dataset: dict[str, Any],
    flags: Sequence[str],
) -> None:
    if performed.status != PerformedStatus.IN_PROGRESS.value:
        raise StateConflictError(
            "performed procedure step may no longer be updated",
            path=Place.PERFORMED_STATUS,
            details={"final": True},
        )
    added = list(flags)
    if details.ended_at is not None:
        performed.ended_at = max(details.ended_at, performed.started_at)
        if details.ended_at < performed.started_at:
            added.append(noop("the end time sent was before the start time"))
    if details.description is not None:
        performed.description = details.description[:200]
    if details.procedure_codes is not None:
        performed.procedure_codes = [code.as_json() for code in details.procedure_codes]
    if details.protocol_codes is not None:
        performed.protocol_codes = [code.as_json() for code in details.protocol_codes]
    if details.comments is not None:
        performed.comments = details.comments
    if details.discontinuation_reason is not None:
        performed.discontinuation_reason = details.discontinuation_reason.as_json()
    performed.dataset = {**performed.dataset, **dataset}
    performed.flags = list(dict.fromkeys([*performed.flags, *added]))
    _replace_series(performed, details)


def update_performed_step(command: UpdatePerformedStep, context: Context) -> None:
    taken = taken_by_uid(command.sop_instance_uid)
    performed = taken.performed
    _apply(performed, command.details, command.dataset, command.flags)
    move(performed, PERFORMED_STEP, PerformedTrigger.UPDATE, *_DETAIL_FIELDS)
    tell(
        context,
        performed,
        taken.orders,
        taken.steps,
        lambda order, steps, leading: PerformedStepUpdated(
            performed=str(performed.public_id), order=order, leading=leading
        ),
    )


def complete_performed_step(command: CompletePerformedStep, context: Context) -> None:
    taken = taken_by_uid(command.sop_instance_uid)
    performed, steps = taken.performed, taken.steps
    _apply(performed, command.details, command.dataset, command.flags)
    performed.ended_at = performed.ended_at or max(context.now, performed.started_at)
    move(performed, PERFORMED_STEP, PerformedTrigger.COMPLETE, *_DETAIL_FIELDS)
    if steps:
        note_end(steps, performed.ended_at)
    if steps and follow(steps, performed):
        if any(step.status == StepStatus.STARTED.value for step in steps):
            by_hand.complete(taken, context)
        drop_plans(steps, context)
    done = done_with(taken.orders)
    over = {str(order.public_id) for order in taken.orders if order.pk in done}
    tell(
        context,
        performed,
        taken.orders,
        steps,
        lambda order, named, leading: PerformedStepCompleted(
            performed=str(performed.public_id),
            order=order,
            steps=named,
            all_done=order in over,
            leading=leading,
        ),
    )
    after_completion(performed, steps, context)
    _ask_no_more(performed, context)
    after_ending(performed, context)


def discontinue_performed_step(command: DiscontinuePerformedStep, context: Context) -> None:
    taken = taken_by_uid(command.sop_instance_uid)
    performed, steps = taken.performed, taken.steps
    _apply(performed, command.details, command.dataset, command.flags)
    performed.ended_at = performed.ended_at or max(context.now, performed.started_at)
    move(performed, PERFORMED_STEP, PerformedTrigger.DISCONTINUE, *_DETAIL_FIELDS)
    reason = Code.from_json(performed.discontinuation_reason)
    mistaken = reason.value == INCORRECT_WORKLIST_ENTRY
    abandoned = _is_abandoned(performed, reason)
    with_it = by_hand.discontinue(taken, context, mistaken=mistaken, abandoned=abandoned)
    returned: list[ScheduledProcedureStep] = []
    if mistaken:
        returned = _give_back(performed, steps, context)
        quarantine(performed, steps, context)
    elif abandoned:
        performed.abandoned = bool(steps)
        returned = _give_back(performed, steps, context)
        if returned:
            performed.flags = [
                *performed.flags,
                noop("ended without an image: back on the worklist"),
            ]
        performed.save(update_fields=["abandoned", "flags"])
    after_return(performed, returned, context)
    rest = [step for step in steps if step not in returned]
    if rest and (mistaken or performed.abandoned):
        follow(rest)
    elif rest:
        note_end(rest, performed.ended_at)
        follow(rest, performed)
    by_hand.tell_discontinued(taken, with_it, returned, context)
    done = done_with(taken.orders)
    over = {str(order.public_id) for order in taken.orders if order.pk in done}
    back = set(public_ids(returned))
    tell(
        context,
        performed,
        taken.orders,
        steps,
        lambda order, named, leading: PerformedStepDiscontinued(
            performed=str(performed.public_id),
            order=order,
            steps=named,
            reason=reason.value,
            all_done=order in over,
            returned=tuple(step for step in named if step in back),
            leading=leading,
        ),
    )
    if not mistaken:
        after_discontinuation(performed, reason, rest, context)
    _ask_no_more(performed, context)
    after_ending(performed, context)


def _ask_no_more(performed: PerformedProcedureStep, context: Context) -> None:
    """A person has ended what a device's end was asked about."""
    if performed.origin == Origin.MANUAL.value:
        drop_follow_ups(performed, context, "it was ended", kind=FollowUpKind.BY_HAND)


def _is_abandoned(performed: PerformedProcedureStep, reason: Code) -> bool:
    """Whether a device ended without any image, for a reason that leaves the step to be done."""
    return (
        performed.origin == Origin.MPPS.value
        and stays_to_be_done(reason)
        and not performed.series.filter(instance_count__gt=0).exists()
    )


def _give_back(
    performed: PerformedProcedureStep, steps: Sequence[ScheduledProcedureStep], context: Context
) -> list[ScheduledProcedureStep]:
    """Return the steps for which nothing else was performed to the worklist; which ones."""
    others = performed_states(steps, without=performed)
    returned = [step for step in steps if step.pk not in others]
    for step in returned:
        take_back(step, context)
    return returned
