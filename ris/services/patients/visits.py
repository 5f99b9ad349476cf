"""Visits: what orders and ADT say of them, how they stand, what becomes of their orders.

No order is ever ended because its visit was: what is open then waits for a person.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db.models import CharField, Q, QuerySet

from ris.domain.errors import (
    DuplicateKeyError,
    IllegalTransitionError,
    MissingValueError,
    StateConflictError,
    UnknownKeyError,
)
from ris.domain.limits import OF_VISIT
from ris.domain.orders import OrderStatus
from ris.domain.patients import (
    VISIT,
    AccountChanged,
    MergeAccounts,
    MergeVisits,
    MoveVisits,
    PatientClass,
    SettleVisit,
    UpdateVisit,
    VisitDetails,
    VisitSettled,
    VisitsMerged,
    VisitsMoved,
    VisitStatus,
    VisitTrigger,
    VisitUpdated,
)
from ris.domain.places import Place
from ris.domain.values import Identifier, require_text
from ris.models import Order, Patient, Visit
from ris.models.prepared import Given, Select
from ris.services._context import Context
from ris.services._locks import lock_orders, public_key
from ris.services._transition import move, touch
from ris.services.patients import holdings
from ris.services.patients.finding import lock_patients, require

OPEN_ORDERS = (OrderStatus.ACTIVE.value, OrderStatus.ON_HOLD.value)

_VISIT = Select(
    lambda: Visit.objects.filter(
        issuer=Given("issuer", CharField()), number=Given("number", CharField())
    )
)


def find_visit(number: Identifier) -> Visit | None:
    """The visit of this number, or the one that took it over."""
    row = _VISIT.first(issuer=number.issuer, number=number.value)
    while row is not None and row.merged_into_id is not None:
        row = Visit.objects.get(pk=row.merged_into_id)
    return row


def record_visit(patient: Patient, visit: VisitDetails | None) -> Visit | None:
    """Create or update the visit named by its number; None if there is no number."""
    if visit is None or not visit.number.value:
        return None
    return _store(patient, visit)[0]


def _store(patient: Patient, visit: VisitDetails) -> tuple[Visit, list[str]]:
    """The visit with what is said of it, and the names of what changed."""
    issuer = visit.number.issuer
    number = require_text(visit.number.value, path=Place.VISIT, limit=64, name="visit number")
    said = _said(visit)
    row = find_visit(Identifier(number, issuer))
    if row is None:
        row = Visit(issuer=issuer, number=number, patient=patient, **said)
        if row.insert_unless_known():
            return row, ["number"]
        row = Visit.objects.get(issuer=issuer, number=number)  # another transaction was quicker
    if row.patient_id != patient.pk:
        raise DuplicateKeyError("this visit belongs to another patient", path=Place.VISIT)
    changed = [name for name, value in said.items() if getattr(row, name) != value]
    if "location" in changed and row.location:
        said["prior_location"] = row.location
        changed.append("prior_location")
    if changed:
        for name in changed:
            setattr(row, name, said[name])
        touch(row, *changed)
    return row, [name for name in changed if name != "prior_location"]


def _said(visit: VisitDetails) -> dict[str, Any]:
    """Column → value. What a sender leaves out is not said: an order's PV1 is often thin."""
    said: dict[str, Any] = {}
    if visit.patient_class is not PatientClass.UNKNOWN:
        said["patient_class"] = visit.patient_class.value
    if visit.location is not None:
        said["location"] = require_text(
            visit.location, path=Place.VISIT_LOCATION, limit=OF_VISIT["location"], name="location"
        )
    for name in ("attending", "referring"):
        person = getattr(visit, name)
        if person is not None:
            said[name] = str(person)
    if visit.account is not None and visit.account.value:
        said["account"] = require_text(
            visit.account.value, path=Place.ACCOUNT, limit=64, name="account number"
        )
        said["account_issuer"] = visit.account.issuer
    for name in ("started_at", "ended_at"):
        at = getattr(visit, name)
        if at is not None:
            said[name] = at
    return said


# --- how a visit stands ---------------------------------------------------------------------------


def follow(
    patient: Patient,
    visit: VisitDetails,
    trigger: VisitTrigger | None,
    prior: Identifier | None,
    context: Context,
) -> Visit:
    """Store what is said of the visit, take it through ``trigger``, and say so."""
    if prior is not None and prior.value and prior != visit.number:
        _take_over(patient, visit.number, prior, context)
    row, changed = _store(patient, visit)
    before = row.status
    if trigger is not None:
        _move(row, trigger, visit, context)
    if changed or row.status != before:
        context.emit(
            VisitUpdated(
                patient=str(patient.public_id),
                visit=str(row.public_id),
                status=VisitStatus(row.status),
                changed=tuple(changed),
                orders=_open_orders(row).count() if row.ended_at else 0,
            ),
            subject=row,
            patient=patient,
        )
    else:
        context.about(row)
    return row


_WORDS = {
    VisitStatus.FINISHED: "the patient was discharged",
    VisitStatus.CANCELED: "the visit was canceled",
    VisitStatus.IN_PROGRESS: "the patient was admitted",
}


def _move(row: Visit, trigger: VisitTrigger, visit: VisitDetails, context: Context) -> None:
    state = VisitStatus(row.status)
    try:
        following = VISIT.next(state, trigger)
    except IllegalTransitionError as error:
        raise StateConflictError(
            f"{_WORDS.get(state, 'the visit stands otherwise')} already",
            path=Place.VISIT,
            details=error.details,
        ) from None
    if following is state:
        return
    # What a person decided was about the visit as it stood.
    row.settled_at, row.settled_by, row.settled_note = None, "", ""
    if following in {VisitStatus.FINISHED, VisitStatus.CANCELED}:
        row.ended_at = visit.ended_at or context.now
    elif following is VisitStatus.IN_PROGRESS:
        row.ended_at = None
        row.started_at = visit.started_at or row.started_at or context.now
    move(
        row,
        VISIT,
        trigger,
        *("settled_at", "settled_by", "settled_note", "started_at", "ended_at"),
    )


def _open_orders(visit: Visit) -> QuerySet[Order]:
    return Order.objects.filter(visit=visit, status__in=OPEN_ORDERS)


def _require_visit(patient: Patient, number: Identifier, path: str = Place.VISIT) -> Visit:
    if not number.value:
        raise MissingValueError("the visit number is required", path=path)
    row = find_visit(number)
    if row is None:
        raise UnknownKeyError("no such visit", path=path)
    if row.patient_id != patient.pk:
        raise DuplicateKeyError("this visit belongs to another patient", path=path)
    return row


def update_visit(command: UpdateVisit, context: Context) -> str:
    patient = require(command.patient)
    row = _require_visit(patient, command.visit.number)
    visit = command.visit
    if command.undo_transfer and visit.location is None and row.prior_location:
        visit = replace(visit, location=row.prior_location)
    return str(follow(patient, visit, command.trigger, None, context).public_id)


def settle_visit(command: SettleVisit, context: Context) -> None:
    row = (
        Visit.objects.select_for_update(of=("self",))
        .select_related("patient")
        .filter(public_id=public_key(command.visit, "visit"))
        .first()
    )
    if row is None:
        raise UnknownKeyError("no such visit")
    if row.status not in {VisitStatus.FINISHED.value, VisitStatus.CANCELED.value}:
        raise StateConflictError("this visit has not ended")
    if not command.note.strip():
        raise MissingValueError("say why the orders stay", path="note")
    row.settled_at, row.settled_by = context.now, context.actor.name
    row.settled_note = command.note.strip()
    touch(row, "settled_at", "settled_by", "settled_note")
    context.emit(
        VisitSettled(
            patient=str(row.patient.public_id), visit=str(row.public_id), note=row.settled_note
        ),
        subject=row,
        patient=row.patient,
    )


# --- other numbers, other accounts ----------------------------------------------------------------


def merge_visits(command: MergeVisits, context: Context) -> str:
    patient = require(command.patient)
    if command.visit == command.prior:
        raise StateConflictError("this is one visit already", path=Place.PRIOR_VISIT)
    current, prior = find_visit(command.visit), find_visit(command.prior)
    if prior is None and current is not None and current.patient_id == patient.pk:
        if not command.rename:
            raise UnknownKeyError("no such visit", path=Place.PRIOR_VISIT)
        context.about(current)  # told before: the prior number is gone
        return str(current.public_id)
    _require_visit(patient, command.prior, Place.PRIOR_VISIT)
    if command.rename and current is not None and current != prior:
        raise DuplicateKeyError("this visit number is known already", path=Place.VISIT)
    row = _take_over(patient, command.visit, command.prior, context)
    return str(row.public_id)


def _take_over(patient: Patient, number: Identifier, prior: Identifier, context: Context) -> Visit:
    """The visit ``number`` with all that was the prior one's; renamed or merged."""
    row, current = find_visit(prior), find_visit(number)
    if row is None or row == current or row.patient_id != patient.pk:
        if current is None:
            return _store(patient, VisitDetails(number=number))[0]
        return current
    if current is None:
        previous = row.number
        row.number = require_text(number.value, path=Place.VISIT, limit=64, name="visit number")
        row.issuer = number.issuer
        touch(row, "number", "issuer")
        told = VisitsMerged(
            patient=str(patient.public_id), visit=str(row.public_id), previous=previous
        )
    else:
        if current.patient_id != patient.pk:
            raise DuplicateKeyError("this visit belongs to another patient", path=Place.VISIT)
        orders = list(Order.objects.filter(visit=row).values_list("id", flat=True))
        lock_orders(orders)
        holdings.tie_to_visit(orders, current)
        row.merged_into = current
        touch(row, "merged_into")
        told = VisitsMerged(
            patient=str(patient.public_id),
            visit=str(current.public_id),
            subsumed=str(row.public_id),
        )
        row = current
    context.emit(told, subject=row, patient=patient)
    return row


def _of_account(patient: Patient, account: Identifier) -> list[Visit]:
    """The patient's visits of an account; a visit without number of its own is named by it."""
    named = Q(account=account.value, account_issuer=account.issuer) | Q(
        number=account.value, issuer=account.issuer
    )
    return list(
        Visit.objects.select_for_update(of=("self",))
        .filter(named, patient=patient, merged_into=None)
        .order_by("id")
    )


def merge_accounts(command: MergeAccounts, context: Context) -> None:
    patient = require(command.patient)
    rows = _of_account(patient, command.prior)
    if not rows:
        if _of_account(patient, command.account):
            context.about(patient)  # told before, or never used here
            return
        raise UnknownKeyError("no visit has this account number", path=Place.PRIOR_ACCOUNT)
    for row in rows:
        if (row.number, row.issuer) == (command.prior.value, command.prior.issuer):
            row = _take_over(patient, command.account, command.prior, context)
        row.account, row.account_issuer = command.account.value, command.account.issuer
        touch(row, "account", "account_issuer")
    context.emit(
        AccountChanged(
            patient=str(patient.public_id),
            account=command.account.value,
            previous=command.prior.value,
            visits=tuple(str(row.public_id) for row in rows),
        ),
        subject=patient,
    )


# --- another patient ------------------------------------------------------------------------------


def move_visits(command: MoveVisits, context: Context) -> str:
    patient, previous = lock_patients([command.patient, command.previous])
    if previous is None:
        raise UnknownKeyError("no such patient", path=Place.PRIOR_PATIENT)
    if patient is None:
        raise UnknownKeyError("no such patient", path=Place.PATIENT)
    rows = _to_move(command, previous)
    if not rows:
        if _to_move(command, patient):  # told before
            context.about(patient)
            return str(patient.public_id)
        path = Place.PRIOR_VISIT if command.visit else Place.PRIOR_ACCOUNT
        raise UnknownKeyError("the previous patient has no such visit", path=path)
    if patient == previous:
        raise StateConflictError("these are one patient already", path=Place.PRIOR_PATIENT)
    visits = [row.pk for row in rows]
    orders = list(
        Order.objects.filter(visit__in=visits, patient=previous).values_list("id", flat=True)
    )
    lock_orders(orders)
    holdings.refuse_shared(orders, Place.PRIOR_PATIENT)
    holdings.give_orders(orders, patient, context.now)
    holdings.give_visits(visits, patient, context.now)
    if command.number is not None and command.visit is not None and command.number != command.visit:
        _take_over(patient, command.number, command.visit, context)
    for one in (patient, previous):
        touch(one)
    context.emit(
        VisitsMoved(
            patient=str(patient.public_id),
            previous=str(previous.public_id),
            visits=tuple(str(row.public_id) for row in rows),
            orders=holdings.public_ids(orders),
        ),
        subject=patient,
    )
    return str(patient.public_id)


def _to_move(command: MoveVisits, patient: Patient) -> list[Visit]:
    if command.visit is None:
        return _of_account(patient, command.account) if command.account is not None else []
    found = [find_visit(number) for number in (command.visit, command.number) if number is not None]
    return [row for row in found if row is not None and row.patient_id == patient.pk][:1]
