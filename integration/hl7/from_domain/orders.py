"""Events + order → what the placer hears of it: ORM^O01 to 2.4, OMG^O19 from 2.5 on (IHE RAD-3).

What each event says is a table (fhir.md 1.5). What changed comes from the event, so a late message
still says what happened then; the rest comes from the order as it is. What a placer hears of an
order that was born here, and has no number of it, is a setting (spec 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from integration.hl7 import bindings
from integration.hl7.bindings import Progress
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.order_steps import (
    Part,
    as_told,
    ends_with_more,
    first,
    named,
    steps,
    was_mistaken,
)
from integration.hl7.from_domain.segments import OBR, ORC, PID, PV1, TQ1, ToldOrder, row
from integration.hl7.profiles import Profile
from ris.domain.orders import PERFORMED, OrderStatus, Stage
from ris.domain.protocol import StoredEvent
from ris.selectors.views import OrderView, ProcedureView


class About(Enum):
    """Which procedures and steps of the order an event is about."""

    STEPS = "the steps it names"
    PROCEDURES = "all live procedures"
    EVERYTHING = "all procedures"


@dataclass(frozen=True, slots=True)
class Say:
    """What the placer is told; without ``progress`` what follows from the procedure's stage.

    ``requested`` replaces the order control when another system asked for the change.
    """

    control: str
    about: About
    progress: Progress | None = None
    requested: str = ""
    modifier: str = ""


_SCHEDULED = Progress("SC", "S")
_WAITING = Progress("IP", "O")
_IN_PROGRESS = Progress("IP", "I")
_CANCELED = Progress("CA", "X")

STATUS: Mapping[str, Say] = {
    "AppointmentBooked": Say("SC", About.STEPS, _SCHEDULED),
    "AppointmentMoved": Say("SC", About.STEPS, _SCHEDULED),
    "AppointmentCanceled": Say("SC", About.STEPS, _WAITING),
    "NoShowRecorded": Say("SC", About.STEPS, _WAITING),
    "PatientArrived": Say("SC", About.STEPS, _SCHEDULED, modifier="arrived"),
    "ArrivalUndone": Say("SC", About.STEPS, _SCHEDULED),
    "PerformedStepStarted": Say("SC", About.STEPS, _IN_PROGRESS),
    "PerformedStepCompleted": Say("SC", About.STEPS, _IN_PROGRESS),
    "PerformedStepDiscontinued": Say("SC", About.STEPS, _IN_PROGRESS),
    "PerformedStepRelinked": Say("SC", About.STEPS),
    "PerformedStepRevised": Say("SC", About.STEPS),
    "PerformedStepOrdered": Say("SC", About.EVERYTHING, _IN_PROGRESS),
    "StepCanceled": Say("OC", About.STEPS, requested="SC"),  # SC while its procedure goes on
    "ProcedureAdded": Say("XX", About.PROCEDURES),
    "OrderRevised": Say("XX", About.PROCEDURES),
    "OrderHeld": Say("OH", About.PROCEDURES, Progress("HD", ""), requested="SC"),
    "OrderReleased": Say("OE", About.PROCEDURES, requested="SC"),
    "OrderCanceled": Say("OC", About.EVERYTHING, _CANCELED, requested="SC"),
    "OrderDiscontinued": Say("OD", About.EVERYTHING, Progress("DC", "X"), requested="SC"),
    "OrderVoided": Say("OC", About.EVERYTHING, _CANCELED),
    "OrderCompleted": Say("SC", About.PROCEDURES, Progress("CM", "F")),
    "OrderReopened": Say("SC", About.PROCEDURES),
}

# An order of ours, which has no number of the placer: asked for, told as it is, or not told.
_BIRTH: Mapping[str, Say] = {
    "SN": Say("SN", About.EVERYTHING, Progress("", "")),
    "SN+NW": Say("SN", About.EVERYTHING, Progress("", "")),
    "NW": Say("NW", About.EVERYTHING),
}
# Then the placer gave its number: it hears the order, or how far it is by now.
_NUMBERED: Mapping[str, Say] = {
    "SN": Say("SC", About.EVERYTHING),
    "SN+NW": Say("NW", About.EVERYTHING),
}
# The order that stands for others; these are told as replaced in front of it.
_REPLACED = Say("RU", About.EVERYTHING, Progress("", ""))
_REPLACEMENT = Say("RO", About.EVERYTHING)
OF_OURS = ("OrderPlaced", "PlacerNumberAssigned", "OrderReplaced")
EVENTS = frozenset({*STATUS, *OF_OURS})

# What a placer may have asked for itself: then it has our answer and needs no message.
REQUESTS = frozenset(
    {
        "OrderHeld",
        "OrderReleased",
        "OrderCanceled",
        "OrderDiscontinued",
        "OrderRevised",
        "OrderReplaced",
    }
)


def order_status(
    event: StoredEvent,
    order: OrderView,
    profile: Profile,
    *,
    asked_by_receiver: bool,
    replaced: Sequence[OrderView] = (),
) -> Draft | None:
    """What the placer is told of an event; None if it is not concerned.

    ``replaced`` are the orders that this one stands for, where the event says so.
    """
    # A cancellation that came too early was refused: that it was done all the same is news.
    if asked_by_receiver and event.name in REQUESTS and not event.payload.get("early"):
        return None
    say = _say(event, order, profile)
    if say is None:
        return None
    told = [
        each
        for old in replaced
        for each in _told(event, old, _REPLACED, profile, _parts(event, old, _REPLACED.about))
    ]
    stands_for = replaced[0] if replaced else None
    told += [
        replace(each, replaces=stands_for)
        for each in _told(event, order, say, profile, _parts(event, order, say.about))
    ]
    return _draft(told, profile) if told else None


def _say(event: StoredEvent, order: OrderView, profile: Profile) -> Say | None:
    """What is said of an event; None for nothing."""
    own = profile.settings.own_orders
    is_nameless = not order.placer.value
    if event.name == "OrderPlaced":
        # What came from elsewhere without a number is known there by ours.
        return _BIRTH.get(own) if is_nameless and not order.source else None
    if event.name == "PlacerNumberAssigned":
        return _NUMBERED.get(own)
    if is_nameless and own != "NW":
        return None  # nobody there could tell which order is meant
    if event.name == "OrderReplaced":
        return _REPLACEMENT
    if event.name == "OrderCanceled" and event.payload.get("replaced"):
        return None  # told with the order that stands for it
    if event.name == "AppointmentCanceled" and ends_with_more(event, order):
        return None
    say = STATUS[event.name]
    if event.name == "StepCanceled" and not _ends_a_procedure(event, order):
        return replace(say, control="SC")
    return say


def _ends_a_procedure(event: StoredEvent, order: OrderView) -> bool:
    return any(procedure.stage is Stage.CANCELED for procedure, _ in steps(order, named(event)))


def _told(
    event: StoredEvent, order: OrderView, say: Say, profile: Profile, parts: Sequence[Part]
) -> list[ToldOrder]:
    asked = event.actor_endpoint_id is not None or bool(event.payload.get("by_placer"))
    control = say.requested if asked and say.requested else say.control
    return [
        ToldOrder(
            profile=profile,
            at=event.at,
            patient=order.patient,
            visit=order.visit,
            order=order,
            procedure=procedure,
            step=step,
            control=control,
            progress=_progress(event, order, procedure, say, profile),
            reason=str(event.payload.get("reason", "")) if control in ("OC", "OD") else "",
            modifier=_modifier(event, say),
            timing_in_orc=not _has_tq1(profile),
            set_id=number,
        )
        for number, (procedure, step) in enumerate(parts, start=1)
    ]


def _modifier(event: StoredEvent, say: Say) -> str:
    """A move of somebody who is here takes nothing back of that."""
    return "arrived" if event.payload.get("arrived") else say.modifier


def _draft(told: Sequence[ToldOrder], profile: Profile) -> Draft:
    rows = [row("PID", PID, told[0]), row("PV1", PV1, told[0])]
    for each in told:
        rows.append(row("ORC", ORC, each))
        if _has_tq1(profile):
            rows.append(row("TQ1", TQ1, each))
        rows.append(row("OBR", OBR, each))
    if _as_omg(profile):
        return Draft("OMG", "O19", "OMG_O19", rows)
    return Draft("ORM", "O01", "ORM_O01", rows)


def _as_omg(profile: Profile) -> bool:
    return is_new(profile, profile.settings.order_message, "OMG")


def _has_tq1(profile: Profile) -> bool:
    return _as_omg(profile) and profile.has_new_segments


def is_new(profile: Profile, wanted: str, new: str) -> bool:
    """Whether the newer of two messages is meant: by setting, else by version."""
    return profile.has_new_segments if wanted == "auto" else wanted == new


def _progress(
    event: StoredEvent,
    order: OrderView,
    procedure: ProcedureView,
    say: Say,
    profile: Profile,
) -> Progress:
    settings = profile.settings
    if event.name == "PerformedStepCompleted":
        if settings.complete_at == "exam" and event.payload.get("all_done"):
            return Progress("CM", settings.performed_status)
        done = procedure.stage in {Stage.PERFORMED, Stage.PRELIMINARY, Stage.REPORTED}
        return Progress("IP", settings.performed_status if done else "I")
    mistaken = event.name == "PerformedStepDiscontinued" and was_mistaken(event)
    planned = _SCHEDULED if mistaken else say.progress
    if planned is not None and not (
        planned in (_SCHEDULED, _WAITING) and _says_more(event, order, procedure)
    ):
        return planned
    progress = bindings.PROGRESS[order.status, procedure.stage]
    if procedure.stage is Stage.PERFORMED and order.status is OrderStatus.ACTIVE:
        return Progress(progress.orc_5, settings.performed_status)
    return progress


def _says_more(event: StoredEvent, order: OrderView, procedure: ProcedureView) -> bool:
    """Whether a time that one step got does not say how far it all is: the order is on hold, which
    no new time ends, or another step of the procedure was begun."""
    told = named(event)
    return order.status is OrderStatus.ON_HOLD or any(
        step.status in PERFORMED for step in procedure.steps if step.public_id not in told
    )


def _parts(event: StoredEvent, order: OrderView, about: About) -> list[Part]:
    """What the placer is told of: one entry for each procedure, with the step that matters."""
    if about is About.STEPS:
        by_procedure: dict[str, Part] = {}
        for procedure, step in steps(order, named(event)):
            by_procedure.setdefault(procedure.public_id, (procedure, step))
        return [(procedure, as_told(event, step)) for procedure, step in by_procedure.values()]
    return [
        (procedure, first(procedure))
        for procedure in order.procedures
        if about is About.EVERYTHING or procedure.stage is not Stage.CANCELED
    ]
