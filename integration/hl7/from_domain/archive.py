"""Events + order → scheduled procedures for the archive (IHE RAD-4, RAD-13; spec 1.2 and 1.6).

ORM^O01 with ZDS to 2.4, OMI^O23 with IPC from 2.5 on. Each step has a message of its own, because
dcm4chee reads the first ORC and OBR of a message only; for archives that read them all a setting
makes it a group for each step. Only the pairs of ORC-1 and ORC-5 that dcm4chee takes are used,
unless the endpoint's ``archive_controls`` say others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from integration.hl7.bindings import ARCHIVE_CONTROLS, Progress
from integration.hl7.er7_writer import SegmentRow
from integration.hl7.from_domain.draft import Draft
from integration.hl7.from_domain.order_steps import (
    Part,
    as_told,
    ends_with_more,
    named,
    steps,
    was_mistaken,
)
from integration.hl7.from_domain.orders import is_new
from integration.hl7.from_domain.segments import IPC, OBR, ORC, PID, PV1, TQ1, ZDS, ToldOrder, row
from integration.hl7.profiles import Profile
from ris.domain.orders import OFFERED, OrderStatus, StepStatus
from ris.domain.protocol import StoredEvent
from ris.domain.scheduling import OCCUPYING
from ris.selectors.views import OrderView, StepView

# What happened, by its name in ARCHIVE_CONTROLS, and the steps it happened to.
Announcement = tuple[str, list[Part]]
Told = tuple[StoredEvent, Part]
_MOST_MESSAGES = 16  # of one announcement: an event has no more control ids than 36

_NEW = "scheduled"
_ARRIVED = "arrived"
_STARTED = "started"
_CHANGED = "changed"
_DONE = "completed"
_GONE = "canceled"
_STOPPED = "discontinued"


def _if_active(happened: str) -> Callable[[StoredEvent, OrderView], Announcement]:
    """The steps named, while the order is neither on hold (then the archive has none) nor over."""

    def announce(event: StoredEvent, order: OrderView) -> Announcement:
        active = order.status is OrderStatus.ACTIVE
        return happened, steps(order, named(event)) if active else []

    return announce


def _booked(event: StoredEvent, order: OrderView) -> Announcement:
    # Whatever took an announced step from its time (a cancellation, a no-show) said CA: it is new.
    return _NEW, steps(order, named(event))


def _appointment_canceled(event: StoredEvent, order: OrderView) -> Announcement:
    if ends_with_more(event, order) or order.status is not OrderStatus.ACTIVE:
        return _GONE, []
    return _GONE, steps(order, named(event))


def _offered(happened: str) -> Callable[[StoredEvent, OrderView], Announcement]:
    """All steps of the order that the archive is to list or to drop."""

    def announce(event: StoredEvent, order: OrderView) -> Announcement:
        return happened, _with_status(order, OFFERED)

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


def _protocoled(event: StoredEvent, order: OrderView) -> Announcement:
    """The protocol of what the archive knows of: steps that are not booked yet it does not."""
    if order.status is not OrderStatus.ACTIVE:
        return _CHANGED, []
    parts = steps(order, named(event))
    return _CHANGED, [(one, step) for one, step in parts if step and step.status in OFFERED]


def _canceled(event: StoredEvent, order: OrderView) -> Announcement:
    return _GONE, _with_status(order, frozenset({StepStatus.CANCELED}))


def _discontinued(event: StoredEvent, order: OrderView) -> Announcement:
    return _STOPPED, _with_status(order, frozenset({StepStatus.CANCELED, StepStatus.DISCONTINUED}))


def _step_canceled(event: StoredEvent, order: OrderView) -> Announcement:
    parts = steps(order, named(event))
    return _GONE, [(each, step) for each, step in parts if step and step.start_at is not None]


def _was_announced(step: StepView | None) -> bool:
    """A booking stands, so the archive was told of the step and not told otherwise."""
    booking = step.appointment if step else None
    return booking is not None and booking.status in OCCUPYING


def _started(event: StoredEvent, order: OrderView) -> Announcement:
    """The archive hears of what was never announced; of the rest the modality tells it (MPPS)."""
    parts = steps(order, named(event))
    return _STARTED, [(each, step) for each, step in parts if not _was_announced(step)]


def _performed(event: StoredEvent, order: OrderView) -> Announcement:
    return _DONE, steps(order, named(event))


def _performing_stopped(event: StoredEvent, order: OrderView) -> Announcement:
    return _CHANGED, steps(order, named(event)) if was_mistaken(event) else []


def _unannounced(event: StoredEvent, order: OrderView) -> Announcement:
    """Steps that came to be with their exam, or after it: the archive has never heard of them."""
    parts = steps(order, event.payload.get("steps", ()))
    return _STARTED, [(each, step) for each, step in parts if not _was_announced(step)]


def _relinked(
    happened: str, *states: StepStatus
) -> Callable[[StoredEvent, OrderView], Announcement]:
    """What was performed went from some steps to others: each is told as it is now."""

    def announce(event: StoredEvent, order: OrderView) -> Announcement:
        return happened, [
            (procedure, step)
            for procedure, step in steps(order, named(event))
            if step is not None and step.status in states
        ]

    return announce


Announce = Callable[[StoredEvent, OrderView], Announcement]

ARCHIVE: Mapping[str, Announce | tuple[Announce, ...]] = {
    "AppointmentBooked": _booked,
    "AppointmentMoved": _if_active(_CHANGED),
    "AppointmentModified": _if_active(_CHANGED),
    "AppointmentCanceled": _appointment_canceled,
    "NoShowRecorded": _if_active(_GONE),
    "ProtocolSet": _protocoled,
    "PatientArrived": _if_active(_ARRIVED),
    "ArrivalUndone": _if_active(_CHANGED),
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


def procedure_scheduled(
    event: StoredEvent, order: OrderView, profile: Profile, along: Sequence[StoredEvent] = ()
) -> list[Draft]:
    """What the archive is told of an event, and with it of those of the same name ``along``."""
    announce = ARCHIVE[event.name]
    drafts: list[Draft] = []
    for one in announce if isinstance(announce, tuple) else (announce,):
        happened = one(event, order)[0]
        told = [(each, part) for each in (event, *along) for part in one(each, order)[1]]
        pair = pair_of(happened, profile)
        if pair:
            drafts += [
                _announcement(event, order, profile, pair, group)
                for group in _grouped(told, profile)
            ]
    return drafts


def _grouped(told: list[Told], profile: Profile) -> list[list[Told]]:
    """What goes into each message."""
    by_step = profile.settings.archive_groups == "step" and len(told) <= _MOST_MESSAGES
    return [[each] for each in told] if by_step else [told] if told else []


def pair_of(happened: str, profile: Profile) -> str:
    """ORC-1 and ORC-5 as ``NW_SC``; empty if the archive is not to hear of it."""
    return profile.settings.archive_controls.get(happened, ARCHIVE_CONTROLS[happened])


def _announcement(
    event: StoredEvent, order: OrderView, profile: Profile, pair: str, parts: Sequence[Told]
) -> Draft:
    """One group for each step, as the event says that is about it."""
    control, _, status = pair.partition("_")
    as_omi = is_new(profile, profile.settings.procedure_message, "OMI")
    told = [
        ToldOrder(
            profile=profile,
            at=event.at,
            patient=order.patient,
            visit=order.visit,
            order=order,
            procedure=procedure,
            step=as_told(about, step),
            control=control,
            progress=Progress(status, ""),
            reason=str(event.payload.get("reason", "")) if status == "CA" else "",
            timing_in_orc=not as_omi,
            set_id=number,
        )
        for number, (about, (procedure, step)) in enumerate(parts, start=1)
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
