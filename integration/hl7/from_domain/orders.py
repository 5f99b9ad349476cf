"""Events + order → order status for the placer, scheduled procedures for the archive.

The placer hears ORM^O01 (to 2.4) or OMG^O19 (IHE RAD-3), the archive ORM^O01 with ZDS or OMI^O23
with IPC (RAD-4, RAD-13). What each event says is a table (fhir.md 1.5). Towards the archive only
the pairs of ORC-1 and ORC-5 that dcm4chee takes are used: NW_SC, NW_IP, XO_SC, XO_CM, CA_CA, DC_CA.
What changed comes from the event, so a late message still says what happened then; the rest comes
from the order as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from integration.hl7 import bindings
from integration.hl7.bindings import Progress
from integration.hl7.er7_writer import SegmentRow
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.segments import IPC, OBR, ORC, PID, PV1, TQ1, ZDS, ToldOrder, row
from integration.hl7.profiles import Profile
from ris.domain.orders import OFFERED, OrderStatus, Stage, StepStatus
from ris.domain.performing import INCORRECT_WORKLIST_ENTRY
from ris.domain.protocol import StoredEvent
from ris.domain.scheduling import OCCUPYING
from ris.selectors.views import OrderView, ProcedureView, StepView

Part = tuple[ProcedureView, StepView | None]


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
    "PerformedStepStarted": Say("SC", About.STEPS, _IN_PROGRESS),
    "PerformedStepCompleted": Say("SC", About.STEPS, _IN_PROGRESS),
    "PerformedStepDiscontinued": Say("SC", About.STEPS, _IN_PROGRESS),
    "PerformedStepRelinked": Say("SC", About.STEPS),
    "PerformedStepRevised": Say("SC", About.STEPS),
    "PerformedStepOrdered": Say("SN", About.EVERYTHING, _IN_PROGRESS),
    "StepCanceled": Say("SC", About.STEPS),
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

# What a placer may have asked for itself: then it has our answer and needs no message.
REQUESTS = frozenset(
    {"OrderHeld", "OrderReleased", "OrderCanceled", "OrderDiscontinued", "OrderRevised"}
)


def order_status(
    event: StoredEvent, order: OrderView, profile: Profile, *, asked_by_receiver: bool
) -> Draft | None:
    """What the placer is told of an event; None if it is not concerned.

    An order without placer number was born here: nobody could tell which one is meant. But one that
    was made of an exam asks the placer for a number of its own (SN, IHE RAD-3).
    """
    say = STATUS[event.name]
    is_nameless = not order.placer.value and say.control != "SN"
    if is_nameless or (asked_by_receiver and event.name in REQUESTS):
        return None
    if event.name == "AppointmentCanceled" and _ends_with_more(event, order):
        return None
    parts = _parts(event, order, say.about)
    if not parts:
        return None
    asked = event.actor_endpoint_id is not None or bool(event.payload.get("by_placer"))
    control = say.requested if asked and say.requested else say.control
    as_omg = _is_new(profile, profile.settings.order_message, "OMG")
    with_tq1 = as_omg and profile.has_new_segments
    told = [
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
            modifier=say.modifier,
            timing_in_orc=not with_tq1,
            set_id=number,
        )
        for number, (procedure, step) in enumerate(parts, start=1)
    ]
    rows = [row("PID", PID, told[0]), row("PV1", PV1, told[0])]
    for each in told:
        rows.append(row("ORC", ORC, each))
        if with_tq1:
            rows.append(row("TQ1", TQ1, each))
        rows.append(row("OBR", OBR, each))
    return Draft("OMG", "O19", "OMG_O19", rows) if as_omg else Draft("ORM", "O01", "ORM_O01", rows)


def _is_new(profile: Profile, wanted: str, new: str) -> bool:
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
    if event.name == "PerformedStepDiscontinued" and _was_mistaken(event):
        return _SCHEDULED
    if say.progress is not None:
        return say.progress
    progress = bindings.PROGRESS[order.status, procedure.stage]
    if procedure.stage is Stage.PERFORMED and order.status is OrderStatus.ACTIVE:
        return Progress(progress.orc_5, settings.performed_status)
    return progress


def _was_mistaken(event: StoredEvent) -> bool:
    """The wrong worklist entry had been picked, or nothing was made: it is to be done still."""
    payload = event.payload
    return bool(payload.get("returned")) or payload.get("reason") == INCORRECT_WORKLIST_ENTRY


def _ends_with_more(event: StoredEvent, order: OrderView) -> bool:
    """The appointment went because the order or the step did, of which another event tells."""
    if order.status not in {OrderStatus.ACTIVE, OrderStatus.ON_HOLD}:
        return True
    return any(
        step is not None and step.status is StepStatus.CANCELED
        for _, step in _steps(order, _named(event))
    )


# --- which procedures and steps -----------------------------------------------------------------


def _named(event: StoredEvent) -> list[str]:
    payload = event.payload
    named = [payload["step"]] if payload.get("step") else []
    return [*named, *payload.get("steps", ()), *payload.get("previous_steps", ())]


def _steps(order: OrderView, public_ids: Iterable[str]) -> list[Part]:
    """The steps of this order that are named; those of other orders are told with theirs."""
    wanted = set(public_ids)
    return [
        (procedure, step)
        for procedure in order.procedures
        for step in procedure.steps
        if step.public_id in wanted
    ]


def _parts(event: StoredEvent, order: OrderView, about: About) -> list[Part]:
    """What the placer is told of: one entry for each procedure, with the step that matters."""
    if about is About.STEPS:
        by_procedure: dict[str, Part] = {}
        for procedure, step in _steps(order, _named(event)):
            by_procedure.setdefault(procedure.public_id, (procedure, step))
        return [(procedure, _as_told(event, step)) for procedure, step in by_procedure.values()]
    return [
        (procedure, _first(procedure))
        for procedure in order.procedures
        if about is About.EVERYTHING or procedure.stage is not Stage.CANCELED
    ]


def _first(procedure: ProcedureView) -> StepView | None:
    live = [step for step in procedure.steps if step.status is not StepStatus.CANCELED]
    steps = live or list(procedure.steps)
    return steps[0] if steps else None


def _as_told(event: StoredEvent, step: StepView | None) -> StepView | None:
    """The step with the time and the station that the event names."""
    start, end = event.payload.get("start_at"), event.payload.get("end_at")
    if step is None or not start or not end:
        return step
    start_at, end_at = datetime.fromisoformat(start), datetime.fromisoformat(end)
    return replace(
        step,
        start_at=start_at,
        duration_minutes=round((end_at - start_at).total_seconds() / 60),
        station_ae_title=event.payload.get("station") or step.station_ae_title,
    )


# --- the archive --------------------------------------------------------------------------------

Pair = tuple[str, str]
Announcement = tuple[Pair, list[Part]]

_NEW: Pair = ("NW", "SC")
_STARTED: Pair = ("NW", "IP")
_CHANGED: Pair = ("XO", "SC")
_DONE: Pair = ("XO", "CM")
_GONE: Pair = ("CA", "CA")
_STOPPED: Pair = ("DC", "CA")
PAIRS = (_NEW, _STARTED, _CHANGED, _DONE, _GONE, _STOPPED)


def _if_active(pair: Pair) -> Callable[[StoredEvent, OrderView], Announcement]:
    """The steps named, while the order is neither on hold (then the archive has none) nor over."""

    def announce(event: StoredEvent, order: OrderView) -> Announcement:
        active = order.status is OrderStatus.ACTIVE
        return pair, _steps(order, _named(event)) if active else []

    return announce


def _booked(event: StoredEvent, order: OrderView) -> Announcement:
    # Whatever took an announced step from its time (a cancellation, a no-show) said CA: it is new.
    return _NEW, _steps(order, _named(event))


def _appointment_canceled(event: StoredEvent, order: OrderView) -> Announcement:
    if _ends_with_more(event, order) or order.status is not OrderStatus.ACTIVE:
        return _GONE, []
    return _GONE, _steps(order, _named(event))


def _offered(pair: Pair) -> Callable[[StoredEvent, OrderView], Announcement]:
    """All steps of the order that the archive is to list or to drop."""

    def announce(event: StoredEvent, order: OrderView) -> Announcement:
        return pair, _with_status(order, OFFERED)

    return announce


def _with_status(order: OrderView, statuses: frozenset[StepStatus]) -> list[Part]:
    """Steps in one of these states that have, or had, a time: the archive knows no others."""
    return [
        (procedure, step)
        for procedure in order.procedures
        for step in procedure.steps
        if step.status in statuses and step.start_at is not None
    ]


def _revised(event: StoredEvent, order: OrderView) -> Announcement:
    # A new time alone is told with the appointment.
    if order.status is not OrderStatus.ACTIVE or set(event.payload["changed"]) == {"start_at"}:
        return _CHANGED, []
    return _CHANGED, _with_status(order, OFFERED)


def _canceled(event: StoredEvent, order: OrderView) -> Announcement:
    return _GONE, _with_status(order, frozenset({StepStatus.CANCELED}))


def _discontinued(event: StoredEvent, order: OrderView) -> Announcement:
    return _STOPPED, _with_status(order, frozenset({StepStatus.CANCELED, StepStatus.DISCONTINUED}))


def _step_canceled(event: StoredEvent, order: OrderView) -> Announcement:
    parts = _steps(order, _named(event))
    return _GONE, [(each, step) for each, step in parts if step and step.start_at is not None]


def _was_announced(step: StepView | None) -> bool:
    """A booking stands, so the archive was told of the step and not told otherwise."""
    booking = step.appointment if step else None
    return booking is not None and booking.status in OCCUPYING


def _started(event: StoredEvent, order: OrderView) -> Announcement:
    """The archive hears of what was never announced; of the rest the modality tells it (MPPS)."""
    parts = _steps(order, _named(event))
    return _STARTED, [(each, step) for each, step in parts if not _was_announced(step)]


def _performed(event: StoredEvent, order: OrderView) -> Announcement:
    return _DONE, _steps(order, _named(event))


def _performing_stopped(event: StoredEvent, order: OrderView) -> Announcement:
    return _CHANGED, _steps(order, _named(event)) if _was_mistaken(event) else []


def _unannounced(event: StoredEvent, order: OrderView) -> Announcement:
    """Steps that came to be with their exam, or after it: the archive has never heard of them."""
    parts = _steps(order, event.payload.get("steps", ()))
    return _STARTED, [(each, step) for each, step in parts if not _was_announced(step)]


def _relinked(pair: Pair, *states: StepStatus) -> Callable[[StoredEvent, OrderView], Announcement]:
    """What was performed went from some steps to others: each is told as it is now."""

    def announce(event: StoredEvent, order: OrderView) -> Announcement:
        return pair, [
            (procedure, step)
            for procedure, step in _steps(order, _named(event))
            if step is not None and step.status in states
        ]

    return announce


Announce = Callable[[StoredEvent, OrderView], Announcement]

ARCHIVE: Mapping[str, Announce | tuple[Announce, ...]] = {
    "AppointmentBooked": _booked,
    "AppointmentMoved": _if_active(_CHANGED),
    "AppointmentCanceled": _appointment_canceled,
    "NoShowRecorded": _if_active(_GONE),
    "OrderHeld": _offered(_GONE),
    "OrderReleased": _offered(_NEW),
    "OrderRevised": _revised,
    "OrderCanceled": _canceled,
    "OrderVoided": _canceled,
    "OrderDiscontinued": _discontinued,
    "StepCanceled": _step_canceled,
    "PerformedStepStarted": _started,
    "PerformedStepCompleted": _performed,
    "PerformedStepDiscontinued": _performing_stopped,
    "PerformedStepRevised": _relinked(_DONE, StepStatus.COMPLETED),
    "PerformedStepRelinked": (
        _unannounced,
        _relinked(_CHANGED, *sorted(OFFERED)),
        _relinked(_DONE, StepStatus.COMPLETED),
    ),
}


def procedure_scheduled(event: StoredEvent, order: OrderView, profile: Profile) -> list[Draft]:
    """What the archive is told of an event, most often one message or none."""
    announce = ARCHIVE[event.name]
    each = announce if isinstance(announce, tuple) else (announce,)
    announcements = [one(event, order) for one in each]
    return [
        _announcement(event, order, profile, pair, parts) for pair, parts in announcements if parts
    ]


def _announcement(
    event: StoredEvent, order: OrderView, profile: Profile, pair: Pair, parts: Sequence[Part]
) -> Draft:
    """One group for each step."""
    control, status = pair
    as_omi = _is_new(profile, profile.settings.procedure_message, "OMI")
    told = [
        ToldOrder(
            profile=profile,
            at=event.at,
            patient=order.patient,
            visit=order.visit,
            order=order,
            procedure=procedure,
            step=_as_told(event, step),
            control=control,
            progress=Progress(status, ""),
            reason=str(event.payload.get("reason", "")) if status == "CA" else "",
            timing_in_orc=not as_omi,
            set_id=number,
        )
        for number, (procedure, step) in enumerate(parts, start=1)
    ]
    return _with_ipc(told) if as_omi else _with_zds(told)


def _with_zds(told: Sequence[ToldOrder]) -> Draft:
    """ORM^O01 to 2.4: an ORC, OBR and ZDS for each step (IHE RAD TF-2 4.4.4.1)."""
    rows = [row("PID", PID, told[0]), row("PV1", PV1, told[0])]
    for each in told:
        rows += [row("ORC", ORC, each), row("OBR", OBR, each), *_notes(each)]
        rows.append(row("ZDS", ZDS, each))
    return Draft("ORM", "O01", "ORM_O01", rows)


def _with_ipc(told: Sequence[ToldOrder]) -> Draft:
    """OMI^O23 from 2.5 on: TQ1 and IPC for each step."""
    rows = [row("PID", PID, told[0]), row("PV1", PV1, told[0])]
    for each in told:
        rows += [row("ORC", ORC, each), row("TQ1", TQ1, each), row("OBR", OBR, each)]
        rows += [*_notes(each), row("IPC", IPC, each)]
    return Draft("OMI", "O23", "OMI_O23", rows)


def _notes(told: ToldOrder) -> list[SegmentRow]:
    return [("NTE", 1, "L", told.order.comments)] if told.order.comments else []
