"""Find the exam of a dose document: by what it names, else by patient, device and time.

Never guessed: two exams that fit, or a patient that does not, leave it to a person (DOSE-05).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils.translation import gettext_noop as noop

from ris.domain.dose import DoseLinked, DoseMatch, DoseSource
from ris.domain.identifiers import same_issuer
from ris.domain.orders import StepStatus
from ris.domain.performing import Match
from ris.domain.values import Identifier
from ris.models import (
    DoseRecord,
    Order,
    PerformedProcedureStep,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.services._context import Context
from ris.services.dose.totals import recompute, sharing_orders

# Clocks of devices differ; an exam that never ended is over after so long.
_SLACK = timedelta(minutes=30)
_LONGEST = timedelta(hours=12)

_MISMATCH = noop("the patient is not the one of the exam it names")
_TWO = noop("accession number and Study Instance UID name different orders")
_WRONG_ENTRY = noop("the exam was ended as the wrong worklist entry")
_TAKEN_AWAY = noop("the exam was taken from this order")
_PROBLEMS = frozenset({_MISMATCH, _TWO, _WRONG_ENTRY, _TAKEN_AWAY})


@dataclass(frozen=True, slots=True)
class _Found:
    order: Order | None = None
    how: str = ""
    problem: str = ""
    patient_known: bool = False  # decided with the performed step already, maybe by a person


def join(record: DoseRecord) -> None:
    """Tie the record to its exam if there is exactly one; say why not if there is none."""
    record.performed = record.performed or performed_of(record)
    found = _find(record)
    order, problem, match = found.order, found.problem, DoseMatch.WAITING
    if order is not None:
        match = DoseMatch.MATCHED
        if not found.patient_known and _is_stranger(record, order):
            match, order, problem = DoseMatch.MISMATCH, None, _MISMATCH
    tie(record, order, match, found.how if order else "")
    kept = [flag for flag in record.flags if flag not in _PROBLEMS]
    record.flags = [*kept, problem] if problem else kept
    record.save()


def performed_of(record: DoseRecord) -> PerformedProcedureStep | None:
    """The performed step that the document names, if it is known by now."""
    if not record.performed_uids:
        return None
    return (
        PerformedProcedureStep.objects.select_related("order__patient")
        .filter(sop_instance_uid__in=record.performed_uids)
        .order_by("-id")
        .first()
    )


def join_again(record: DoseRecord, context: Context) -> bool:
    """Find its exam anew; whether that is another one now, which is then told."""
    before, previous = sharing_orders(record), record.order
    join(record)
    if record.order_id == (previous.pk if previous else None):
        return False
    emit_linked(record, previous, context, how=record.joined_by)
    recompute(before | sharing_orders(record), context)
    return True


def emit_linked(
    record: DoseRecord, previous: Order | None, context: Context, *, how: str, reason: str = ""
) -> None:
    context.emit(
        DoseLinked(
            dose=str(record.public_id),
            order=str(record.order.public_id) if record.order else "",
            previous_order=str(previous.public_id) if previous else "",
            how=how,
            reason=reason,
        ),
        subject=record,
        order=record.order or previous,
    )


def tie(
    record: DoseRecord,
    order: Order | None,
    match: DoseMatch,
    how: str,
    procedure: RequestedProcedure | None = None,
) -> None:
    """Set what the record belongs to; the caller saves."""
    record.order = order
    record.match = match.value
    record.joined_by = how
    record.procedure = procedure or (_procedure_of(record, order) if order else None)


def _procedure_of(record: DoseRecord, order: Order) -> RequestedProcedure | None:
    procedures = list(order.procedures.all())
    if len(procedures) == 1:
        return procedures[0]
    named = [p for p in procedures if p.study_instance_uid == record.study_instance_uid]
    return named[0] if named else None


def _is_stranger(record: DoseRecord, order: Order) -> bool:
    # Imported when needed: what is performed records its dose with this package.
    from ris.services.performing.matching import strangers

    return bool(strangers(_identifiers(record), [order.patient_id]))


def _identifiers(record: DoseRecord) -> list[Identifier]:
    if not record.patient_identifier:
        return []
    return [Identifier(record.patient_identifier, record.patient_issuer)]


def _find(record: DoseRecord) -> _Found:
    exams = _exams_of(record)
    if exams and all(exam.match == Match.QUARANTINED.value for exam in exams):
        return _Found(problem=_WRONG_ENTRY)
    if record.source == DoseSource.MPPS.value:
        performed = record.performed
        if performed is None or performed.match != Match.MATCHED.value:
            return _Found()
        return _Found(performed.order, "performed procedure step", patient_known=True)
    if exams and all(exam.was_taken_away for exam in exams):
        return _Found(problem=_TAKEN_AWAY)
    tied = _orders_of(_tied_by_people(exams, named=bool(_named(record))))
    if len(tied) == 1:
        return _Found(tied[0], "performed procedure step, tied by hand", patient_known=True)
    accession = _by_accession(record)
    study = _by_study(record)
    if accession is not None and study and accession not in study:
        return _Found(problem=_TWO)
    if accession is not None:
        return _Found(accession, "accession number")
    if len(study) == 1:
        return _Found(study[0], "Study Instance UID")
    made = _orders_of(_performed_named(record))
    if len(made) == 1:
        return _Found(made[0], "performed procedure step")
    if not study and not made:
        nearby = _by_patient_device_time(record)
        if nearby is not None:
            return _Found(nearby, "patient, device and time")
    return _Found()


def _by_accession(record: DoseRecord) -> Order | None:
    if not record.accession_number:
        return None
    rows = Order.objects.select_related("patient").filter(accession_number=record.accession_number)
    issuer = record.accession_issuer
    found = [order for order in rows[:9] if same_issuer(order.accession_issuer, issuer)]
    exact = [order for order in found if issuer and order.accession_issuer]
    found = exact or found
    return found[0] if len(found) == 1 else None


def _by_study(record: DoseRecord) -> list[Order]:
    """The orders of a study: as ordered, or as performed under a UID of the device's own."""
    uid = record.study_instance_uid
    if not uid:
        return []
    ordered = Order.objects.select_related("patient").filter(procedures__study_instance_uid=uid)
    found = list(ordered[:2])
    if found:
        return found
    return _orders_of(
        list(
            PerformedProcedureStep.objects.select_related("order__patient").filter(
                study_instance_uid=uid, match=Match.MATCHED.value
            )[:20]
        )
    )


def _performed_named(record: DoseRecord) -> list[PerformedProcedureStep]:
    return list(
        PerformedProcedureStep.objects.select_related("order__patient").filter(
            sop_instance_uid__in=_named(record), match=Match.MATCHED.value
        )
    )


def _orders_of(performed: list[PerformedProcedureStep]) -> list[Order]:
    """The orders that steps were performed for, each once; a step may be for several (group)."""
    found: dict[int, Order] = {}
    for row in performed:
        if row.order is not None:
            found[row.order.pk] = row.order
        for step in row.steps.select_related("procedure__order__patient"):
            found[step.procedure.order_id] = step.procedure.order
    return list(found.values())


def _named(record: DoseRecord) -> list[str]:
    return [uid for uid in [*record.performed_uids, record.scope_uid] if uid]


def _exams_of(record: DoseRecord) -> list[PerformedProcedureStep]:
    """What a document tells of: the steps that it names, else its study's exams at that time."""
    rows = PerformedProcedureStep.objects.select_related("order__patient").defer("dataset")
    exams = list(rows.filter(sop_instance_uid__in=_named(record)))
    if exams or not record.study_instance_uid or record.started_at is None:
        return exams
    at_that_time = rows.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gte=record.started_at - _SLACK),
        study_instance_uid=record.study_instance_uid,
        started_at__lte=record.started_at + _SLACK,
    )
    return list(at_that_time.exclude(match=Match.EVIDENCE.value)[:20])


def _tied_by_people(
    exams: list[PerformedProcedureStep], *, named: bool
) -> list[PerformedProcedureStep]:
    """The exams that people gave to an order.

    Where a document names none, it is theirs only if it can be of no other.
    """
    tied = [
        exam for exam in exams if exam.match == Match.MATCHED.value and exam.resolved_at is not None
    ]
    return tied if named or len(tied) == len(exams) else []


_DONE = (StepStatus.STARTED.value, StepStatus.COMPLETED.value, StepStatus.DISCONTINUED.value)


def _by_patient_device_time(record: DoseRecord) -> Order | None:
    """The only exam of the patient on that device at that time."""
    from ris.services.performing.matching import find_patient

    patient = find_patient(_identifiers(record))
    stations = [name for name in (record.ae_title, record.station_name) if name]
    if patient is None or record.started_at is None or not stations:
        return None
    begin = record.started_at - _SLACK
    end = (record.ended_at or record.started_at) + _SLACK
    on_device = Q(station_ae_title__in=stations) | Q(station_name__in=stations)
    performed = PerformedProcedureStep.objects.select_related("order__patient").filter(
        on_device,
        order__patient=patient,
        match=Match.MATCHED.value,
        started_at__lte=end,
        started_at__gte=begin - _LONGEST,
    )
    orders = _orders_of(
        [row for row in performed[:20] if (row.ended_at or row.started_at + _LONGEST) >= begin]
    )
    if orders:
        return orders[0] if len(orders) == 1 else None
    steps = ScheduledProcedureStep.objects.select_related("procedure__order__patient").filter(
        on_device,
        procedure__order__patient=patient,
        status__in=_DONE,
        start_at__gte=begin - _LONGEST,
        start_at__lte=end + _LONGEST,
    )
    by_step = {step.procedure.order_id: step.procedure.order for step in steps[:20]}
    return next(iter(by_step.values())) if len(by_step) == 1 else None
