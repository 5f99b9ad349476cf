"""Orders, requested procedures and scheduled procedure steps: states and commands.

An *Order* is DICOM's Imaging Service Request: what the referring side asked for. It has one or
more *Requested Procedures*, each read and reported on as one; each has one or more *Scheduled
Procedure Steps*, each what one station is to do (PS3.4 K, IHE RAD TF-2 4.2-4.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ris.domain.commands import Command
from ris.domain.patients import Demographics, PatientReference, VisitDetails
from ris.domain.states import StateMachine
from ris.domain.values import Code, Identifier, PersonName


class Priority(StrEnum):
    STAT = "STAT"
    ASAP = "ASAP"
    URGENT = "URGENT"
    ROUTINE = "ROUTINE"


class OrderStatus(StrEnum):
    ACTIVE = "ACTIVE"
    ON_HOLD = "ON_HOLD"
    CANCELED = "CANCELED"
    DISCONTINUED = "DISCONTINUED"
    COMPLETED = "COMPLETED"
    ENTERED_IN_ERROR = "ENTERED_IN_ERROR"


class OrderTrigger(StrEnum):
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"
    DISCONTINUE = "discontinue"
    COMPLETE = "complete"
    REOPEN = "reopen"
    VOID = "void"


ORDER = StateMachine[OrderStatus, OrderTrigger](
    "Order",
    OrderStatus.ACTIVE,
    {
        (OrderStatus.ACTIVE, OrderTrigger.HOLD): OrderStatus.ON_HOLD,
        (OrderStatus.ON_HOLD, OrderTrigger.RELEASE): OrderStatus.ACTIVE,
        (OrderStatus.ACTIVE, OrderTrigger.CANCEL): OrderStatus.CANCELED,
        (OrderStatus.ON_HOLD, OrderTrigger.CANCEL): OrderStatus.CANCELED,
        (OrderStatus.ACTIVE, OrderTrigger.DISCONTINUE): OrderStatus.DISCONTINUED,
        (OrderStatus.ON_HOLD, OrderTrigger.DISCONTINUE): OrderStatus.DISCONTINUED,
        (OrderStatus.ACTIVE, OrderTrigger.COMPLETE): OrderStatus.COMPLETED,
        (OrderStatus.COMPLETED, OrderTrigger.REOPEN): OrderStatus.ACTIVE,
        # Canceled here, performed all the same: the scanner had the step from before.
        (OrderStatus.CANCELED, OrderTrigger.REOPEN): OrderStatus.ACTIVE,
        (OrderStatus.DISCONTINUED, OrderTrigger.REOPEN): OrderStatus.ACTIVE,
        (OrderStatus.ACTIVE, OrderTrigger.VOID): OrderStatus.ENTERED_IN_ERROR,
        (OrderStatus.ON_HOLD, OrderTrigger.VOID): OrderStatus.ENTERED_IN_ERROR,
        (OrderStatus.CANCELED, OrderTrigger.VOID): OrderStatus.ENTERED_IN_ERROR,
        (OrderStatus.DISCONTINUED, OrderTrigger.VOID): OrderStatus.ENTERED_IN_ERROR,
        (OrderStatus.COMPLETED, OrderTrigger.VOID): OrderStatus.ENTERED_IN_ERROR,
    },
)


class StepStatus(StrEnum):
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"
    READY = "READY"
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELED = "CANCELED"
    NO_SHOW = "NO_SHOW"


class StepTrigger(StrEnum):
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    ARRIVE = "arrive"
    PREPARE = "prepare"
    START = "start"
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"
    NO_SHOW = "no_show"
    CANCEL = "cancel"
    REVERT = "revert"
    RESTORE = "restore"  # a cancellation is taken back
    RETRACT = "retract"  # an arrival is taken back
    MOVE = "move"  # the appointment goes elsewhere; who was prepared there is not here


STEP = StateMachine[StepStatus, StepTrigger](
    "ScheduledProcedureStep",
    StepStatus.PENDING,
    {
        (StepStatus.PENDING, StepTrigger.SCHEDULE): StepStatus.SCHEDULED,
        (StepStatus.SCHEDULED, StepTrigger.MOVE): StepStatus.SCHEDULED,
        (StepStatus.ARRIVED, StepTrigger.MOVE): StepStatus.ARRIVED,
        (StepStatus.READY, StepTrigger.MOVE): StepStatus.ARRIVED,
        (StepStatus.NO_SHOW, StepTrigger.SCHEDULE): StepStatus.SCHEDULED,
        (StepStatus.SCHEDULED, StepTrigger.UNSCHEDULE): StepStatus.PENDING,
        (StepStatus.SCHEDULED, StepTrigger.ARRIVE): StepStatus.ARRIVED,
        (StepStatus.ARRIVED, StepTrigger.PREPARE): StepStatus.READY,
        (StepStatus.SCHEDULED, StepTrigger.START): StepStatus.STARTED,
        (StepStatus.ARRIVED, StepTrigger.START): StepStatus.STARTED,
        (StepStatus.READY, StepTrigger.START): StepStatus.STARTED,
        (StepStatus.STARTED, StepTrigger.COMPLETE): StepStatus.COMPLETED,
        (StepStatus.STARTED, StepTrigger.DISCONTINUE): StepStatus.DISCONTINUED,
        (StepStatus.SCHEDULED, StepTrigger.NO_SHOW): StepStatus.NO_SHOW,
        (StepStatus.PENDING, StepTrigger.CANCEL): StepStatus.CANCELED,
        (StepStatus.SCHEDULED, StepTrigger.CANCEL): StepStatus.CANCELED,
        (StepStatus.ARRIVED, StepTrigger.CANCEL): StepStatus.CANCELED,
        (StepStatus.READY, StepTrigger.CANCEL): StepStatus.CANCELED,
        (StepStatus.NO_SHOW, StepTrigger.CANCEL): StepStatus.CANCELED,
        (StepStatus.STARTED, StepTrigger.REVERT): StepStatus.SCHEDULED,
        (StepStatus.COMPLETED, StepTrigger.REVERT): StepStatus.SCHEDULED,
        (StepStatus.DISCONTINUED, StepTrigger.REVERT): StepStatus.SCHEDULED,
        (StepStatus.CANCELED, StepTrigger.REVERT): StepStatus.SCHEDULED,
        (StepStatus.CANCELED, StepTrigger.RESTORE): StepStatus.PENDING,
        (StepStatus.ARRIVED, StepTrigger.RETRACT): StepStatus.SCHEDULED,
    },
)

# Where a step stands in its life; used by lists and by the rules below.
OFFERED = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY})
HERE = frozenset({StepStatus.ARRIVED, StepStatus.READY})
OPEN = OFFERED | {StepStatus.PENDING, StepStatus.STARTED, StepStatus.NO_SHOW}
PERFORMED = frozenset({StepStatus.STARTED, StepStatus.COMPLETED, StepStatus.DISCONTINUED})


class Stage(StrEnum):
    """How far a requested procedure is; derived from its steps and report, never driven."""

    REQUESTED = "REQUESTED"
    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"
    IN_PROGRESS = "IN_PROGRESS"
    PERFORMED = "PERFORMED"
    PRELIMINARY = "PRELIMINARY"
    REPORTED = "REPORTED"
    CANCELED = "CANCELED"


class ReportState(StrEnum):
    """What a procedure's stage needs to know of its report."""

    NONE = "NONE"
    PRELIMINARY = "PRELIMINARY"
    FINAL = "FINAL"


def stage(steps: Iterable[StepStatus], report: ReportState) -> Stage:
    """The stage of a requested procedure, from the states of its steps and its report."""
    states = set(steps)
    if report is ReportState.FINAL:
        return Stage.REPORTED
    if report is ReportState.PRELIMINARY:
        return Stage.PRELIMINARY
    live = states - {StepStatus.CANCELED}
    if not live:
        return Stage.CANCELED if states else Stage.REQUESTED
    if StepStatus.STARTED in live:
        return Stage.IN_PROGRESS
    ended = {StepStatus.COMPLETED, StepStatus.DISCONTINUED}
    if live <= ended:
        return Stage.PERFORMED if StepStatus.COMPLETED in live else Stage.CANCELED
    if live & ended:
        return Stage.IN_PROGRESS
    if live & {StepStatus.ARRIVED, StepStatus.READY}:
        return Stage.ARRIVED
    if StepStatus.SCHEDULED in live:
        return Stage.SCHEDULED
    return Stage.REQUESTED


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """What the order says of one scheduled procedure step (IPC segment, OBR-20/24/27)."""

    step_id: str = ""
    modality: str = ""
    station_ae_title: str = ""
    station_name: str = ""
    location: str = ""
    start_at: datetime | None = None
    duration_minutes: int | None = None
    description: str = ""
    protocol_codes: tuple[Code, ...] = ()
    performing_physician: PersonName = field(default_factory=PersonName)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureRequest:
    """One requested procedure of an order (OBR-4/44, IPC-1..3, ServiceRequest.code).

    ``also`` are other codes for the same; the first that the catalog knows is taken. With
    ``whole`` the steps named are all there are, whatever the catalog has.
    """

    code: Code
    also: tuple[Code, ...] = ()
    description: str = ""
    procedure_id: str = ""
    study_instance_uid: str = ""
    laterality: str = ""
    steps: tuple[StepRequest, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDetails:
    """What may be said of an order as a whole. ``None`` means "not said"."""

    priority: Priority | None = None
    reason: str | None = None
    reason_code: Code | None = None
    comments: str | None = None
    remarks: tuple[str, ...] = ()  # lines that are added to the comments and take none away
    requester: PersonName | None = None
    requester_identifier: Identifier | None = None
    requesting_service: str | None = None
    referring: PersonName | None = None
    transport: str | None = None
    entered_by: str | None = None
    entering_location: str | None = None
    ordered_at: datetime | None = None
    callback_phone: str | None = None
    requesting_service_code: Code | None = None
    clinical_information: str | None = None
    patient_state: str | None = None  # a danger to or from the patient
    confidentiality: str | None = None  # of the order
    patient_confidentiality: str | None = None
    interpreter_language: str | None = None  # BCP 47


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReference:
    """How a sender names an order: our public id, or one of its numbers with issuer.

    ``patient`` is whom the sender says it is for, ``demographics`` what it says of the person: a
    number that belongs to an order of somebody else is refused.
    """

    public_id: str = ""
    placer: Identifier | None = None
    filler: Identifier | None = None
    accession: Identifier | None = None
    study_instance_uid: str = ""
    patient: tuple[Identifier, ...] = ()
    demographics: Demographics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """What the placer is told of its order."""

    public_id: str
    filler_order_number: str
    accession_number: str
    study_instance_uids: tuple[str, ...]
    created: bool = True  # False: the same order was known already and nothing changed
    status: OrderStatus = OrderStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder(Command[PlacedOrder]):
    """Accept a new order (ORC-1 NW, ServiceRequest create, a page).

    Steps that name a time are scheduled at once; the others wait to be booked.
    ``wait_for_scheduler`` keeps even those with a time waiting (endpoint setting).
    ``strict_catalog`` refuses a procedure code the catalog does not know. ``revise_known`` takes
    other content under a known number as a change. ``parent`` is the requisition it came under,
    ``replaces`` what it stands for; these orders were closed before.
    """

    patient: PatientReference
    procedures: tuple[ProcedureRequest, ...]
    placer: Identifier | None = None
    filler: Identifier | None = None
    accession: Identifier | None = None
    group_number: str = ""
    visit: VisitDetails | None = None
    details: OrderDetails = field(default_factory=OrderDetails)
    parent: Identifier | None = None
    replaces: tuple[OrderReference, ...] = ()
    wait_for_scheduler: bool = False
    strict_catalog: bool = False
    revise_known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseOrder(Command[PlacedOrder]):
    """Change an order (ORC-1 XO): only what is said; identifiers, UIDs and bookings stay.

    ``procedures`` is matched to the stored ones by Study Instance UID, procedure id, step id, code,
    else by position if there are as many; what may be meant for two of them is refused. A step's
    new time moves its booking; a time that was wished before leaves it where a scheduler put it.
    """

    order: OrderReference
    details: OrderDetails = field(default_factory=OrderDetails)
    procedures: tuple[ProcedureRequest, ...] = ()
    visit: VisitDetails | None = None
    expected_version: int | None = None
    wait_for_scheduler: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOrder(Command[str]):
    """Keep an order off the worklist for now (ORC-1 HD)."""

    order: OrderReference
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOrder(Command[str]):
    """End a hold (ORC-1 RL)."""

    order: OrderReference


@dataclass(frozen=True, slots=True, kw_only=True)
class CanceledOrder:
    """What was ended: of these orders the procedures named; all that was open if none is."""

    orders: tuple[str, ...]
    procedures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder(Command[CanceledOrder]):
    """Cancel an order of which nothing was started (ORC-1 CA); refused after a start.

    ``procedures`` are those it is said to be about. Where they are some of what the placer ordered,
    and none of them can mean two, only these are canceled; otherwise the order is.
    """

    order: OrderReference
    reason: str = ""
    procedures: tuple[ProcedureRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceOrder(Command[str]):
    """Close an order for another one that follows (ORC-1 RP); refused after a start."""

    order: OrderReference
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectCancellation(Command[None]):
    """Remember a cancellation that came before its order: the order is canceled when it comes, or
    the ``procedures`` that are named."""

    placer: Identifier
    minutes: int
    reason: str = ""
    procedures: tuple[ProcedureRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRefusedCancellation(Command[None]):
    """Show whoever works on an exam that its placer wants it canceled, which came too late."""

    order: OrderReference
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachPlacerNumber(Command[str]):
    """Give an order of ours the number that its placer has for it (ORC-1 NA)."""

    order: OrderReference
    placer: Identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOrder(Command[PlacedOrder]):
    """Name an order to be told of (ORC-1 SS); changes nothing, and is audited."""

    order: OrderReference


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscontinueOrder(Command[CanceledOrder]):
    """Stop what is left of an order of which something was started (ORC-1 DC).

    ``procedures`` as with a cancellation.
    """

    order: OrderReference
    reason: str = ""
    procedures: tuple[ProcedureRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidOrder(Command[str]):
    """Mark an order as entered in error (privileged)."""

    order: OrderReference
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddProcedure(Command[str]):
    """Add a requested procedure to an active order; returns the procedure's public id."""

    order: OrderReference
    procedure: ProcedureRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelStep(Command[None]):
    """Cancel one step that was not started."""

    step: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatStep(Command[str]):
    """Plan again what was discontinued or canceled; returns the new step's public id."""

    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteInformation(Command[None]):
    """Give a step what it lacked to be scheduled (the "Needs information" list)."""

    step: str
    modality: str
    description: str = ""
    duration_minutes: int | None = None
